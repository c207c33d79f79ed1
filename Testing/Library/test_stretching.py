"""Patients of another build: what is stretched, and that what is scored goes along."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from ball_case import ball_case

from DosePredictionLib.conditioning.distance import signed_distance
from DosePredictionLib.training.config import TrainingConfig
from DosePredictionLib.training.draw import augmented
from DosePredictionLib.training.stretching import MOST, WAVES, Stretch, draw_stretch, stretched


class NothingLeftOut:
    """A system without optional conditions."""

    optional_conditions = ()
    drop = 0.0


def even(*factors: float) -> Stretch:
    """The same factor at all places of an axis (z, y, x)."""
    logarithms = np.zeros((3, 1 + WAVES))
    logarithms[:, 0] = np.log(factors)
    return Stretch(logarithms)


def widths(mask: np.ndarray) -> list[int]:
    """How many voxels a mask reaches over along z, y and x."""
    return [int(np.ptp(places)) + 1 for places in np.nonzero(mask)]


def test_a_patient_who_is_not_stretched_stays_as_he_was():
    case = ball_case()
    same = stretched(case, even(1.0, 1.0, 1.0))
    assert np.array_equal(same.inputs.region, case.inputs.region)
    assert np.allclose(same.inputs.channels, case.inputs.channels, atol=1e-3)
    assert np.allclose(same.dose_gy, case.dose_gy, atol=1e-3)


def test_a_longer_patient_has_a_longer_target_and_the_same_curve():
    """1.2 along z: the target is a fifth longer, as wide as before, and its dose keeps mean and spread."""
    case = ball_case()
    z, y, x = (np.arange(size) - size / 2 for size in case.inputs.region.shape)
    dose = 60 * np.exp(-((z[:, None, None] / 8) ** 2) - (y[:, None] / 9) ** 2 - (x / 7) ** 2) * case.inputs.region
    case = replace(case, dose_gy=dose.astype(np.float32))
    longer = stretched(case, even(1.2, 1.0, 1.0))
    before, after = (one.inputs.channel("prescription") > 0 for one in (case, longer))
    assert widths(after)[0] == pytest.approx(1.2 * widths(before)[0], abs=1.0)
    assert widths(after)[1:] == widths(before)[1:]
    assert after.sum() == pytest.approx(1.2 * before.sum(), rel=0.05)
    assert longer.inputs.geometry.spacing_mm == case.inputs.geometry.spacing_mm
    assert longer.inputs.geometry.shape == longer.dose_gy.shape == longer.inputs.region.shape
    of_target = [one.dose_gy[mask] for one, mask in ((case, before), (longer, after))]
    for points in zip(*(np.percentile(doses, [1, 50, 99]) for doses in of_target), strict=True):
        assert points[1] == pytest.approx(points[0], abs=1.0)


def test_distances_are_those_of_the_stretched_target():
    case = ball_case()
    wider = stretched(case, even(0.9, 1.15, 1.25))
    target = wider.inputs.channel("prescription") >= 1.0 - 1e-3
    wanted = signed_distance(target, wider.inputs.geometry.spacing_mm)
    assert np.array_equal(wider.inputs.channel("distance_high"), wanted)


def test_each_place_has_its_own_factor_within_bounds():
    """A wave squeezes one half and stretches the other."""
    logarithms = np.zeros((3, 1 + WAVES))
    logarithms[2, 1] = 0.1
    factors = Stretch(logarithms).factors(2, 100)
    assert factors[0] == pytest.approx(np.exp(0.1), rel=1e-3) and factors[-1] == pytest.approx(np.exp(-0.1), rel=1e-3)
    logarithms[2, 0] = 5.0
    assert Stretch(logarithms).factors(2, 100).max() == pytest.approx(MOST)
    assert Stretch(-logarithms).factors(2, 100).min() == pytest.approx(1 / MOST)


def test_draws_are_as_wide_as_they_are_told():
    rng = np.random.default_rng(0)
    drawn = [draw_stretch(rng, 0.5, 0.05) for _ in range(2000)]
    told = [stretch for stretch in drawn if stretch is not None]
    assert len(told) == pytest.approx(1000, rel=0.1)
    logarithms = np.log([stretch.factors(axis, 20) for stretch in told for axis in range(3)])
    assert logarithms.mean() == pytest.approx(0.0, abs=0.004)
    assert logarithms.std() == pytest.approx(0.05, rel=0.05)


def test_a_run_stretches_patients_only_when_told_to():
    case = ball_case()
    plain = {"turn_probability": 0.0, "upside_down": 0.0}
    told = [
        augmented(case, NothingLeftOut(), TrainingConfig("", "", "", **plain, **more), np.random.default_rng(seed))
        for more in ({}, {"stretch_probability": 1.0, "stretch": 0.15})
        for seed in range(3)
    ]
    assert all(one.inputs.region.shape == case.inputs.region.shape for one in told[:3])
    assert all(one.inputs.region.shape != case.inputs.region.shape for one in told[3:])
