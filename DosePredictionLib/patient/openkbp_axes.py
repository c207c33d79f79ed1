"""The axes of the OpenKBP challenge's arrays (Babier et al., Med. Phys. 48, 2021) and how they become ours.

A patient is a cube of 128 x 128 x 128 voxels. Axis 0 runs from anterior to posterior, axis 1 from the patient's right
to the left, axis 2 from superior to inferior: the brainstem has lower indices than the spinal cord and the esophagus,
and the body grows as wide as the shoulders towards the high ones. Arrays of this library are (z, y, x): z is axis 2
reversed, y is axis 0, x is axis 1, and then the grid's directions are those of LPS. The data tell no position, so
the centre of the grid is put at (0, 0, 0).
"""

from __future__ import annotations

import numpy as np

from DosePredictionLib.patient.geometry import Geometry

OPENKBP_SHAPE = (128, 128, 128)


def openkbp_to_zyx(array: np.ndarray) -> np.ndarray:
    """An array (anterior-posterior, right-left, superior-inferior) as (z, y, x)."""
    return np.ascontiguousarray(array.transpose(2, 0, 1)[::-1])


def zyx_to_openkbp(array: np.ndarray) -> np.ndarray:
    """An array (z, y, x) with directions of LPS as (anterior-posterior, right-left, superior-inferior)."""
    return np.ascontiguousarray(array[::-1].transpose(1, 2, 0))


def openkbp_geometry(voxel_dimensions_mm: np.ndarray) -> Geometry:
    """The grid of a patient, centred on (0, 0, 0).

    Args:
        voxel_dimensions_mm: spacing along OpenKBP's axes 0, 1, 2.
    """
    y, x, z = (float(value) for value in voxel_dimensions_mm)
    spacing = (x, y, z)
    size = (OPENKBP_SHAPE[1], OPENKBP_SHAPE[0], OPENKBP_SHAPE[2])
    origin = tuple(-0.5 * (n - 1) * step for n, step in zip(size, spacing, strict=True))
    return Geometry((size[2], size[1], size[0]), spacing, origin)  # type: ignore[arg-type]
