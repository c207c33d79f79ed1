"""Turned patients: a dose keeps its shape, its size and its sharpness."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from ball_case import ball_case

from DosePredictionLib.conditioning.distance import FARTHEST_MM
from DosePredictionLib.systems.default import DefaultSystem
from DosePredictionLib.training import draw
from DosePredictionLib.training.augmentation import Turn, draw_turn, turned
from DosePredictionLib.training.config import TrainingConfig


def moments_mm(dose, spacing_mm):
    """Standard deviations (x, y) in mm of a dose in an axial plane, about its middle."""
    layer = dose[len(dose) // 2].astype(float)
    layer /= layer.sum()
    found = []
    for axis, spacing in ((1, spacing_mm[0]), (0, spacing_mm[1])):
        profile = layer.sum(axis=1 - axis)
        at = np.arange(len(profile)) * spacing
        found.append(np.sqrt((profile * (at - (profile * at).sum()) ** 2).sum()))
    return found


@pytest.mark.parametrize("turn", [Turn(17.0, 1.0), Turn(90.0, 1.07), Turn(-40.0, 0.93)])
def test_turning_keeps_a_narrow_dose_as_narrow_as_it_was(turn):
    """A Gaussian of 8 mm by 4 mm: linear interpolation would widen its narrow side by more than this."""
    case = ball_case()
    spacing = case.inputs.geometry.spacing_mm
    layers, height, width = case.dose_gy.shape
    y, x = np.mgrid[:height, :width].astype(float)
    x, y = (x - width // 2) * spacing[0], (y - height // 2) * spacing[1]
    gaussian = 70 * np.exp(-0.5 * ((x / 8.0) ** 2 + (y / 4.0) ** 2))
    dose = np.broadcast_to(gaussian, case.dose_gy.shape) * case.inputs.region
    result = turned(replace(case, dose_gy=dose), turn)
    angle = np.radians(turn.angle_degrees)
    wanted = [np.hypot(8 * np.cos(angle), 4 * np.sin(angle)), np.hypot(8 * np.sin(angle), 4 * np.cos(angle))]
    assert moments_mm(result.dose_gy, result.inputs.geometry.spacing_mm) == pytest.approx(wanted, rel=0.025)
    assert result.dose_gy.min() == 0.0
    for name, before, after in zip(case.inputs.names, case.inputs.channels, result.inputs.channels, strict=True):
        outside = FARTHEST_MM / 50.0 if name.startswith("distance_") else 0.0
        low, high = min(before.min(), outside) - 1e-6, max(before.max(), outside) + 1e-6
        assert low <= after.min() and after.max() <= high, name
    cell = np.prod(result.inputs.geometry.spacing_mm) / np.prod(spacing)
    assert result.dose_gy.sum() * cell == pytest.approx(dose.sum(), rel=0.01)


@pytest.mark.parametrize("share", [0.0, 0.2, 1.0])
def test_turns_are_small_or_keep_the_nine_beams_where_they_are(share):
    rng = np.random.default_rng(0)
    angles = np.array([draw_turn(rng, 1.0, 20.0, 0.1, share).angle_degrees for _ in range(2000)])
    keeps_beams = (angles % 40 == 0) & (angles != 0)
    assert keeps_beams.mean() == pytest.approx(share, abs=0.03)
    assert (np.abs(angles[~keeps_beams]) <= 20.0).all() and set(angles[keeps_beams] / 40) <= set(range(1, 9))


def test_a_run_has_the_share_of_its_configuration(monkeypatch):
    angles = []

    def noted(case, turn):
        angles.append(turn.angle_degrees)
        return case

    monkeypatch.setattr(draw, "turned", noted)
    config = TrainingConfig("train", "validation", "run", turn_probability=1.0, beam_turn_share=1.0)
    rng = np.random.default_rng(0)
    for _ in range(10):
        draw.laid(ball_case(), DefaultSystem(), config, rng)
    assert len(angles) == 10 and all(angle % 40 == 0 for angle in angles)
