"""Reader of OpenKBP patients packed into one ``.npz`` file each.

The file holds, as arrays of 128 x 128 x 128 voxels in the challenge's axes: ``structures`` (uint16 bit field: bits 0 to
9 the organs and targets in the order of `OPENKBP_STRUCTURES`, bit 15 where dose can be other than zero), ``ct`` (HU +
1024, may be absent), ``dose`` (uint16 in steps of 0.002 Gy, may be absent); and ``spacing_mm`` along the three axes.
"""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path

import numpy as np

from DosePredictionLib.errors import InputError
from DosePredictionLib.patient.identifier import patient_identifier
from DosePredictionLib.patient.openkbp_axes import OPENKBP_SHAPE
from DosePredictionLib.patient.openkbp_patient import DOSE_REGION_NAME, OPENKBP_STRUCTURES, openkbp_patient
from DosePredictionLib.patient.patient import Patient

DOSE_STEP_GY = 0.002
_DOSE_REGION_BIT = 15


def is_openkbp_packed(path: Path) -> bool:
    """Whether this is a packed patient (a damaged ``.npz`` counts, so that the reader can say so)."""
    if path.suffix != ".npz" or not path.is_file():
        return False
    try:
        with zipfile.ZipFile(path) as archive:
            return {"structures.npy", "spacing_mm.npy"} <= set(archive.namelist())
    except (zipfile.BadZipFile, OSError):
        return True


def read_openkbp_packed(path: Path) -> Patient:
    """Read a packed patient.

    Raises:
        InputError: the file is truncated, damaged or holds other arrays.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in ("structures", "spacing_mm", "ct", "dose") if name in file.files}
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile, zlib.error) as error:
        raise InputError(f"{path} cannot be read, it is truncated or damaged ({error}); copy it again.") from error
    for name in ("structures", "ct", "dose"):
        if name in arrays and arrays[name].shape != OPENKBP_SHAPE:
            raise InputError(
                f"{path}: {name} is an array of {arrays[name].shape} instead of {OPENKBP_SHAPE}; pack it again."
            )
    if "structures" not in arrays or "spacing_mm" not in arrays or arrays["spacing_mm"].shape != (3,):
        raise InputError(f"{path} has no structures or no spacing of three numbers; pack it again.")
    bits = arrays["structures"]
    if bits.dtype.kind not in "iu" or not (arrays["spacing_mm"] > 0).all():
        raise InputError(f"{path}: structures must be whole numbers and spacing_mm positive; pack it again.")
    masks = {name: (bits >> bit) & 1 == 1 for bit, name in enumerate(OPENKBP_STRUCTURES)}
    masks[DOSE_REGION_NAME] = (bits.astype(np.uint16) >> _DOSE_REGION_BIT) & 1 == 1
    dose_gy = arrays["dose"] * np.float64(DOSE_STEP_GY) if "dose" in arrays else None
    return openkbp_patient(patient_identifier(path), arrays["spacing_mm"], masks, arrays.get("ct"), dose_gy)
