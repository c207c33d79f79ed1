"""The DVHs that a prediction keeps: of the dose, and of the dose less and plus its uncertainty."""

from __future__ import annotations

import numpy as np
import pytest
from phantom import ball_dose, ball_patient

from DosePredictionLib.inference.options import Provenance
from DosePredictionLib.patient.volume import Volume
from DosePredictionLib.worker.predictor import Prediction


def prediction(std_gy: float | None) -> Prediction:
    """A dose with the same uncertainty everywhere, and a band of one and a half of it."""
    dose = ball_dose()
    std = None if std_gy is None else Volume(np.full_like(dose.array, std_gy), dose.geometry)
    made = Provenance(
        system="analytic", weights="none", weights_sha256="", trained_on="nothing", patient="ball", samples=2, steps=1,
        seed=0, device="cpu", device_name="", seconds={}, versions={}, dvh_band=1.5,
    )  # fmt: skip
    return Prediction(ball_patient(), dose, std, made)


def test_a_band_is_the_uncertainty_away_from_the_curve_and_never_below_no_dose():
    made = prediction(2.0)
    assert made.dvh_bands is not None and made.dvh_bands.keys() == made.dvhs.keys()
    for name, (low, high) in made.dvh_bands.items():
        for percent in (2.0, 50.0, 98.0):
            there = made.dvhs[name].dose_at_volume_percent(percent)
            assert high.dose_at_volume_percent(percent) == pytest.approx(there + 3.0, abs=1e-3)
            assert low.dose_at_volume_percent(percent) == pytest.approx(max(there - 3.0, 0.0), abs=0.1)
    assert min(low.min_gy for low, _ in made.dvh_bands.values()) == 0.0
    assert prediction(None).dvh_bands is None


def test_beside_another_dose_only_that_is_another():
    made = prediction(2.0)
    known = made.dvhs, made.dvh_bands
    other = Volume(made.dose.array * np.float32(0.9), made.dose.geometry)
    beside = made.beside(other, 20)
    assert beside.patient.reference_dose is other and beside.patient.fractions == 20
    assert made.patient.reference_dose is not other
    assert (beside.dvhs, beside.dvh_bands) == known and beside.dvhs is known[0] and beside.dvh_bands is known[1]
    first = prediction(2.0).beside(None, None)
    assert first.patient.reference_dose is None and first.dvhs.keys() == known[0].keys(), "computed when asked for"
