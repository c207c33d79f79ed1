"""Voxels out of volume nodes and into image data, slab by slab: a large CT takes longer than may be waited for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import slicer
import vtk
from vtk.util.numpy_support import get_vtk_array_type, vtk_to_numpy

from DosePredictionLib.patient.volume import Volume
from DosePredictionScene.node_geometry import volume_geometry
from DosePredictionScene.pieces import ChangedMeanwhile, Pieces

#: Copied at a time: a few milliseconds, ten times that where fresh memory is dear (virtual machines under load).
SLAB_BYTES = 2 * 2**20
#: Parts of a (z, y, x) array.
Box = tuple[slice, slice, slice]
WHOLE: Box = (slice(None), slice(None), slice(None))


def voxels_in_pieces(volume_node: Any, part: Box = WHOLE, dtype: Any = None) -> Pieces[np.ndarray]:
    """A copy of a volume node's voxels, or of a part of them, (z, y, x).

    Args:
        volume_node: vtkMRMLScalarVolumeNode with voxels.
        part: which voxels; steps are fine.
        dtype: of the copy; None takes the node's own.

    Raises:
        ChangedMeanwhile: the node was given other voxels.
    """
    copy = yield from copy_in_pieces(
        lambda: slicer.util.arrayFromVolume(volume_node)[part], volume_node.GetName(), dtype=dtype
    )
    return copy


def volume_in_pieces(volume_node: Any, dtype: Any = None) -> Pieces[Volume]:
    """A volume node's voxels on its grid in the patient (LPS, parent transform applied); see `volume_geometry`."""
    geometry = volume_geometry(volume_node)
    array = yield from voxels_in_pieces(volume_node, dtype=dtype)
    return Volume(array, geometry)


def copy_in_pieces(
    source: Callable[[], np.ndarray], name: str, change: Callable[[np.ndarray], np.ndarray] | None = None,
    dtype: Any = None,
) -> Pieces[np.ndarray]:  # fmt: skip
    """A copy of an array whose memory belongs to VTK, which may free or change it between two pieces.

    Args:
        source: gives the array anew for every slab.
        name: of what it belongs to, for the message.
        change: what to make of each slab; None copies.
        dtype: of the copy; None takes the array's own.

    Raises:
        ChangedMeanwhile: it has another shape or type by now.
    """
    array = source()
    shape, own_type = array.shape, array.dtype
    copy = np.empty(shape, own_type if dtype is None else dtype)
    for start, stop in _slabs(copy):
        array = source()
        if array.shape != shape or array.dtype != own_type:
            raise ChangedMeanwhile(f"{name} changed while it was read; try again.")
        copy[start:stop] = array[start:stop] if change is None else change(array[start:stop])
        yield None
    return copy


def image_in_pieces(array: np.ndarray) -> Pieces[Any]:
    """A vtkImageData with a copy of a (z, y, x) array as its scalars, unit spacing, origin 0."""
    image = vtk.vtkImageData()
    image.SetDimensions(array.shape[::-1])
    image.AllocateScalars(get_vtk_array_type(array.dtype), 1)
    target = vtk_to_numpy(image.GetPointData().GetScalars()).reshape(array.shape)
    for start, stop in _slabs(array):
        target[start:stop] = array[start:stop]
        yield None
    return image


def _slabs(array: np.ndarray) -> list[tuple[int, int]]:
    """First slice and end of each slab."""
    if array.size == 0:
        return []
    thickness = max(1, SLAB_BYTES // max(1, array[0].nbytes))
    return [(start, min(start + thickness, len(array))) for start in range(0, len(array), thickness)]
