"""The contours that a dose in the scene was measured in. Kept on the dose, so a scene keeps it.

Of a scorecard, whose table is made after that, it is kept on the table.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from DosePredictionLib.errors import InputError
from DosePredictionLib.patient.geometry import Geometry
from DosePredictionScene.contours_state import NOT_READ, Contours, SegmentState

CONTOURS_ATTRIBUTE = "DosePrediction.MeasuredContours"
#: By segment ID; None where only the session that read it can tell what was drawn.
KeptContours = Mapping[str, SegmentState | None]


def remember_measured_contours(node: Any, contours: Contours) -> None:
    """Note what was drawn when a dose's or a card's tables were made; `NOT_READ` is nothing to note."""
    if contours is NOT_READ:
        node.RemoveAttribute(CONTOURS_ATTRIBUTE)
        return
    said = {segment_id: _said(state) for segment_id, state in contours.segments.items()}
    node.SetAttribute(CONTOURS_ATTRIBUTE, json.dumps(said, separators=(",", ":")))


def measured_contours(node: Any) -> KeptContours | None:
    """What was drawn when a dose's or a card's tables were made; None where nothing says it."""
    try:
        said = json.loads(node.GetAttribute(CONTOURS_ATTRIBUTE) or "null")
        return None if said is None else {str(segment_id): _state(one) for segment_id, one in said.items()}
    except (InputError, ValueError, TypeError, AttributeError):  # a scene edited by hand
        return None


def completed(kept: KeptContours, came: Contours) -> Contours:
    """What was drawn, as far as it is kept, and else as it came with the scene."""
    gone = SegmentState("not in the scene any more")
    return Contours(segments={name: state or came.segments.get(name, gone) for name, state in kept.items()})


def _said(state: SegmentState) -> list[Any] | None:
    """Of voxels and of nothing at all; times of touches mean nothing in another session."""
    place = state.place
    if place is None:
        return None if state.checksum else []
    return [state.checksum, place.shape, place.spacing_mm, place.origin_mm, place.direction]


def _state(said: Any) -> SegmentState | None:
    if said is None:
        return None
    if not said:
        return SegmentState("")
    checksum, shape, spacing_mm, origin_mm, direction = said
    return SegmentState(str(checksum), Geometry(shape, spacing_mm, origin_mm, direction))
