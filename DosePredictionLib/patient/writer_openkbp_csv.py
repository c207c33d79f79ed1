"""Writer of doses in the OpenKBP challenge's layout."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from DosePredictionLib.errors import InputError
from DosePredictionLib.patient.geometry import IDENTITY_DIRECTION, Geometry
from DosePredictionLib.patient.openkbp_axes import OPENKBP_SHAPE, zyx_to_openkbp
from DosePredictionLib.patient.volume import Volume
from DosePredictionLib.whole_file import whole_file


def check_openkbp_grid(geometry: Geometry) -> None:
    """Check that doses on a grid have the challenge's layout.

    Raises:
        InputError: they have not.
    """
    if geometry.shape != OPENKBP_SHAPE or not np.allclose(geometry.direction, IDENTITY_DIRECTION, atol=1e-6):
        raise InputError(
            f"The OpenKBP layout is for patients of that challenge, on an axial grid of {OPENKBP_SHAPE} voxels, but "
            f"this one's has {geometry.shape}; choose the format nrrd or nifti."
        )


def write_openkbp_dose(dose: Volume, path: str | Path) -> None:
    """Write a dose (Gy) as the challenge takes it: the flat index (C order) and value of each voxel other than zero.

    Raises:
        InputError: the dose isn't on an OpenKBP grid, or the file can't be written.
    """
    check_openkbp_grid(dose.geometry)
    flat = zyx_to_openkbp(dose.array).ravel()
    indices = np.flatnonzero(flat)
    with whole_file(path) as temporary:
        np.savetxt(
            temporary, np.column_stack([indices, flat[indices]]), fmt=("%d", "%.9g"), delimiter=",", header=",data",
            comments="",
        )  # fmt: skip
