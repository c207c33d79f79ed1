"""The GDP-HMM challenge's error (AAPM 2025), as its organisers evaluate it.

The absolute error is summed where, inside the body, the reference or the prediction is above 5 Gy, and divided by the
number of voxels where the reference is: dose that is predicted where none belongs counts in full. The challenge's score
is the mean over the patients.
"""

from __future__ import annotations

import numpy as np

from DosePredictionLib.errors import InputError

#: Doses up to this are not looked at.
THRESHOLD_GY = 5.0


def gdp_hmm_mae(predicted_gy: np.ndarray, reference_gy: np.ndarray, body: np.ndarray) -> float:
    """One patient's error in Gy.

    Args:
        predicted_gy: Gy, any shape.
        reference_gy: Gy, of the same shape, scaled as the challenge does (`patient.reader_gdp_hmm`).
        body: non-zero inside the body, of the same shape.

    Raises:
        InputError: shapes differ, a dose is not a number, or the reference is nowhere above 5 Gy in the body.
    """
    predicted, reference = np.asarray(predicted_gy, dtype=np.float64), np.asarray(reference_gy, dtype=np.float64)
    inside = np.asarray(body) != 0
    if not predicted.shape == reference.shape == inside.shape:
        raise InputError(
            f"The predicted dose is {predicted.shape}, the reference {reference.shape} and the body {inside.shape}; "
            "give all on the same grid."
        )
    if not (np.isfinite(predicted).all() and np.isfinite(reference).all()):
        raise InputError("A dose holds values that are not numbers; predict this patient again.")
    treated = (reference > THRESHOLD_GY) & inside
    counted = treated | ((predicted > THRESHOLD_GY) & inside)
    if not treated.any():
        raise InputError(f"The reference dose is nowhere above {THRESHOLD_GY:g} Gy in the body; check its scale.")
    return float(np.abs(reference - predicted)[counted].sum() / np.count_nonzero(treated))
