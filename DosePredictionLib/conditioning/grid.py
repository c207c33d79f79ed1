"""The grid on which the model sees a patient."""

from __future__ import annotations

import numpy as np

from DosePredictionLib.patient.geometry import IDENTITY_DIRECTION, Geometry, Index3, index3, vector3
from DosePredictionLib.patient.voxel_box import occupied_box

#: An axial patient of voxels between these (x, y, z), mm, is not resampled. The training patients have 3.5 to 5.1 mm in
#: the plane (but for one, finer) and 1.5 to 3.3 mm along; most networks are told the spacing and bear a little more.
FINEST_SPACING_MM = (3.2, 3.2, 1.4)
COARSEST_SPACING_MM = (5.5, 5.5, 3.5)
#: Voxel size for everybody else: the median of the OpenKBP training patients.
NOMINAL_SPACING_MM = (3.906, 3.906, 2.5)


def model_geometry(patient_geometry: Geometry) -> Geometry:
    """The axial (LPS-aligned) grid over the whole patient on which channels are made.

    The patient's own grid when it is axial and of a trained voxel size, so that nothing is interpolated; otherwise a
    grid of the nominal voxel size that covers the patient's.
    """
    spacing = patient_geometry.spacing_mm
    axial = np.allclose(patient_geometry.direction, IDENTITY_DIRECTION, atol=1e-4)
    trained = all(a <= s <= b for a, s, b in zip(FINEST_SPACING_MM, spacing, COARSEST_SPACING_MM, strict=True))
    if axial and trained:
        return patient_geometry
    points = patient_geometry.lps_of_index(patient_geometry.corners(0.5))
    low, high = points.min(axis=0), points.max(axis=0)
    size = np.maximum(1, np.ceil((high - low) / NOMINAL_SPACING_MM - 1e-6)).astype(int)
    origin = (low + high) / 2 - (size - 1) / 2 * np.asarray(NOMINAL_SPACING_MM)
    return Geometry(index3(size[::-1]), NOMINAL_SPACING_MM, vector3(origin))


def box_of(mask: np.ndarray) -> tuple[Index3, Index3]:
    """First index and shape (z, y, x) of the smallest box that holds all of a mask's voxels; there are some."""
    box = occupied_box(mask)
    assert box is not None
    return index3(part.start for part in box), index3(part.stop - part.start for part in box)
