"""Whether a dose that was predicted slice by slice is as smooth along the patient as a clinical dose."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from DosePredictionLib.errors import InputError


@dataclass(frozen=True)
class SliceSmoothness:
    """How a predicted dose changes from slice to slice, against the clinical dose's own changes.

    Attributes:
        predicted_gy, reference_gy: roughness of either dose, see `roughness_gy`.
        error_jump_gy: mean absolute change of the error (predicted minus clinical) from a slice to the next: what the
            prediction adds to the clinical changes or leaves out of them. 0 for any error that is the same in all
            slices.
    """

    predicted_gy: float
    reference_gy: float
    error_jump_gy: float

    @property
    def ratio(self) -> float:
        """Roughness of the predicted dose over that of the clinical; above 1 it jumps, far below 1 it is blurred."""
        return self.predicted_gy / self.reference_gy if self.reference_gy > 0 else float("nan")


def roughness_gy(dose_gy: np.ndarray, region: np.ndarray) -> float:
    """Mean absolute second difference along z, |d(z - 1) - 2 d(z) + d(z + 1)|, in Gy.

    A steady gradient counts as nothing; a slice that sticks out by ``h`` Gy counts ``h`` in both of its neighbours and
    2 ``h`` itself.

    Args:
        dose_gy: (Z, Y, X).
        region: (Z, Y, X) boolean; voxels count whose both neighbours along z lie in it, too.

    Returns:
        NaN when no voxel counts.
    """
    counted = region[:-2] & region[1:-1] & region[2:]
    if not counted.any():
        return float("nan")
    second = dose_gy[:-2].astype(np.float64) - 2.0 * dose_gy[1:-1] + dose_gy[2:]
    return float(np.abs(second[counted]).mean())


def slice_smoothness(predicted_gy: np.ndarray, reference_gy: np.ndarray, region: np.ndarray) -> SliceSmoothness:
    """Compare two doses' changes from slice to slice.

    Args:
        predicted_gy, reference_gy: (Z, Y, X).
        region: (Z, Y, X), non-zero where dose can be.

    Raises:
        InputError: shapes differ.
    """
    if not predicted_gy.shape == reference_gy.shape == region.shape:
        raise InputError(
            f"The doses are {predicted_gy.shape} and {reference_gy.shape} and their region {region.shape}; "
            "give all on the same grid."
        )
    inside = region != 0
    error = predicted_gy.astype(np.float64) - reference_gy
    pairs = inside[:-1] & inside[1:]
    jumps = np.abs(np.diff(error, axis=0))[pairs]
    return SliceSmoothness(
        predicted_gy=roughness_gy(predicted_gy, inside),
        reference_gy=roughness_gy(reference_gy, inside),
        error_jump_gy=float(jumps.mean()) if jumps.size else float("nan"),
    )
