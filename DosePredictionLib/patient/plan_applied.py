"""What ``prescription.json`` says, applied to what a patient's structures were taken for by their names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from DosePredictionLib.errors import InputError
from DosePredictionLib.patient.naming import NameMatch, match_standard_name, match_structure_name
from DosePredictionLib.patient.plan_file import Correction, PlanDescription
from DosePredictionLib.patient.structure import StructureRole

#: Ends the reason of a match whose dose the file gives.
_DOSE_GIVEN = "Gy given in prescription.json"


def apply_plan(matches: Sequence[NameMatch], names: Sequence[str], plan: PlanDescription) -> list[NameMatch]:
    """The matches of a patient's structures after the user's corrections and prescriptions.

    A structure with a prescription in ``prescriptions_gy`` is a target whatever its name. ``prescription_gy`` goes to
    the highest target: the only one; or else the one named high; or else the only one whose name tells no dose; or else
    the one with the highest dose.

    Raises:
        InputError: the plan names a structure that the patient doesn't have, two structures by one name, or one by two
            names; or it gives a structure two prescriptions, or a standard name that is none.
    """
    result = list(matches)
    corrected: dict[int, str] = {}
    given_gy: dict[int, float] = {}
    for key, correction in plan.corrections.items():
        index = _structure_called(key, names, result, plan.path)
        _check_once(key, index, corrected, plan.path)
        try:
            result[index] = _corrected(result[index], correction)
        except InputError as error:
            raise InputError(f"{plan.path}: the standard_name of {key!r}: {error}") from None
        if correction.prescription_gy is not None:
            given_gy[index] = correction.prescription_gy
    prescribed: dict[int, str] = {}
    for key, dose_gy in plan.prescriptions_gy.items():
        index = _structure_called(key, names, result, plan.path)
        _check_once(key, index, prescribed, plan.path)
        _check_alike(dose_gy, given_gy.setdefault(index, dose_gy), names[index], plan.path)
        result[index] = _prescribed(result[index], dose_gy)
    if plan.prescription_gy is not None:
        highest = _highest_target(result)
        if highest is not None:
            dose_gy = given_gy.get(highest, plan.prescription_gy)
            _check_alike(plan.prescription_gy, dose_gy, f"{names[highest]}, the highest target", plan.path)
            result[highest] = _prescribed(result[highest], plan.prescription_gy)
    return result


def dose_is_given(match: NameMatch) -> bool:
    """Whether a match of `apply_plan` has its dose from the file, rather than from the structure's name or a plan."""
    return match.reason.endswith(_DOSE_GIVEN)


def _structure_called(key: str, names: Sequence[str], matches: Sequence[NameMatch], path: Path) -> int:
    """Index of the structure that the file means: by its own name, its TG-263 name, or another way to write it."""
    meant = match_structure_name(key).standard_name
    for found in (
        [i for i, name in enumerate(names) if name == key],
        [i for i, name in enumerate(names) if name.casefold() == key.casefold()],
        [i for i, match in enumerate(matches) if match.standard_name == key],
        [i for i, match in enumerate(matches) if meant is not None and match.standard_name == meant],
    ):
        if len(found) == 1:
            return found[0]
        if len(found) > 1:
            raise InputError(
                f"{path}: {key!r} may mean {' or '.join(repr(names[i]) for i in found)}; write its own name."
            )
    raise InputError(f"{path} names {key!r}, but there is no such structure; there are {', '.join(names) or 'none'}.")


def _check_once(key: str, index: int, known: dict[int, str], path: Path) -> None:
    """Remember by which name a structure was called, and check that it is the first of its names."""
    if index in known:
        raise InputError(f"{path}: {known[index]!r} and {key!r} are one structure; keep one of the two.")
    known[index] = key


def _check_alike(dose_gy: float, other_gy: float, target: str, path: Path) -> None:
    if dose_gy != other_gy:
        raise InputError(f"{path} prescribes both {other_gy:g} and {dose_gy:g} Gy to {target}; keep one of the two.")


def _corrected(match: NameMatch, correction: Correction) -> NameMatch:
    standard, role, told_gy = match.standard_name, correction.role, match.prescription_gy
    given = correction.standard_name
    if given == "":
        standard = None
    elif given is not None and given != standard:  # as folders are written, what a name itself says stands there again
        named = match_standard_name(given)
        standard, role = named.standard_name, role or (named.role if named.confidence else None)
        told_gy = told_gy if told_gy is not None else named.prescription_gy
    if role is None:
        role = StructureRole.TARGET if correction.prescription_gy is not None else match.role
    reason, dose_gy = "given in prescription.json", None
    if role is StructureRole.TARGET:
        dose_gy = told_gy
        if correction.prescription_gy is not None:
            dose_gy = correction.prescription_gy
            reason = f"{dose_gy:g} {_DOSE_GIVEN}"
    return NameMatch(standard, role, dose_gy, 1.0, reason)


def _prescribed(match: NameMatch, dose_gy: float) -> NameMatch:
    reason = f"{dose_gy:g} {_DOSE_GIVEN}"
    return replace(match, role=StructureRole.TARGET, prescription_gy=dose_gy, confidence=1.0, reason=reason)


def _highest_target(matches: Sequence[NameMatch]) -> int | None:
    targets = [i for i, match in enumerate(matches) if match.role is StructureRole.TARGET]
    open_ones = [i for i in targets if matches[i].prescription_gy is None]
    named_high = [i for i in targets if matches[i].standard_name == "PTV_High"]
    for found in (targets, named_high, open_ones):
        if len(found) == 1:
            return found[0]
    if targets and not open_ones:
        return max(targets, key=lambda i: matches[i].prescription_gy or 0.0)
    return None
