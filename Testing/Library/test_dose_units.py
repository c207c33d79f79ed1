"""Doses in model units and back."""

from __future__ import annotations

import numpy as np
import pytest
from phantom import ball_patient

from DosePredictionLib.conditioning.channels import ModelInput, model_input
from DosePredictionLib.conditioning.dose_units import gy_per_unit, in_gy, in_model_units
from DosePredictionLib.conditioning.padding import window


@pytest.fixture(scope="module")
def inputs() -> ModelInput:
    return model_input(ball_patient())


def test_zero_dose_is_minus_one_and_the_prescription_plus_one(inputs):
    highest = inputs.prescription_gy
    said = in_model_units(np.array([0.0, highest / 4, highest, 1.1 * highest], np.float32), inputs)
    assert said == pytest.approx([-1.0, -0.5, 1.0, 1.2], abs=1e-6)
    assert gy_per_unit(inputs) * 2 == highest


def test_a_dose_comes_back_from_where_the_patient_lies_in_a_larger_volume(inputs):
    dose_gy = np.random.default_rng(0).uniform(0.0, 77.0, inputs.region.shape).astype(np.float32)
    offset, shape = (2, 0, 5), tuple(n + 7 for n in inputs.region.shape)
    padded_gy = np.full(shape, 50.0, np.float32)
    padded_gy[window(dose_gy.shape, offset)] = dose_gy
    said = in_model_units(padded_gy, inputs)
    wanted = np.where(inputs.region, dose_gy, 0.0)
    assert in_gy(np.stack([said, said]), inputs, offset) == pytest.approx(np.stack([wanted, wanted]), abs=1e-4)
    assert in_gy(in_model_units(dose_gy, inputs), inputs) == pytest.approx(wanted, abs=1e-4)


def test_no_dose_is_negative_and_none_lies_outside_the_region(inputs):
    less_than_none = np.full(inputs.region.shape, -1.3, np.float32)
    assert not in_gy(less_than_none, inputs).any()
    everywhere = in_gy(np.ones(inputs.region.shape, np.float32), inputs)
    assert np.array_equal(everywhere > 0, inputs.region)
    assert everywhere.dtype == np.float32
