"""A segment's other representation, made on a copy: converting it in its node converts all the others with it."""

from __future__ import annotations

from typing import Any

import slicer


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
