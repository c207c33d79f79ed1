"""What a segment is to the prediction: given by the user, kept on the segment, or guessed from its name."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import vtk

from DosePredictionLib.errors import InputError
from DosePredictionLib.patient.naming import match_structure_names
from DosePredictionLib.patient.structure import StructureRole

#: Segment tags; they are saved with the segmentation.
ROLE_TAG = "DosePrediction.Role"
STANDARD_NAME_TAG = "DosePrediction.StandardName"
PRESCRIPTION_TAG = "DosePrediction.PrescriptionGy"


@dataclass(frozen=True)
class SegmentChoice:
    """The part that a segment plays.

    Attributes:
        role: see `StructureRole`.
        standard_name: TG-263 name; None when there is none.
        prescription_gy: for targets, the dose prescribed to them; None otherwise.
        reason: where this comes from, for people.
    """

    role: StructureRole
    standard_name: str | None = None
    prescription_gy: float | None = None
    reason: str = "chosen"


def segment_choices(segmentation: Any, given: Mapping[str, SegmentChoice] | None = None) -> dict[str, SegmentChoice]:
    """What each segment is, by segment ID: as given, or else as its tags say, or else as its name is understood.

    Args:
        segmentation: vtkSegmentation.
        given: the user's choices, by segment ID or by segment name.

    Raises:
        InputError: a choice is given for a segment that isn't there, or a tag can't be read.
    """
    given = given or {}
    names = {str(i): segmentation.GetSegment(i).GetName() or str(i) for i in segmentation.GetSegmentIDs()}
    unknown = set(given) - set(names) - set(names.values())
    if unknown:
        raise InputError(
            f"There is no segment {', '.join(sorted(unknown))}; the segments are {', '.join(names.values())}."
        )
    # All names at once: a guess gives way where another name fits better.
    guesses = match_structure_names(list(names.values()))
    return {
        segment_id: given.get(segment_id)
        or given.get(name)
        or stored_choice(segmentation.GetSegment(segment_id))
        or SegmentChoice(guess.role, guess.standard_name, guess.prescription_gy, guess.reason)
        for (segment_id, name), guess in zip(names.items(), guesses, strict=True)
    }


def stored_choice(segment: Any) -> SegmentChoice | None:
    """The choice kept in a segment's tags; None when it has none.

    Raises:
        InputError: a tag holds no role or no number.
    """
    role = _tag(segment, ROLE_TAG)
    if role is None:
        return None
    prescription = _tag(segment, PRESCRIPTION_TAG)
    try:
        return SegmentChoice(
            StructureRole(role),
            _tag(segment, STANDARD_NAME_TAG),
            float(prescription) if prescription else None,
            "stored",
        )
    except ValueError as error:
        raise InputError(
            f"The segment {segment.GetName()} carries a tag that can't be read ({error}); choose its role again."
        ) from error


def store_choice(segment: Any, choice: SegmentChoice) -> None:
    """Keep a choice in a segment's tags."""
    segment.SetTag(ROLE_TAG, choice.role.value)
    prescription = None if choice.prescription_gy is None else f"{choice.prescription_gy:g}"
    for name, value in ((STANDARD_NAME_TAG, choice.standard_name), (PRESCRIPTION_TAG, prescription)):
        if value:
            segment.SetTag(name, value)
        else:
            segment.RemoveTag(name)


def _tag(segment: Any, name: str) -> str | None:
    value = vtk.mutable("")
    return str(value.get()) if segment.GetTag(name, value) and value.get() else None


def choices_digest(segmentation: Any, given: Mapping[str, SegmentChoice] | None = None) -> str:
    """Twelve digits that change when a segment comes, goes, or gets another name, role or standard name.

    Prescriptions don't count: figures in percent of one belong to the plan that a dose was predicted for.
    """
    said = [
        (segment_id, segmentation.GetSegment(segment_id).GetName(), choice.role.value, choice.standard_name)
        for segment_id, choice in segment_choices(segmentation, given).items()
    ]
    return hashlib.sha256(repr(said).encode()).hexdigest()[:12]
