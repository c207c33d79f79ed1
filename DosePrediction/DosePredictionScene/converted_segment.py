"""A segment's other representation, made on a copy: converting it in its node converts all the others with it."""

from __future__ import annotations

from typing import Any

import numpy as np
import slicer

from DosePredictionScene.owned_nodes import remove_node


def converted_segment(segmentation: Any, segment_id: str, representation: str) -> Any:
    """One segment in a segmentation of its own, converted with the conversion parameters of the one that it is from.

    Args:
        segmentation: vtkSegmentation, which stays as it is.
        segment_id: of the segment, in both.
        representation: what to make, unless the segment has it.

    Returns:
        A vtkSegmentation; None where Slicer can't convert it, or where there is no such segment.
    """
    if segmentation.GetSegment(segment_id) is None:
        return None
    alone = slicer.vtkSegmentation()
    alone.SetSourceRepresentationName(segmentation.GetSourceRepresentationName())
    alone.CopyConversionParameters(segmentation)
    copied = alone.CopySegmentFromSegmentation(segmentation, segment_id)
    return alone if copied and alone.CreateRepresentation(representation) else None


def exported_voxels(segmentation_node: Any, segment_id: str, reference_node: Any) -> np.ndarray:
    """A segment as Slicer exports it to a volume's grid, under whatever transform.

    Slicer would first convert all segments, in their node, and give that a display node.

    Args:
        segmentation_node: stays as it is.
        segment_id: of one of its segments.
        reference_node: the volume.

    Returns:
        Zeros and ones (uint8), (z, y, x), on the volume's grid.

    Raises:
        RuntimeError: Slicer can't export it.
    """
    labelmap = slicer.vtkSegmentationConverter.GetSegmentationBinaryLabelmapRepresentationName()
    segmentation = converted_segment(segmentation_node.GetSegmentation(), segment_id, labelmap)
    if segmentation is None:
        raise RuntimeError("Conversion of segment failed.")
    alone = slicer.mrmlScene.CreateNodeByClass("vtkMRMLSegmentationNode")
    alone.UnRegister(None)  # Python holds it now
    alone.SetHideFromEditors(True)
    alone.SetUndoEnabled(False)
    alone.SetAndObserveSegmentation(segmentation)
    slicer.mrmlScene.AddNode(alone)
    try:
        alone.SetAndObserveTransformNodeID(segmentation_node.GetTransformNodeID())
        array = slicer.util.arrayFromSegmentBinaryLabelmap(alone, segment_id, reference_node)
        return array.astype(np.uint8)  # a copy: its memory belongs to a node that is gone by now
    finally:
        remove_node(alone)
