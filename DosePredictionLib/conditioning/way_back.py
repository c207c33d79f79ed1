"""From the model's grid back to the patient's own."""

from __future__ import annotations

import numpy as np

from DosePredictionLib.conditioning.resampling import resample
from DosePredictionLib.patient.geometry import Geometry, Index3, index3
from DosePredictionLib.patient.patient import Patient
from DosePredictionLib.patient.structure import StructureRole
from DosePredictionLib.patient.volume import Volume


def to_patient_grid(values: np.ndarray, region: np.ndarray, geometry: Geometry, patient: Patient) -> Volume:
    """A dose (or its standard deviation) on the patient's grid, zero outside the body and never negative.

    When the model's grid is a part of the patient's, the voxels are copied. Otherwise they are interpolated linearly
    among the voxels of the dose region only, so that the zero outside does not pull the dose down at the skin.

    Args:
        values: (Z, Y, X) in Gy on ``geometry``.
        region: (Z, Y, X) boolean, where dose was predicted.
        geometry: the model's grid for this patient.
        patient: whose grid is wanted; its external structure and its dose region, if it has them, cut the dose at full
            resolution.
    """
    result = np.zeros(patient.geometry.shape, dtype=np.float32)
    start, shape = _covering_box(geometry, patient.geometry)
    if min(shape) > 0:
        box = patient.geometry.cropped(start, shape)
        inside = resample(Volume(region.astype(np.float32), geometry), box)
        weighted = resample(Volume((values * region).astype(np.float32), geometry), box)
        part = np.where(inside >= 0.5, weighted / np.maximum(inside, 0.5), 0.0)
        for role in (StructureRole.EXTERNAL, StructureRole.DOSE_REGION):
            outlines = patient.with_role(role)
            if outlines:
                part *= np.logical_or.reduce([resample(structure.mask, box) >= 0.5 for structure in outlines])
        result[tuple(slice(a, a + n) for a, n in zip(start, shape, strict=True))] = np.maximum(part, 0.0)
    return Volume(result, patient.geometry)


def _covering_box(inner: Geometry, outer: Geometry) -> tuple[Index3, Index3]:
    """First index and shape of the smallest box of ``outer`` that holds all of ``inner``, cut to ``outer``."""
    corners = np.array(np.meshgrid(*[(-0.5, n - 0.5) for n in inner.shape], indexing="ij")).reshape(3, -1).T
    index = outer.index_of_lps(inner.lps_of_index(corners))
    low = np.maximum(np.ceil(index.min(axis=0) - 1e-3), 0).astype(int)
    high = np.minimum(np.floor(index.max(axis=0) + 1e-3), np.asarray(outer.shape) - 1).astype(int)
    return index3(low), index3(np.maximum(high - low + 1, 0))
