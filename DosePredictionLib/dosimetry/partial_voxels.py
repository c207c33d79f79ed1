"""Which parts of a voxel lie inside a structure that fills only a fraction of it."""

from __future__ import annotations

import numpy as np

from DosePredictionLib.patient.volume import Volume

#: How many parts of voxels are ranked at once; bounds the memory that this takes.
CHUNK = 2_000_000


def is_fractional(array: np.ndarray) -> bool:
    """Whether a mask tells parts of voxels: floating point with values strictly between 0 and 1."""
    return array.dtype.kind == "f" and bool(((array > 0.0) & (array < 1.0)).any())


def inside_cc(mask: Volume) -> float:
    """The volume of a mask, or of the parts of voxels that it tells."""
    voxels = mask.array.sum(dtype=np.float64) if is_fractional(mask.array) else np.count_nonzero(mask.array)
    return float(voxels) * mask.geometry.voxel_volume_cc


def whole_voxels(fractions: np.ndarray) -> np.ndarray:
    """Voxels that are wholly in or out, bool, as many as the fractions add up to.

    For structures of so many voxels that it doesn't matter which part of one is inside.
    """
    total = np.rint(np.cumsum(fractions, dtype=np.float64))
    return (np.diff(total, prepend=0.0) > 0.5).reshape(fractions.shape)


def parts_inside(fractions: np.ndarray, voxels: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """Choose for each voxel as many of its parts as its fraction says, on the side of its fuller neighbours.

    The surface within a voxel is taken for a plane across the gradient of the fractions, at the place where it cuts off
    the right volume: the volume-of-fluid method (Youngs, in Numerical Methods for Fluid Dynamics, 1982, 273-285).
    What rounding to whole parts leaves over goes to the next voxel, so the volumes add up within half a part.

    Args:
        fractions: (z, y, x), 0..1: the part of each voxel that lies inside.
        voxels: (n, 3) indices (z, y, x) of the voxels that are not empty.
        offsets: (m, 3) centres of a voxel's equal parts, from its centre, in voxels (z, y, x).

    Returns:
        (n, m) bool: the parts that lie inside.
    """
    from scipy.ndimage import sobel

    count = len(offsets)
    z, y, x = voxels.T
    filled = fractions[z, y, x].astype(np.float64)
    # Differences of the rounded running sum: each voxel gets its fraction of the parts, and no rounding error adds up.
    wanted = np.diff(np.rint(np.cumsum(filled) * count), prepend=0.0).astype(np.int64)
    wanted = np.clip(wanted, 0, count)

    inside = np.ones((len(voxels), count), bool)
    cut = np.flatnonzero(wanted < count)
    padded = np.pad(fractions, 1)
    slopes = np.stack([sobel(padded, axis)[1:-1, 1:-1, 1:-1][z[cut], y[cut], x[cut]] for axis in range(3)], axis=1)
    # Where no side is fuller (a voxel on its own) the parts nearest the centre are taken.
    nearness = -1e-6 * (offsets**2).sum(axis=1)
    step = max(1, CHUNK // count)
    for begin in range(0, len(cut), step):
        some = cut[begin : begin + step]
        height = slopes[begin : begin + step] @ offsets.T + nearness
        rank = np.argsort(np.argsort(-height, axis=1, kind="stable"), axis=1, kind="stable")
        inside[some] = rank < wanted[some, None]
    return inside
