"""Signed distance to a structure's surface."""

from __future__ import annotations

import numpy as np

#: Distances are cut here, mm: farther in or out, the dose no longer depends on how far.
DEEPEST_MM = -50.0
FARTHEST_MM = 100.0


def signed_distance(mask: np.ndarray, spacing_mm: tuple[float, float, float]) -> np.ndarray:
    """Distance to the surface in units of 50 mm, negative inside, cut to [-1, 2]; 2 everywhere for an empty mask.

    Args:
        mask: (z, y, x) boolean.
        spacing_mm: (x, y, z).

    Returns:
        float32 (z, y, x).
    """
    import SimpleITK as sitk

    if not mask.any():
        return np.full(mask.shape, FARTHEST_MM / 50.0, dtype=np.float32)
    image = sitk.GetImageFromArray(mask.astype(np.uint8))
    image.SetSpacing(spacing_mm)
    distance = sitk.SignedMaurerDistanceMap(image, insideIsPositive=False, squaredDistance=False, useImageSpacing=True)
    return np.clip(sitk.GetArrayFromImage(distance), DEEPEST_MM, FARTHEST_MM).astype(np.float32) / 50.0
