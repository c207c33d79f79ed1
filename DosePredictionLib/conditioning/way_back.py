"""From the model's grid back to the patient's own."""

from __future__ import annotations

import numpy as np

from DosePredictionLib.conditioning.resampling import resample
from DosePredictionLib.patient.geometry import Geometry, Index3, index3
from DosePredictionLib.patient.patient import Patient
from DosePredictionLib.patient.structure import StructureRole
from DosePredictionLib.patient.volume import Volume


class WayBack:
    """Puts doses of a patient (and their standard deviations) on its own grid, 0 outside the body and never negative.

    When the model's grid is a part of the patient's, the voxels are copied. Otherwise they are interpolated linearly
    among the voxels of the dose region only, so that the zero outside does not pull the dose down at the skin. Where
    that is comes out the same for every dose of the patient, and is looked up once.

    Args:
        region: (Z, Y, X) boolean, where dose was predicted.
        geometry: the model's grid for this patient.
        patient: whose grid is wanted; its external structure and its dose region, if it has them, cut the dose at full
            resolution.
    """

    def __init__(self, region: np.ndarray, geometry: Geometry, patient: Patient) -> None:
        self._region, self._geometry, self._wanted = region, geometry, patient.geometry
        self._start, shape = _covering_box(geometry, patient.geometry)
        self._box = patient.geometry.cropped(self._start, shape)
        if min(shape) == 0:
            return
        self._weight = resample(Volume(region.astype(np.float32), geometry), self._box)
        self._inside = self._weight >= 0.5
        for role in (StructureRole.EXTERNAL, StructureRole.DOSE_REGION):
            outlines = patient.with_role(role)
            if outlines:
                parts = (resample(structure.mask, self._box) >= 0.5 for structure in outlines)
                self._inside &= np.logical_or.reduce(list(parts))

    def dose(self, values: np.ndarray) -> Volume:
        """A dose on the patient's grid.

        Args:
            values: (Z, Y, X) in Gy on the model's grid.
        """
        result = np.zeros(self._wanted.shape, dtype=np.float32)
        if min(self._box.shape) > 0:
            weighted = resample(Volume((values * self._region).astype(np.float32), self._geometry), self._box)
            part = result[tuple(slice(a, a + n) for a, n in zip(self._start, self._box.shape, strict=True))]
            np.divide(weighted, self._weight, out=part, where=self._inside)
            np.maximum(part, 0.0, out=part)
        return Volume(result, self._wanted)


def _covering_box(inner: Geometry, outer: Geometry) -> tuple[Index3, Index3]:
    """First index and shape of the smallest box of ``outer`` that holds all of ``inner``, cut to ``outer``."""
    index = outer.index_of_lps(inner.lps_of_index(inner.corners(0.5)))
    low = np.maximum(np.ceil(index.min(axis=0) - 1e-3), 0).astype(int)
    high = np.minimum(np.floor(index.max(axis=0) + 1e-3), np.asarray(outer.shape) - 1).astype(int)
    return index3(low), index3(np.maximum(high - low + 1, 0))
