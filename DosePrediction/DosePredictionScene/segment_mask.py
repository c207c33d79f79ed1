"""The voxels of one segment on the grid of a volume, read from the segment's own labelmap."""

from __future__ import annotations

from typing import Any

import numpy as np
import slicer
from vtk.util.numpy_support import vtk_to_numpy

from DosePredictionLib.errors import InputError
from DosePredictionLib.patient.geometry import Geometry, index3
from DosePredictionLib.patient.volume import Volume
from DosePredictionScene.node_geometry import RAS_TO_LPS, geometry_of_matrix, volume_geometry, world_matrix
from DosePredictionScene.pieces import Pieces, in_background
from DosePredictionScene.voxels import copy_in_pieces


def mask_in_pieces(
    segmentation_node: Any, segment_id: str, reference_node: Any, *, beyond: bool = False
) -> Pieces[Volume]:
    """A segment as zeros and ones (uint8) on the part of a volume's grid that holds it.

    Only the labelmap's own extent is read, and what is to be resampled is resampled in a thread. Segments without a
    labelmap (contours, surfaces) are converted by Slicer, which can't be interrupted.

    Args:
        segmentation_node: may lie under another linear transform than the volume.
        segment_id: of one of its segments.
        reference_node: the volume.
        beyond: whether what lies beyond its grid is read, too, on the grid's continuation. Of segments that Slicer
            converts, nothing beyond is ever read.

    Returns:
        A volume of one voxel, zero, for an empty segment.

    Raises:
        InputError: the segment can't be turned into voxels.
    """
    geometry = volume_geometry(reference_node)
    name = segmentation_node.GetSegmentation().GetSegment(segment_id).GetName() or segment_id
    own_geometry = _labelmap_geometry(segmentation_node, segment_id)
    if own_geometry is None:
        try:
            array = slicer.util.arrayFromSegmentBinaryLabelmap(segmentation_node, segment_id, reference_node)
        except RuntimeError as error:
            raise InputError(
                f"The segment {name} can't be turned into voxels ({error}); redraw or remove it."
            ) from error
        # A copy: the array's memory belongs to a node that is gone by now.
        whole = Volume(array.astype(np.uint8), geometry)
        mask = yield from in_background(_cropped, whole)
        return mask
    label = segmentation_node.GetSegmentation().GetSegment(segment_id).GetLabelValue()

    def voxels() -> np.ndarray:
        image = _labelmap(segmentation_node, segment_id)
        if image is None:
            raise InputError(f"The segment {name} changed while it was read; try again.")
        x, y, z = image.GetDimensions()
        return vtk_to_numpy(image.GetPointData().GetScalars()).reshape(z, y, x)

    array = yield from copy_in_pieces(voxels, f"The segment {name}", lambda slab: slab == label, np.uint8)
    mask = yield from in_background(on_voxels_of, Volume(array, own_geometry), geometry, beyond)
    return mask


def _labelmap(segmentation_node: Any, segment_id: str) -> Any:
    """The segment's vtkOrientedImageData, which other segments may share; None without voxels in it."""
    segment = segmentation_node.GetSegmentation().GetSegment(segment_id)
    representation = slicer.vtkSegmentationConverter.GetSegmentationBinaryLabelmapRepresentationName()
    image = None if segment is None else segment.GetRepresentation(representation)
    if image is None or min(image.GetDimensions()) < 1 or image.GetPointData().GetScalars() is None:
        return None
    return image


def _labelmap_geometry(segmentation_node: Any, segment_id: str) -> Geometry | None:
    """The grid of the segment's labelmap in the patient; None without one, or where its axes are not perpendicular."""
    import vtk

    image = _labelmap(segmentation_node, segment_id)
    if image is None:
        return None
    matrix = vtk.vtkMatrix4x4()
    image.GetImageToWorldMatrix(matrix)
    first = np.eye(4)
    first[:3, 3] = image.GetExtent()[::2]
    to_lps = RAS_TO_LPS @ world_matrix(segmentation_node) @ slicer.util.arrayFromVTKMatrix(matrix) @ first
    x, y, z = image.GetDimensions()
    try:
        return geometry_of_matrix(to_lps, (z, y, x), segmentation_node.GetName())
    except InputError:  # a transform that shears: Slicer resamples it
        return None


def on_voxels_of(own: Volume, geometry: Geometry, beyond: bool) -> Volume:
    """A mask on the voxels of another grid, as Slicer exports it to them: nearest neighbours.

    Args:
        own: a mask on its own grid, which may be finer, coarser or turned.
        geometry: the other grid.
        beyond: whether what lies beyond it is kept, on its continuation; it is cut off otherwise.

    Returns:
        The part that holds the structure; a volume of one voxel, zero, when no voxel's centre lies in it.
    """
    own = own.cropped_to_nonzero()
    if not own.array.any():
        return _nothing(geometry)
    start = geometry.start_of(own.geometry)
    if start is not None:
        if beyond:
            return Volume(own.array, geometry.cropped(start, own.geometry.shape))
        return _cropped(_cut(own, geometry, np.array(start)))
    index = geometry.index_of_lps(own.geometry.lps_of_index(own.geometry.corners()))
    low = np.floor(index.min(axis=0)).astype(int) - 1
    high = np.ceil(index.max(axis=0)).astype(int) + 2
    if not beyond:
        low, high = np.maximum(low, 0), np.minimum(high, geometry.shape)
    if (low >= high).any():
        return _nothing(geometry)
    return _cropped(own.on_grid(geometry.cropped(index3(low), index3(high - low)), nearest=True))


def _cut(own: Volume, geometry: Geometry, start: np.ndarray) -> Volume:
    """The part of a mask inside a grid, in whose index it begins at ``start`` (z, y, x)."""
    low = np.maximum(-start, 0)
    high = np.minimum(own.geometry.shape, np.array(geometry.shape) - start)
    if (low >= high).any():
        return _nothing(geometry)
    part = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
    return Volume(own.array[part], geometry.cropped(index3(start + low), index3(high - low)))


def _cropped(mask: Volume) -> Volume:
    return mask.cropped_to_nonzero() if mask.array.any() else _nothing(mask.geometry)


def _nothing(geometry: Geometry) -> Volume:
    return Volume(np.zeros((1, 1, 1), np.uint8), geometry.cropped((0, 0, 0), (1, 1, 1)))
