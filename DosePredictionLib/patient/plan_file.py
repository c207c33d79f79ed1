"""``prescription.json``: what a folder says of the plan beside the images."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from DosePredictionLib.errors import InputError
from DosePredictionLib.json_file import read_json
from DosePredictionLib.patient.beams import Beam, BeamArrangement
from DosePredictionLib.patient.naming import NameMatch, match_structure_name, role_of_standard_name
from DosePredictionLib.patient.patient import Patient
from DosePredictionLib.patient.structure import StructureRole, structure_role
from DosePredictionLib.whole_file import whole_file

_KEYS = ("prescriptions_gy", "prescription_gy", "fractions", "technique", "site", "beams", "structures")
#: Ends the reason of a match whose dose the file gives.
_DOSE_GIVEN = "Gy given in prescription.json"
_STRUCTURE_KEYS = ("role", "standard_name", "prescription_gy")


@dataclass(frozen=True)
class Correction:
    """What the user says of one structure; None leaves the guess from the name, "" takes the standard name away."""

    role: StructureRole | None = None
    standard_name: str | None = None
    prescription_gy: float | None = None


@dataclass(frozen=True)
class PlanDescription:
    """The content of ``prescription.json``; what is absent is None or empty.

    Attributes:
        path: the file, for messages.
        prescriptions_gy: prescribed dose by the target's name.
        prescription_gy: prescribed dose of the highest target.
        corrections: by the structure's name as the data have it.
        unknown_keys: keys that mean nothing here.
    """

    path: Path
    prescriptions_gy: dict[str, float] = field(default_factory=dict)
    prescription_gy: float | None = None
    fractions: int | None = None
    technique: str | None = None
    site: str | None = None
    beams: BeamArrangement | None = None
    corrections: dict[str, Correction] = field(default_factory=dict)
    unknown_keys: tuple[str, ...] = ()


def read_plan_file(path: Path) -> PlanDescription:
    """Read ``prescription.json``; without the file the description is empty.

    Raises:
        InputError: it isn't JSON, or a value is of the wrong kind; the message names the key.
    """
    if not path.exists():
        return PlanDescription(path)
    whole = _mapping(read_json(path, "a plan"), path, "the file")
    fractions = whole.get("fractions")
    if fractions is not None and (not isinstance(fractions, int) or isinstance(fractions, bool) or fractions < 1):
        raise InputError(f'{path}: "fractions" is {fractions!r}; give a whole number of 1 or more.')
    return PlanDescription(
        path,
        prescriptions_gy={
            name: _number(value, path, f"prescriptions_gy, {name}")
            for name, value in _mapping(whole.get("prescriptions_gy", {}), path, '"prescriptions_gy"').items()
        },
        prescription_gy=_optional_number(whole, "prescription_gy", path),
        fractions=fractions,
        technique=_optional_text(whole, "technique", path),
        site=_optional_text(whole, "site", path),
        beams=_beams(whole["beams"], path) if whole.get("beams") is not None else None,
        corrections={
            name: _correction(name, value, path)
            for name, value in _mapping(whole.get("structures", {}), path, '"structures"').items()
        },
        unknown_keys=tuple(key for key in whole if key not in _KEYS),
    )


def apply_plan(matches: Sequence[NameMatch], names: Sequence[str], plan: PlanDescription) -> list[NameMatch]:
    """The matches of a patient's structures after the user's corrections and prescriptions.

    A structure with a prescription in ``prescriptions_gy`` is a target whatever its name. ``prescription_gy`` goes to
    the highest target: the only one; or else the one named high; or else the only one whose name tells no dose; or else
    the one with the highest dose.

    Raises:
        InputError: the plan names a structure that the patient doesn't have, or two structures by one name.
    """
    result = list(matches)
    for key, correction in plan.corrections.items():
        index = _structure_called(key, names, result, plan.path)
        result[index] = _corrected(result[index], correction)
    for key, dose_gy in plan.prescriptions_gy.items():
        index = _structure_called(key, names, result, plan.path)
        result[index] = _prescribed(result[index], dose_gy)
    if plan.prescription_gy is not None:
        highest = _highest_target(result)
        if highest is not None:
            result[highest] = _prescribed(result[highest], plan.prescription_gy)
    return result


def dose_is_given(match: NameMatch) -> bool:
    """Whether a match of `apply_plan` has its dose from the file, rather than from the structure's name or a plan."""
    return match.reason.endswith(_DOSE_GIVEN)


def write_plan_file(patient: Patient, path: Path) -> None:
    """Write what the images don't say of a patient, in the form that `read_plan_file` reads.

    Raises:
        InputError: the file can't be written.
    """
    content: dict[str, Any] = {}
    prescriptions = {s.name: s.prescription_gy for s in patient.targets if s.prescription_gy is not None}
    if prescriptions:
        content["prescriptions_gy"] = prescriptions
    for key in ("fractions", "technique", "site"):
        if getattr(patient, key) is not None:
            content[key] = getattr(patient, key)
    if patient.beams is not None:
        beams = patient.beams.beams
        content["beams"] = {"gantry_deg": [beam.gantry_deg for beam in beams]}
        if any(beam.couch_deg for beam in beams):
            content["beams"]["couch_deg"] = [beam.couch_deg for beam in beams]
        if patient.beams.isocentre_mm is not None:
            content["beams"]["isocentre_mm"] = list(patient.beams.isocentre_mm)
    content["structures"] = {
        structure.name: {"role": structure.role.value, "standard_name": structure.standard_name or ""}
        for structure in patient.structures
    }
    with whole_file(path) as temporary:
        temporary.write_text(_readable(content), encoding="utf-8")


def _readable(content: dict[str, Any]) -> str:
    """JSON with a line for each structure and for each other key: people correct this file."""
    lines = []
    for key, value in content.items():
        text = json.dumps(value)
        if key == "structures":
            text = ",\n".join(f"    {json.dumps(name)}: {json.dumps(entry)}" for name, entry in value.items())
            text = "{\n" + text + "\n  }"
        lines.append(f"  {json.dumps(key)}: {text}")
    return "{\n" + ",\n".join(lines) + "\n}\n"


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


def _corrected(match: NameMatch, correction: Correction) -> NameMatch:
    standard = match.standard_name if correction.standard_name is None else correction.standard_name or None
    role = correction.role
    if role is None and correction.standard_name:
        role = role_of_standard_name(correction.standard_name)
    if role is None:
        role = StructureRole.TARGET if correction.prescription_gy is not None else match.role
    reason, dose_gy = "given in prescription.json", None
    if role is StructureRole.TARGET:
        dose_gy = match.prescription_gy
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


def _correction(name: str, value: Any, path: Path) -> Correction:
    fields = _mapping(value, path, f'"structures", {name!r}')
    for key in fields:
        if key not in _STRUCTURE_KEYS:
            raise InputError(f"{path}: {key!r} of {name!r} means nothing; the keys are {', '.join(_STRUCTURE_KEYS)}.")
    role = None
    if fields.get("role") is not None:
        try:
            role = structure_role(fields["role"], name)
        except InputError as error:
            raise InputError(f"{path}: {error}") from None
    return Correction(
        role, _optional_text(fields, "standard_name", path), _optional_number(fields, "prescription_gy", path)
    )


def _beams(value: Any, path: Path) -> BeamArrangement:
    fields = _mapping(value, path, '"beams"')
    gantry = _numbers(fields.get("gantry_deg"), path, "beams, gantry_deg")
    couch = _numbers(fields.get("couch_deg", [0.0] * len(gantry)), path, "beams, couch_deg")
    if not gantry or len(couch) != len(gantry):
        raise InputError(f'{path}: "beams" needs as many couch_deg as gantry_deg, and one at least; correct the lists.')
    isocentre = None
    if fields.get("isocentre_mm") is not None:
        x_y_z = _numbers(fields["isocentre_mm"], path, "beams, isocentre_mm")
        if len(x_y_z) != 3:
            raise InputError(f"{path}: isocentre_mm has {len(x_y_z)} numbers; give x, y, z in LPS millimetres.")
        isocentre = (x_y_z[0], x_y_z[1], x_y_z[2])
    return BeamArrangement(tuple(Beam(g, c) for g, c in zip(gantry, couch, strict=True)), isocentre)


def _mapping(value: Any, path: Path, what: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise InputError(f"{path}: {what} must be a JSON object in braces, not {value!r}.")
    return value


def _number(value: Any, path: Path, what: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise InputError(f"{path}: {what} is {value!r}; give a number.")
    try:
        number = float(value)
    except OverflowError:  # JSON's whole numbers have no end
        number = math.inf
    if not math.isfinite(number):
        raise InputError(f"{path}: {what} is no number that can be reckoned with; give a finite one.")
    return number


def _numbers(value: Any, path: Path, what: str) -> list[float]:
    if not isinstance(value, list):
        raise InputError(f"{path}: {what} is {value!r}; give a list of numbers.")
    return [_number(entry, path, what) for entry in value]


def _optional_number(fields: dict[str, Any], key: str, path: Path) -> float | None:
    return None if fields.get(key) is None else _number(fields[key], path, key)


def _optional_text(fields: dict[str, Any], key: str, path: Path) -> str | None:
    value = fields.get(key)
    if value is not None and not isinstance(value, str):
        raise InputError(f"{path}: {key} is {value!r}; give text in quotes.")
    return value
