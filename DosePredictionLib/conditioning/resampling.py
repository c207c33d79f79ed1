"""Bringing a volume onto a coarser grid without aliasing."""

from __future__ import annotations

import numpy as np

from DosePredictionLib.patient.geometry import Geometry
from DosePredictionLib.patient.volume import Volume


def resample(volume: Volume, geometry: Geometry, *, outside: float = 0.0) -> np.ndarray:
    """Linear resampling that first averages the voxels that would be skipped.

    Args:
        volume: CT in HU, dose in Gy, or a mask.
        geometry: the wanted grid.
        outside: value where the grid reaches beyond the volume.

    Returns:
        float32 array (z, y, x) on ``geometry``; a mask becomes the fraction of each voxel inside it.
    """
    import SimpleITK as sitk

    if geometry.is_close(volume.geometry):
        return volume.array.astype(np.float32)
    part = _same_lattice(volume, geometry, outside)
    if part is not None:
        return part
    own = np.asarray(volume.geometry.index_to_lps[:3, :3])
    # How many of the volume's voxels one step of the wanted grid passes, along each of the volume's own axes (x, y, z).
    steps = np.abs(np.linalg.inv(own) @ geometry.index_to_lps[:3, :3]).max(axis=1)
    factors = [int(max(1, np.floor(step + 1e-6))) for step in steps]
    if max(factors) > 1:
        padding = [(0, -size % factor) for size, factor in zip(volume.array.shape, reversed(factors), strict=True)]
        array = np.pad(volume.array.astype(np.float32), padding, constant_values=outside)
        grid = Geometry(array.shape, volume.geometry.spacing_mm, volume.geometry.origin_mm, volume.geometry.direction)
        volume = Volume.of_image(sitk.BinShrink(Volume(array, grid).to_image(), factors))
    return volume.on_grid(geometry, outside=outside).array.astype(np.float32)


def _same_lattice(volume: Volume, geometry: Geometry, outside: float) -> np.ndarray | None:
    """The part of ``volume`` on ``geometry`` when both share their voxel centres, padded; None when they don't."""
    own = volume.geometry
    if not np.allclose(own.index_to_lps[:3, :3], geometry.index_to_lps[:3, :3], atol=1e-4):
        return None
    start = own.index_of_lps(np.asarray(geometry.origin_mm))
    offset = np.rint(start).astype(int)
    if np.abs(start - offset).max() > 1e-3:
        return None
    result = np.full(geometry.shape, outside, dtype=np.float32)
    source, target = [], []
    for first, size, wanted in zip(offset, own.shape, geometry.shape, strict=True):
        low, high = max(first, 0), min(first + wanted, size)
        if low >= high:
            return result
        source.append(slice(low, high))
        target.append(slice(low - first, high - first))
    result[tuple(target)] = volume.array[tuple(source)]
    return result
