"""The difference of two doses, voxel by voxel."""

from __future__ import annotations

import numpy as np

from DosePredictionLib.patient.geometry import Geometry
from DosePredictionLib.patient.volume import Volume


def dose_difference(dose: Volume, subtracted: Volume, geometry: Geometry) -> Volume:
    """``dose`` less ``subtracted``, Gy, float32; 0 where either is not known, beyond its grid.

    Args:
        dose: Gy.
        subtracted: Gy, on any grid in the same patient.
        geometry: the difference's grid.
    """
    difference = dose.on_grid(geometry).array - subtracted.on_grid(geometry).array
    known = dose.geometry.covers(geometry) & subtracted.geometry.covers(geometry)
    return Volume(np.where(known, difference, 0.0).astype(np.float32), geometry)
