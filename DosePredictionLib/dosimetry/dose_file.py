"""Doses from files, checked before anything is measured."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from DosePredictionLib.errors import InputError
from DosePredictionLib.patient.checks import HIGHEST_DOSE_GY
from DosePredictionLib.patient.dicom_dose import read_dose
from DosePredictionLib.patient.dicom_files import is_dicom
from DosePredictionLib.patient.geometry import Geometry
from DosePredictionLib.patient.image_file import read_scalar_volume
from DosePredictionLib.patient.volume import Volume


def read_dose_file(path: str | Path, patient_geometry: Geometry) -> Volume:
    """Read a dose in Gy from NRRD, NIfTI, MetaImage or an RTDOSE file.

    Args:
        path: the file.
        patient_geometry: of the patient whose dose it should be.

    Raises:
        InputError: the file is missing or broken, holds values that are not numbers or look like cGy, or lies beside
            the patient.
    """
    path = Path(path)
    if path.is_file() and is_dicom(path):
        # A relative dose has nothing here that it could be scaled with, and is refused.
        volume = read_dose(path, None, [])
    else:
        volume = read_scalar_volume(path)
    array = volume.array.astype(np.float32)
    if not np.isfinite(array).all():
        raise InputError(f"{path} holds {int(np.count_nonzero(~np.isfinite(array)))} voxels that are not numbers; "
                         "export the dose again.")  # fmt: skip
    highest = float(array.max())
    if highest > HIGHEST_DOSE_GY:
        raise InputError(f"{path} reaches {highest:g}, which looks like cGy; save the dose in Gy.")
    if not _overlap(volume.geometry, patient_geometry):
        raise InputError(f"The dose {path} lies wholly outside the patient; check that it belongs to this patient.")
    return Volume(array, volume.geometry)


def _overlap(one: Geometry, other: Geometry) -> bool:
    """Whether the boxes of two grids meet, looked at along the axes of the second."""
    ends = np.array(np.meshgrid(*[(-0.5, n - 0.5) for n in one.shape], indexing="ij")).reshape(3, -1).T
    index = other.index_of_lps(one.lps_of_index(ends))
    return bool((index.max(axis=0) > -0.5).all() and (index.min(axis=0) < np.asarray(other.shape) - 0.5).all())
