"""How far pixels are from the edge of a shape."""

from __future__ import annotations

import numpy as np
from scipy import ndimage


def signed_distance(shape: np.ndarray, sampling: tuple[float, ...]) -> np.ndarray:
    """Distance to the edge between pixels in mm, positive inside; the edge lies half a pixel from either side.

    Args:
        shape: bool, of any dimensions.
        sampling: distance between pixels along each.
    """
    padded = np.pad(shape != 0, 1)
    inside = ndimage.distance_transform_edt(padded, sampling)
    outside = ndimage.distance_transform_edt(~padded, sampling)
    half = 0.5 * min(sampling)
    signed = np.where(padded, inside - half, half - outside)
    return signed[(slice(1, -1),) * shape.ndim]
