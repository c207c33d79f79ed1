"""Where a structure gets its highest dose."""

from __future__ import annotations

from typing import Any

import numpy as np
import slicer

from DosePredictionScene.node_geometry import volume_geometry


def hottest_point(dose_node: Any, segmentation_node: Any, name: str) -> tuple[float, float, float] | None:
    """The centre of the voxel with the highest dose in a segment, world RAS mm.

    Args:
        dose_node: the dose.
        segmentation_node: with the segment.
        name: of the segment, or as tables number a second one of that name: "Parotid (2)".

    Returns:
        None where there is no such segment, or it holds no voxel of the dose.
    """
    segmentation = segmentation_node.GetSegmentation()
    segment_id = segmentation.GetSegmentIdBySegmentName(name)
    if not segment_id:
        base, _, number = name.rpartition(" (")
        same = [i for i in segmentation.GetSegmentIDs() if segmentation.GetSegment(i).GetName() == base]
        place = int(number.rstrip(")")) - 1 if number.rstrip(")").isdigit() else -1
        if not 0 <= place < len(same):
            return None
        segment_id = same[place]
    inside = slicer.util.arrayFromSegmentBinaryLabelmap(segmentation_node, segment_id, dose_node) != 0
    if not inside.any():
        return None
    dose = np.where(inside, slicer.util.arrayFromVolume(dose_node), -np.inf)
    index = np.array(np.unravel_index(int(dose.argmax()), dose.shape))
    x, y, z = (float(v) for v in volume_geometry(dose_node).lps_of_index(index))
    return (-x, -y, z)


def jump_slices_to(point_ras: tuple[float, float, float]) -> None:
    """Let all slice views go through a point, which comes into their middle."""
    for node in slicer.util.getNodesByClass("vtkMRMLSliceNode"):
        node.JumpSliceByCentering(*point_ras)
