"""The labelmap of one segment, which other segments may share, and the voxels in it that are the segment's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import slicer
import vtk
from vtk.util.numpy_support import vtk_to_numpy

from DosePredictionLib.errors import InputError
from DosePredictionLib.patient.geometry import Geometry
from DosePredictionScene.node_geometry import RAS_TO_LPS, geometry_of_matrix, world_matrix
from DosePredictionScene.pieces import ChangedMeanwhile, Pieces
from DosePredictionScene.voxels import copy_in_pieces


@dataclass(frozen=True)
class SegmentLabelmap:
    """A labelmap with voxels.

    Attributes:
        image: vtkOrientedImageData.
        label: the segment's value in it.
        time: when the image was last touched.
    """

    image: Any
    label: int
    time: int


def labelmap_of(segmentation: Any, segment_id: str) -> SegmentLabelmap | None:
    """A segment's labelmap as it is now; None without voxels in it, or without the segment."""
    segment = segmentation.GetSegment(segment_id)
    representation = slicer.vtkSegmentationConverter.GetSegmentationBinaryLabelmapRepresentationName()
    image = None if segment is None else segment.GetRepresentation(representation)
    if image is None or min(image.GetDimensions()) < 1 or image.GetPointData().GetScalars() is None:
        return None
    return SegmentLabelmap(image, int(segment.GetLabelValue()), int(image.GetMTime()))


def labelmap_geometry(labelmap: SegmentLabelmap, segmentation_node: Any) -> Geometry | None:
    """The labelmap's grid in the patient, as the node lies; None where its axes are not perpendicular there."""
    matrix = vtk.vtkMatrix4x4()
    labelmap.image.GetImageToWorldMatrix(matrix)
    first = np.eye(4)
    first[:3, 3] = labelmap.image.GetExtent()[::2]
    to_lps = RAS_TO_LPS @ world_matrix(segmentation_node) @ slicer.util.arrayFromVTKMatrix(matrix) @ first
    x, y, z = labelmap.image.GetDimensions()
    try:
        return geometry_of_matrix(to_lps, (z, y, x), segmentation_node.GetName())
    except InputError:  # a transform that shears
        return None


def segment_voxels_in_pieces(segmentation: Any, segment_id: str, name: str) -> Pieces[np.ndarray]:
    """Zeros and ones (uint8), (z, y, x), on the grid of a segment's labelmap.

    Between two pieces the labelmap may become another one, and the segment's value in it another segment's: Slicer
    puts labelmaps together whenever it saves a segmentation.

    Args:
        segmentation: vtkSegmentation.
        segment_id: of one of its segments that has a labelmap.
        name: of the segment, for the message.

    Raises:
        ChangedMeanwhile: the segment did.
    """
    begun = labelmap_of(segmentation, segment_id)

    def voxels() -> np.ndarray:
        if begun is None or labelmap_of(segmentation, segment_id) != begun:
            raise ChangedMeanwhile(f"The segment {name} changed while it was read; try again.")
        x, y, z = begun.image.GetDimensions()
        return vtk_to_numpy(begun.image.GetPointData().GetScalars()).reshape(z, y, x)

    def inside(slab: np.ndarray) -> np.ndarray:
        assert begun is not None
        return slab == begun.label

    array = yield from copy_in_pieces(voxels, f"The segment {name}", inside, np.uint8)
    return array
