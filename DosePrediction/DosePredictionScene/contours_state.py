"""Whether contours are still the ones that a dose was measured in."""

from __future__ import annotations

from typing import Any


def contours_state(segmentation_node: Any) -> int:
    """A number that grows whenever what is drawn of a segment changes; 0 without segments.

    It holds for this node in this session only: a scene does not keep it.
    """
    segmentation = None if segmentation_node is None else segmentation_node.GetSegmentation()
    if segmentation is None:
        return 0
    source = segmentation.GetSourceRepresentationName()
    drawn = [segmentation.GetSegment(name).GetRepresentation(source) for name in segmentation.GetSegmentIDs()]
    return max((int(one.GetMTime()) for one in drawn if one is not None), default=0)
