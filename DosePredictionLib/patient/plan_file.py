"""``prescription.json``: what a folder says of the plan beside the images."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from DosePredictionLib.errors import InputError
from DosePredictionLib.json_file import read_json
from DosePredictionLib.patient.beams import Beam, BeamArrangement
from DosePredictionLib.patient.fractions import whole_fractions
from DosePredictionLib.patient.naming import match_standard_name, match_structure_name
from DosePredictionLib.patient.patient import Patient
from DosePredictionLib.patient.structure import Structure, StructureRole, structure_role
from DosePredictionLib.whole_file import whole_file

#: What the file is called.
PLAN_FILE = "prescription.json"
_KEYS = ("prescriptions_gy", "prescription_gy", "fractions", "technique", "site", "beams", "structures")
_STRUCTURE_KEYS = ("role", "standard_name", "prescription_gy")
#: May stand anywhere, for people.
_COMMENTS = ("comment", "note")
_BEAM_KEYS = ("gantry_deg", "couch_deg", "isocentre_mm")


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
    """

    path: Path
    prescriptions_gy: dict[str, float] = field(default_factory=dict)
    prescription_gy: float | None = None
    fractions: int | None = None
    technique: str | None = None
    site: str | None = None
    beams: BeamArrangement | None = None
    corrections: dict[str, Correction] = field(default_factory=dict)


def read_plan_file(path: Path) -> PlanDescription:
    """Read ``prescription.json``; without the file the description is empty.

    Raises:
        InputError: it isn't JSON, a value is of the wrong kind, or a key is unknown or there twice; the message names
            the key.
    """
    if not path.exists():
        return PlanDescription(path)
    whole = _mapping(read_json(path, "a plan", strict=True), path, "the file")
    _check_keys(whole, _KEYS, path)
    fractions = whole.get("fractions")
    return PlanDescription(
        path,
        prescriptions_gy={
            name: _number(value, path, f"prescriptions_gy, {name}")
            for name, value in _mapping(whole.get("prescriptions_gy", {}), path, '"prescriptions_gy"').items()
        },
        prescription_gy=_optional_number(whole, "prescription_gy", path),
        fractions=None if fractions is None else whole_fractions(fractions, f'{path}: "fractions"'),
        technique=_optional_text(whole, "technique", path),
        site=_optional_text(whole, "site", path),
        beams=_beams(whole["beams"], path) if whole.get("beams") is not None else None,
        corrections={
            name: _correction(name, value, path)
            for name, value in _mapping(whole.get("structures", {}), path, '"structures"').items()
        },
    )


def write_plan_file(patient: Patient, path: Path) -> None:
    """Write what the images don't say of a patient, in the form that `read_plan_file` reads.

    Raises:
        InputError: the file can't be written, or a structure's standard name is none that could be read again.
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
        structure.name: {"role": structure.role.value, "standard_name": _readable_standard_name(structure)}
        for structure in patient.structures
    }
    with whole_file(path) as temporary:
        temporary.write_text(_readable(content), encoding="utf-8")


def _readable_standard_name(structure: Structure) -> str:
    """The standard name, "" for none."""
    standard = structure.standard_name
    if not standard or standard == match_structure_name(structure.name).standard_name:
        return standard or ""
    try:
        return match_standard_name(standard).standard_name or ""
    except InputError as error:
        raise InputError(f"The standard name of {structure.name}: {error}") from None


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


def _correction(name: str, value: Any, path: Path) -> Correction:
    fields = _mapping(value, path, f'"structures", {name!r}')
    _check_keys(fields, _STRUCTURE_KEYS, path, f" of {name!r}")
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
    _check_keys(fields, _BEAM_KEYS, path, ' of "beams"')
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


def _check_keys(fields: dict[str, Any], known: tuple[str, ...], path: Path, of_what: str = "") -> None:
    for key in fields:
        if key not in (*known, *_COMMENTS):
            raise InputError(f"{path}: the key {key!r}{of_what} means nothing; the keys are {', '.join(known)}.")


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
