"""Where dose can be other than zero."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from DosePredictionLib.conditioning.resampling import resample
from DosePredictionLib.errors import InputError
from DosePredictionLib.patient.geometry import Geometry
from DosePredictionLib.patient.patient import Patient
from DosePredictionLib.patient.structure import StructureRole

#: How far beyond the targets a dose is predicted, mm. OpenKBP's possible_dose_mask, on which the models are trained,
#: ends between 3 and 60 mm beyond them (5th to 95th percentile); at 50 mm only scatter is left.
CAUDAL_MARGIN_MM = 50.0
CRANIAL_MARGIN_MM = 50.0
#: HU above which a voxel is patient rather than air, for patients without an external contour.
BODY_THRESHOLD_HU = -350.0


def body_mask(patient: Patient, geometry: Geometry) -> np.ndarray:
    """The patient's outline on a grid: the external structure, or else the largest solid part of the CT, filled.

    Raises:
        InputError: there is neither an external structure nor a CT.
    """
    external = patient.with_role(StructureRole.EXTERNAL)
    if external:
        mask = np.zeros(geometry.shape, dtype=bool)
        for structure in external:
            mask |= resample(structure.mask, geometry) >= 0.5
        return mask
    region = patient.with_role(StructureRole.DOSE_REGION)
    if region:
        return np.logical_or.reduce([resample(structure.mask, geometry) >= 0.5 for structure in region])
    if patient.ct is None:
        raise InputError(
            f"{patient.identifier} has neither a CT nor an external structure, so the body is unknown; add one of them."
        )
    solid = resample(patient.ct, geometry, outside=-1024.0) > BODY_THRESHOLD_HU
    solid = ndimage.binary_opening(solid, structure=np.ones((1, 3, 3), bool))  # parts the couch from the skin
    labels, count = ndimage.label(solid)
    if count == 0:
        raise InputError(
            f"The CT of {patient.identifier} holds no voxel above {BODY_THRESHOLD_HU:.0f} HU, so no body was found; "
            "check that it is a CT in HU or add an external structure."
        )
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    body = labels == int(sizes.argmax())
    return np.stack([ndimage.binary_fill_holes(one_slice) for one_slice in body])


def dose_region(patient: Patient, geometry: Geometry) -> np.ndarray:
    """Boolean mask (z, y, x) of where dose is predicted; it is zero elsewhere.

    The data's own dose region when they have one (OpenKBP's possible_dose_mask); otherwise the body from 50 mm below
    the lowest to 50 mm above the highest target slice.
    """
    given = patient.with_role(StructureRole.DOSE_REGION)
    if given:
        return np.logical_or.reduce([resample(structure.mask, geometry) >= 0.5 for structure in given])
    body = body_mask(patient, geometry)
    heights = [height for target in patient.targets for height in _heights_mm(target.mask.geometry, target.mask.array)]
    if not heights:
        raise InputError(f"{patient.identifier} has no target with voxels; name at least one structure as a target.")
    index = np.indices(geometry.shape, sparse=True)
    matrix = geometry.index_to_lps
    height_mm = index[2] * matrix[2, 0] + index[1] * matrix[2, 1] + index[0] * matrix[2, 2] + matrix[2, 3]
    slab = (height_mm >= min(heights) - CAUDAL_MARGIN_MM) & (height_mm <= max(heights) + CRANIAL_MARGIN_MM)
    return body & slab


def _heights_mm(geometry: Geometry, mask: np.ndarray) -> tuple[float, ...]:
    """Lowest and highest LPS z of a mask's voxels; nothing for an empty mask."""
    index = np.argwhere(mask)
    if index.size == 0:
        return ()
    corners = geometry.lps_of_index(index)[:, 2]
    return float(corners.min()), float(corners.max())
