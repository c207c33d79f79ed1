"""How goals name structures, those that have to be made from others included.

    Parotid_L                              by TG-263 name; any other name that `match_structure_name` knows does too
    Parotid_L or Parotid_R                 whichever serves the goal best
    each target                            every target; "each Lens" the left and the right one, each by itself (for a
                                           maximum also both in one structure, where neither is drawn by itself)
    highest / middle / lowest target       by prescription, all of a level as one; the middle one of three levels, the
                                           lowest of two or more
    Lungs-GTV, Cavity_Oral minus targets   without what it shares with the other; "targets" (or PTV) are all of them
    External minus PTV70 minus PTV56       without either
    SpinalCord_PRV05, OpticNrv_PRV03_L     with a margin in mm
    ring 5-10 mm around highest target     the shell outside, within the body where that is known
    ring 0-3 mm inside External            the shell below the surface
    Lungs, Parotids                        both of a pair, from left and right
    ipsilateral Parotid                    the one of a pair that lies nearer to the highest target; or contralateral.
                                           Where one is drawn only, the one on the target's side of the body

A structure that the patient's data hold under the very name goes before one that is made.
"""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import groupby

import numpy as np

from DosePredictionLib.dosimetry.derived import combined, expanded, intersection, minus, ring_inside, ring_outside
from DosePredictionLib.dosimetry.goal import EACH_TARGET, HIGHEST_TARGET, OR
from DosePredictionLib.errors import InputError
from DosePredictionLib.patient.naming import match_structure_name
from DosePredictionLib.patient.organ_table import Organ, organs
from DosePredictionLib.patient.patient import Patient
from DosePredictionLib.patient.structure import Structure, StructureRole

EACH = "each "
#: Nearer to one side by less than this, a target is on neither.
MIDLINE_MM = 10.0
#: The same for the middle of the body, which arms, a rotation or a cropped outline shift.
MIDLINE_OF_BODY_MM = 20.0
_SIDES = ("_L", "_R")
_RING = re.compile(
    r"ring\s+(?P<inner>\d+(?:\.\d+)?)\s*(?:-|to)\s*(?P<outer>\d+(?:\.\d+)?)\s*mm\s+(?P<side>around|inside)\s+(?P<name>.+)",
    re.IGNORECASE,
)
_PRV = re.compile(r"(?P<base>.+?)_PRV(?P<margin>\d+(?:\.\d+)?)(?P<side>_[LR])?", re.IGNORECASE)
_SIDE = re.compile(r"(?P<side>ipsilateral|contralateral)\s+(?P<name>.+)", re.IGNORECASE)
_MINUS = re.compile(r"\s+minus\s+|(?<=[A-Za-z_])-(?=[A-Za-z])", re.IGNORECASE)
_MINUS_WORD = re.compile(r"\s+minus\s+", re.IGNORECASE)
_LEVELS = {"middle target": "Mid", "lowest target": "Low"}
#: What tells where the body's middle is; the second stands in where data hold no outline (OpenKBP).
_OUTLINES = (StructureRole.EXTERNAL, StructureRole.DOSE_REGION)
_ALL_TARGETS = {"targets", "all targets", "ptv", "ptvs"}


class NotThereError(Exception):
    """The patient lacks a structure that is asked for; the text says which, after "the patient has"."""


def check_expression(text: str) -> None:
    """Raise InputError with a sentence where a text cannot name a structure, whatever the patient."""
    for name in text.split(OR):
        bare = _MINUS_WORD.split(name.strip())[0]
        if not bare:
            raise InputError(f"{text!r} names no structure beside 'or'; write names, like 'Parotid_L or Parotid_R'.")
        ring = _RING.fullmatch(bare)
        if bare.lower().startswith("ring ") and ring is None:
            raise InputError(f"{bare!r} is no ring; write it like 'ring 5-10 mm around highest target'.")
        if ring is not None and float(ring["inner"]) >= float(ring["outer"]):
            raise InputError(
                f"{bare!r} has no thickness; give the nearer distance first, as in 'ring 5-10 mm around PTV'."
            )


def structures_named(text: str, patient: Patient, *, for_maximum: bool = False) -> list[Structure]:
    """The structures that a goal speaks of; more than one where each, or the best, of several counts.

    Args:
        text: see the module's beginning.
        patient: ignored structures count as missing.
        for_maximum: whether their maximum is limited. Left and right in one structure then answer for each of the pair:
            its maximum is that of the worse side.

    Raises:
        NotThereError: the patient has none of them.
    """
    asked = text.strip()
    if asked.lower() == EACH_TARGET:
        if not patient.targets:
            raise NotThereError("no target")
        return list(patient.targets)
    if asked.lower().startswith(EACH):
        return _each_of_pair(asked[len(EACH) :].strip(), patient, for_maximum)
    found, missing = [], []
    for name in asked.split(OR):
        try:
            found.append(_one(name.strip(), patient))
        except NotThereError as error:
            missing.append(str(error))
    if not found:
        # Of several none is there: say so of all of them at once.
        raise NotThereError(f"no {asked}" if len(missing) > 1 else missing[0])
    return found


def side_not_there(text: str, patient: Patient) -> str | None:
    """What ``each Parotid`` asks for in vain where the patient has the other one only: ``Parotid_L``; None for none."""
    asked = text.strip()
    if not asked.lower().startswith(EACH) or asked.lower() == EACH_TARGET:
        return None
    name = asked[len(EACH) :].strip()
    missing = [side for side, organ in zip(_SIDES, _left_and_right(name, patient), strict=True) if organ is None]
    return _with_side(name, missing[0]) if len(missing) == 1 else None


def _each_of_pair(name: str, patient: Patient, for_maximum: bool) -> list[Structure]:
    found = [organ for organ in _left_and_right(name, patient) if organ is not None]
    if found:
        return found
    in_one = _in_one(name, patient)
    if in_one is None:
        raise NotThereError(f"no {name}")
    if not for_maximum:
        raise _only_in_one(name, patient)
    return [in_one]


def _left_and_right(name: str, patient: Patient) -> list[Structure | None]:
    """The left and the right one of a pair; None in place of one that is not there."""
    found: list[Structure | None] = []
    for side in _SIDES:
        try:
            found.append(_one(_with_side(name, side), patient))
        except NotThereError:
            found.append(None)
    return found


def _in_one(name: str, patient: Patient) -> Structure | None:
    """Left and right in one structure (``Eyes``, ``Optic nerves``), or one whose name tells no side; None for none."""
    organ = _organ_in(name)
    paired = _paired(organ)
    for called in dict.fromkeys((organ, (paired and paired.both) or organ)):
        try:
            return _one(f"{called}{name[len(organ) :]}", patient)
        except NotThereError:
            continue
    return None


def _only_in_one(name: str, patient: Patient) -> NotThereError:
    organ = _organ_in(name)
    drawn = _in_one(organ, patient) or _in_one(name, patient)
    only = "" if drawn is None else f", only {drawn.label}, which tells no side"
    return NotThereError(f"no separate left and right {organ}{only}")


def _organ_in(name: str) -> str:
    """``OpticNrv`` of ``OpticNrv_PRV03``, ``Parotid`` of ``Parotid minus targets``."""
    first = _MINUS.split(name, maxsplit=1)[0]
    prv = _PRV.fullmatch(first)
    return prv["base"] if prv is not None else first


def _with_side(name: str, side: str) -> str:
    """``Parotid`` or ``Parotid minus targets`` or ``OpticNrv_PRV03`` of one side."""
    parts = _MINUS.split(name, maxsplit=1)
    return f"{parts[0]}{side}" + (f" minus {parts[1]}" if len(parts) > 1 else "")


def _one(name: str, patient: Patient) -> Structure:
    own = _named(name, patient)
    if own is not None:
        return own
    lower = name.lower()
    if lower in (HIGHEST_TARGET, "ptv_high"):
        if not patient.targets:
            raise NotThereError("no target")
        return _as_one(_levels(patient)[0])
    if lower in _LEVELS:
        return _level(lower, patient)
    if lower in _ALL_TARGETS:
        if not patient.targets:
            raise NotThereError("no target")
        return patient.targets[0] if len(patient.targets) == 1 else combined(patient.targets, "targets")
    # "minus" binds less than anything else: a ring around one target minus all of them.
    if _MINUS_WORD.search(name):
        return _without(name, _MINUS_WORD, patient)
    ring = _RING.fullmatch(name)
    if ring is not None:
        return _ring(ring, patient)
    side = _SIDE.fullmatch(name)
    if side is not None:
        return _on_side(side["side"].lower(), side["name"], patient)
    prv = _PRV.fullmatch(name)
    if prv is not None:
        base = _not_empty(_one(f"{prv['base']}{prv['side'] or ''}", patient))
        return expanded(base, float(prv["margin"]), name)
    if _MINUS.search(name):
        return _without(name, _MINUS, patient)
    kind = _volumes_of_kind(name, patient)
    if kind:
        return kind[0] if len(kind) == 1 else combined(kind, name)
    pair = _pair_of(name)
    if pair is not None:
        left, right = (_named(side_name, patient) for side_name in pair)
        if left is None or right is None:
            raise NotThereError(f"no {name}")
        return combined([left, right], name)
    raise NotThereError(f"no {name}")


def _named(name: str, patient: Patient) -> Structure | None:
    """The structure with this TG-263 name; failing that, the one that the data call so; failing that, a synonym."""
    candidates = [s for s in patient.structures if s.role is not StructureRole.IGNORED]
    wanted = name.lower()
    by_standard_name = [s for s in candidates if (s.standard_name or "").lower() == wanted]
    if by_standard_name:
        # One that is only measured may have been put aside for another of the same name.
        return min(by_standard_name, key=lambda s: s.role is StructureRole.OTHER)
    by_own_name = [s for s in candidates if s.standard_name is None and s.name.lower() == wanted]
    if by_own_name:
        return by_own_name[0]
    if wanted in ("external", "body"):
        return next((s for s in candidates if s.role is StructureRole.EXTERNAL), None)
    match = match_structure_name(name)
    if not match.sure or match.standard_name is None or match.standard_name.lower() == wanted:
        return None
    same = [s for s in candidates if s.standard_name == match.standard_name]
    return min(same, key=lambda s: s.role is StructureRole.OTHER, default=None)


def _level(lower: str, patient: Patient) -> Structure:
    named = next((t for t in patient.targets if (t.standard_name or "") == f"PTV_{_LEVELS[lower]}"), None)
    if named is not None:
        return named
    levels = _levels(patient)
    if lower == "lowest target" and len(levels) >= 2:
        return _as_one(levels[-1])
    if lower == "middle target" and len(levels) >= 3:
        return _as_one(levels[1])
    raise NotThereError(f"no {lower}")


def _levels(patient: Patient) -> list[list[Structure]]:
    """The targets of each prescription, the highest first: primary and nodes are often of the same."""
    by_dose = groupby(patient.targets, key=lambda target: round(target.prescription_gy or 0.0, 2))
    return [list(targets) for _, targets in by_dose]


def _as_one(targets: list[Structure]) -> Structure:
    return targets[0] if len(targets) == 1 else combined(targets)


def _ring(ring: re.Match[str], patient: Patient) -> Structure:
    around = _not_empty(_one(ring["name"], patient))
    inner, outer = float(ring["inner"]), float(ring["outer"])
    name = ring.string
    if ring["side"].lower() == "inside":
        return ring_inside(around, inner, outer, name)
    shell = ring_outside(around, inner, outer, name)
    body = next((s for s in patient.structures if s.role is StructureRole.EXTERNAL and s.mask.array.any()), None)
    # The target's prescription, not the body's.
    return shell if body is None else replace(intersection(shell, body, name), prescription_gy=shell.prescription_gy)


def _not_empty(structure: Structure) -> Structure:
    if not structure.mask.array.any():
        raise NotThereError(f"no voxel in {structure.label}")
    return structure


def _without(name: str, sign: re.Pattern[str], patient: Patient) -> Structure:
    """``A minus B minus C``: everything after the first sign is cut away, from left to right."""
    first, rest = sign.split(name, maxsplit=1)
    others: list[Structure] = []
    while rest:
        # A name that the data hold may have the sign in it: Lungs-CTV-N.
        part, *after = [rest] if _named(rest, patient) is not None else sign.split(rest, maxsplit=1)
        others += _subtracted(part, patient)
        rest = after[0] if after else ""
    return minus(_one(first, patient), others, name)


def _subtracted(name: str, patient: Patient) -> list[Structure]:
    """What is cut away: all targets for PTV, all GTVs for GTV, else the structure of this name."""
    if name.lower() in _ALL_TARGETS:
        if not patient.targets:
            raise NotThereError("no target")
        return list(patient.targets)
    return _volumes_of_kind(name, patient) or [_one(name, patient)]


def _volumes_of_kind(name: str, patient: Patient) -> list[Structure]:
    """All GTVs, CTVs or ITVs (``GTV`` names GTVp, GTVn and their doses too)."""
    kind = name.upper()
    if kind not in ("GTV", "IGTV", "CTV", "ITV"):
        return []
    candidates = [s for s in patient.structures if s.role is not StructureRole.IGNORED]
    return [s for s in candidates if (s.standard_name or "").upper().startswith(kind)]


def _pair_of(name: str) -> tuple[str, str] | None:
    """``Lungs`` are ``Lung_L`` and ``Lung_R``; None for the name of anything else."""
    organ = _paired(name)
    return None if organ is None else (f"{organ.name}_L", f"{organ.name}_R")


def _paired(name: str) -> Organ | None:
    """A paired organ, whether it is called by the name of one or of both."""
    standard = (match_structure_name(name).standard_name or name).lower()
    paired = (organ for organ in organs() if organ.paired)
    return next((organ for organ in paired if standard in ((organ.both or "").lower(), organ.name.lower())), None)


def _on_side(side: str, name: str, patient: Patient) -> Structure:
    """The left or right one of a pair, by the distance of their centres from that of the highest target.

    Where one is there only, its name tells its side, and the middle of the body the target's.
    """
    if not patient.targets:
        raise NotThereError("no target to tell the sides by")
    target = _not_empty(patient.targets[0])
    left, right = _left_and_right(name, patient)
    if left is None or right is None:
        return _only_one_on_side(side, name, patient, left, right)
    pair = left, right
    away = [float(np.linalg.norm(_centre_mm(_not_empty(organ)) - _centre_mm(target))) for organ in pair]
    if abs(away[0] - away[1]) < MIDLINE_MM:
        raise NotThereError(f"its highest target in the middle, so there is no {side} {name}")
    near = 0 if away[0] < away[1] else 1
    return pair[near if side == "ipsilateral" else 1 - near]


def _only_one_on_side(
    side: str, name: str, patient: Patient, left: Structure | None, right: Structure | None
) -> Structure:
    organ = left or right
    if organ is None:
        if _in_one(name, patient) is not None:
            raise _only_in_one(name, patient)
        raise NotThereError(f"no {' or '.join(_with_side(name, end) for end in _SIDES)}")
    only = _with_side(name, "_L" if organ is left else "_R")
    bodies = (s for role in _OUTLINES for s in patient.with_role(role) if s.mask.array.any())
    body = next(bodies, None)
    if body is None:
        raise NotThereError(f"only {only} and no outline of the body to tell whether it is the {side} one")
    # In LPS, x rises towards the patient's left.
    leftward_mm = float(_centre_mm(patient.targets[0])[0] - _centre_mm(body)[0])
    if abs(leftward_mm) < MIDLINE_OF_BODY_MM:
        raise NotThereError(f"only {only}, and its highest target too near the middle to call that the {side} one")
    same_side = (organ is left) == (leftward_mm > 0.0)
    if same_side != (side == "ipsilateral"):
        raise NotThereError(f"no {_with_side(name, '_R' if organ is left else '_L')}, which would be the {side} one")
    return organ


def _centre_mm(structure: Structure) -> np.ndarray:
    inside = structure.mask.array > 0
    # Axis by axis: the places of a body's voxels take gigabytes.
    counts = [inside.sum(axis=tuple(other for other in range(3) if other != axis)) for axis in range(3)]
    index = np.array([np.average(np.arange(count.size), weights=count) for count in counts])
    return structure.mask.geometry.lps_of_index(index)
