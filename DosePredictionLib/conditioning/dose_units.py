"""Doses as networks say them: zero dose is -1, the patient's highest prescription is +1."""

from __future__ import annotations

import numpy as np

from DosePredictionLib.conditioning.channels import ModelInput
from DosePredictionLib.conditioning.padding import window


def gy_per_unit(inputs: ModelInput) -> float:
    """Gy of a step of 1 in model units."""
    return inputs.prescription_gy / 2


def in_model_units(dose_gy: np.ndarray, inputs: ModelInput) -> np.ndarray:
    """A dose in Gy, float32 of any shape, in the patient's model units."""
    return dose_gy / np.float32(gy_per_unit(inputs)) - 1


def in_gy(said: np.ndarray, inputs: ModelInput, offset: tuple[int, ...] | None = None) -> np.ndarray:
    """What a network says as the patient's dose: zero outside the dose region and never negative.

    Args:
        said: (..., Z, Y, X) float32 in model units; a larger volume than the patient's where ``offset`` is given.
        inputs: the patient.
        offset: where the patient lies in that volume (z, y, x); None where the volume is the patient's.

    Returns:
        (..., Z, Y, X) float32 in Gy on ``inputs.geometry``.
    """
    z, y, x = window(inputs.region.shape, offset or (0, 0, 0))
    return np.maximum((said[..., z, y, x] + 1.0) * gy_per_unit(inputs), 0.0) * inputs.region
