"""What the table of structures says of each segment. No Qt."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from DosePredictionScene.segment_choices import SegmentChoice, stored_choice
from slicer.i18n import tr as _

from DosePredictionLib.errors import InputError
from DosePredictionLib.patient.checks import HIGHEST_PRESCRIPTION_GY
from DosePredictionLib.patient.naming import match_standard_name, match_structure_names
from DosePredictionLib.patient.structure import StructureRole

SEEN_ROLES = (StructureRole.TARGET, StructureRole.OAR, StructureRole.EXTERNAL)


@dataclass(frozen=True)
class StructureRow:
    """One segment.

    Attributes:
        segment_id, name, colour: the segment's.
        choice: what it is to the prediction.
        match: how sure that is, for people.
        problem: what keeps the prediction from starting; empty when nothing does.
        remark: what a user should look at; empty when there is nothing.
    """

    segment_id: str
    name: str
    colour: tuple[float, float, float]
    choice: SegmentChoice
    match: str
    problem: str = ""
    remark: str = ""


def structure_rows(segmentation: Any) -> list[StructureRow]:
    """A row a segment, in their order.

    Args:
        segmentation: vtkSegmentation; None gives no rows.
    """
    if segmentation is None:
        return []
    ids = [str(segment_id) for segment_id in segmentation.GetSegmentIDs()]
    segments = [segmentation.GetSegment(segment_id) for segment_id in ids]
    names = [segment.GetName() or segment_id for segment, segment_id in zip(segments, ids, strict=True)]
    rows = []
    for segment_id, segment, name, guess in zip(ids, segments, names, match_structure_names(names), strict=True):
        choice = SegmentChoice(guess.role, guess.standard_name, guess.prescription_gy, guess.reason)
        remark = ""
        try:
            stored = stored_choice(segment)
        except InputError as error:
            stored, remark = None, str(error)
        if stored is not None:
            choice, match = stored, _("chosen")
        else:
            match = f"{guess.confidence:.0%}"
            remark = remark or ("" if guess.sure else _("Please check: {reason}.").format(reason=guess.reason))
        colour = tuple(float(v) for v in segment.GetColor())
        rows.append(StructureRow(segment_id, name, colour, choice, match, _problem(name, choice), remark))  # type: ignore[arg-type]
    return _with_conflicts(rows)


def edited_role(choice: SegmentChoice, role: StructureRole) -> SegmentChoice:
    """The choice with another role; what that role can't have is dropped."""
    target = role is StructureRole.TARGET
    return SegmentChoice(
        role,
        choice.standard_name if (choice.role is StructureRole.TARGET) == target else None,
        choice.prescription_gy if target else None,
    )


def edited_standard_name(choice: SegmentChoice, text: str) -> SegmentChoice:
    """The choice with another TG-263 name, and that name's role where it has another kind; no text takes it away.

    Raises:
        InputError: the text is no name, however it is spelt; the model would not see the structure.
    """
    if not text.strip():
        return replace(choice, standard_name=None, reason="chosen")
    named = match_standard_name(text.strip())
    if choice.role in (StructureRole.TARGET, named.role) or not named.confidence:
        return replace(choice, standard_name=named.standard_name, reason="chosen")
    return SegmentChoice(named.role, named.standard_name)


def edited_prescription(choice: SegmentChoice, text: str) -> SegmentChoice:
    """The choice with another prescription; no text takes it away.

    Raises:
        InputError: the text is no number.
    """
    text = text.strip().lower().removesuffix("gy").strip().replace(",", ".")
    try:
        dose = float(text) if text else None
    except ValueError as error:
        message = _("'{text}' is not a dose; type the dose of the whole course in Gy, such as 70.")
        raise InputError(message.format(text=text)) from error
    return replace(choice, prescription_gy=dose, reason="chosen")


def problems(rows: Iterable[StructureRow]) -> list[str]:
    """What keeps these structures from being predicted, a sentence each."""
    rows = list(rows)
    found = [row.problem for row in rows if row.problem]
    if not any(row.choice.role is StructureRole.TARGET for row in rows):
        found.insert(0, _('No structure is a target; give one the role "target" and a dose.'))
    return list(dict.fromkeys(found))


def missing_organs(rows: Iterable[StructureRow], organs: Iterable[str]) -> list[str]:
    """Those of a model's organs (TG-263) that no structure is."""
    there = {row.choice.standard_name for row in rows if row.choice.role in SEEN_ROLES}
    return [organ for organ in organs if organ not in there]


def _problem(name: str, choice: SegmentChoice) -> str:
    if choice.role is not StructureRole.TARGET:
        return ""
    dose = choice.prescription_gy
    if dose is None:
        return _("The target {name} has no dose; type it in Gy.").format(name=name)
    if not dose > 0.0:
        return _("The dose of {name} is {dose:g} Gy; type the dose of the whole course.").format(name=name, dose=dose)
    if dose > HIGHEST_PRESCRIPTION_GY:
        text = _("The dose of {name} is {dose:g} Gy, more than anyone prescribes.").format(name=name, dose=dose)
        hint = _("It looks like cGy: type {gray:g}.").format(gray=dose / 100)
        return f"{text} {hint}" if dose >= 1000.0 else text
    return ""


def _with_conflicts(rows: Sequence[StructureRow]) -> list[StructureRow]:
    """Rows with what they take from each other."""
    seen = [row for row in rows if row.choice.role in SEEN_ROLES and row.choice.standard_name]
    standard = Counter(row.choice.standard_name for row in seen)
    names = Counter(row.name for row in rows)
    marked = []
    for row in rows:
        problem, remark = row.problem, row.remark
        if row in seen and standard[row.choice.standard_name] > 1:
            others = [r.name for r in seen if r.choice.standard_name == row.choice.standard_name and r is not row]
            text = _("{name} and {others} are both {standard}; change one.")
            problem = text.format(name=row.name, others=", ".join(others), standard=row.choice.standard_name)
        elif names[row.name] > 1:
            text = _("{count} structures are named {name}; tables number them.")
            remark = text.format(count=names[row.name], name=row.name)
        marked.append(replace(row, problem=problem, remark=remark))
    return marked
