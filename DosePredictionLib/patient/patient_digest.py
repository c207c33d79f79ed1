"""Which patient this is, whatever it is called: eight hexadecimal digits of its images."""

from __future__ import annotations

import hashlib

import numpy as np

from DosePredictionLib.patient.patient import Patient

#: Hexadecimal digits of a digest: two of a thousand patients have the same one with a probability of 1 in 10 000.
DIGITS = 8
#: Doses are rounded to this. A file of other precision may still give another digest, where a voxel lies on an edge.
DOSE_STEP_GY = 0.01
#: What the digest of a dose begins with.
DOSE_PREFIX = "dose:"


def patient_digest(patient: Patient) -> str | None:
    """Eight hexadecimal digits of a patient's CT; without one (or the same everywhere) ``dose:`` and its dose's.

    Neither names, nor contours, nor the place in the room count: the same patient, renamed, contoured anew or read from
    another kind of file with the same voxels, has the same digest. So have two plans on one CT, which are one patient.

    Args:
        patient: as it was read; not resampled.

    Returns:
        None for a patient that has neither a CT nor a dose: nothing tells who that is.
    """
    of_ct, dose = ct_digest(patient), patient.reference_dose
    if of_ct is not None or dose is None:
        return of_ct
    return f"{DOSE_PREFIX}{_digest('dose', dose.array, DOSE_STEP_GY)}"


def ct_digest(patient: Patient) -> str | None:
    """Eight hexadecimal digits of a patient's CT, see `patient_digest`; None without one (or the same everywhere)."""
    ct = patient.ct
    if ct is None or not ct.array.size or ct.array.min() == ct.array.max():
        return None
    return _digest("ct", ct.array, 1.0)


def _digest(kind: str, array: np.ndarray, step: float) -> str:
    """Of whole multiples of ``step``, as two bytes each, and of the array's shape."""
    digest = hashlib.sha256(f"{kind}{array.shape}".encode())
    for part in array:  # a slice at a time, which a processor's cache holds
        if step != 1.0:
            part = part.astype(np.float32) / np.float32(step)
        if not np.issubdtype(part.dtype, np.integer):
            part = np.rint(np.nan_to_num(part))
        digest.update(np.ascontiguousarray(np.clip(part, -32768, 32767), dtype="<i2").data)
    return digest.hexdigest()[:DIGITS]
