"""The voxels of one segment on the grid of a volume, read from the segment's own labelmap."""

from __future__ import annotations

from typing import Any

import numpy as np
import slicer

from DosePredictionLib.errors import InputError
from DosePredictionLib.patient.geometry import Geometry, index3
from DosePredictionLib.patient.volume import Volume
from DosePredictionScene.converted_segment import converted_segment, exported_voxels
from DosePredictionScene.node_geometry import volume_geometry
from DosePredictionScene.pieces import Pieces, in_background
from DosePredictionScene.segment_labelmap import labelmap_geometry, labelmap_of, segment_voxels_in_pieces


def mask_in_pieces(
    segmentation_node: Any, segment_id: str, reference_node: Any, *, beyond: bool = False
) -> Pieces[Volume]:
    """A segment as zeros and ones (uint8) on the part of a volume's grid that holds it.

    Only the labelmap's own extent is read, and what is to be resampled is resampled in a thread. Segments without a
    labelmap (contours, surfaces) are converted by Slicer, one at a time and beside the node: that can't be interrupted.

    Args:
        segmentation_node: may lie under another linear transform than the volume.
        segment_id: of one of its segments.
        reference_node: the volume.
        beyond: whether what lies beyond its grid is read, too, on the grid's continuation. Of segments under a
            transform that shears, which Slicer exports (`exported_voxels`), nothing beyond is ever read.

    Returns:
        A volume of one voxel, zero, for an empty segment.

    Raises:
        InputError: the segment can't be turned into voxels.
    """
    geometry = volume_geometry(reference_node)
    segmentation = segmentation_node.GetSegmentation()
    name = segmentation.GetSegment(segment_id).GetName() or segment_id
    labelmap = labelmap_of(segmentation, segment_id)
    if labelmap is None:
        yield None
        segmentation = converted_segment(
            segmentation, segment_id, slicer.vtkSegmentationConverter.GetSegmentationBinaryLabelmapRepresentationName()
        )
        if segmentation is None:
            raise InputError(f"The segment {name} can't be turned into voxels; redraw or remove it.")
        yield None
        labelmap = labelmap_of(segmentation, segment_id)
        if labelmap is None:
            return _nothing(geometry)
    own_geometry = labelmap_geometry(labelmap, segmentation_node)
    if own_geometry is None:
        try:
            array = exported_voxels(segmentation_node, segment_id, reference_node)
        except RuntimeError as error:
            raise InputError(
                f"The segment {name} can't be turned into voxels ({error}); redraw or remove it."
            ) from error
        whole = Volume(array, geometry)
        mask = yield from in_background(_cropped, whole)
        return mask
    array = yield from segment_voxels_in_pieces(segmentation, segment_id, name)
    mask = yield from in_background(on_voxels_of, Volume(array, own_geometry), geometry, beyond)
    return mask


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
