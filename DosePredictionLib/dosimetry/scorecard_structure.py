"""Which of a patient's structures a scorecard speaks of, made from others where its formula says how.

A formula is PlanScoreCard's: names in angle brackets, groups in braces, a margin in mm after a bar, and SUB, AND, OR
between groups, from left to right: ``{<PTV>|20} SUB {<PTV>|5}`` is the shell from 5 to 20 mm around the PTV.
"""

from __future__ import annotations

import re
from dataclasses import replace

from DosePredictionLib.dosimetry.derived import combined, contracted, expanded, intersection, minus
from DosePredictionLib.dosimetry.scorecard import ScoreTemplate
from DosePredictionLib.dosimetry.structure_expression import NotThereError, structures_named
from DosePredictionLib.patient.naming import match_structure_name
from DosePredictionLib.patient.patient import Patient
from DosePredictionLib.patient.structure import Structure, StructureRole

_TOKEN = re.compile(
    r"\s*(?:(?P<name><[^<>]+>)|(?P<margin>\|\s*[-+]?\d+(?:\.\d+)?)|(?P<word>SUB|AND|OR)\b|(?P<brace>[{}]))"
)
_JOIN = {
    "SUB": lambda one, other: minus(one, [other]),
    "AND": intersection,
    "OR": lambda one, other: combined([one, other]),
}


def structure_of(template: ScoreTemplate, patient: Patient) -> Structure:
    """The structure of a scorecard's row.

    In this order: a structure of the very name, the row's formula, a target of the dose in the name ("PTV63"), and what
    else the name means (TG-263 names and synonyms, "Lungs-GTV"; see `structure_expression`). The author's own name of
    the structure counts as well.

    Raises:
        NotThereError: the patient has no such structure; the text says which, after "the patient has".
    """
    names = [name for name in (template.structure, template.template_structure) if name]
    for name in names:
        for structure in _candidates(patient):
            if structure.name.strip().lower() == name.lower():
                return structure
    if template.formula:
        return replace(_formula(template.formula, patient), name=names[0])
    for name in names:
        found = _by_meaning(name, patient)
        if found is not None:
            return found
    raise NotThereError(f"no {names[0]}")


def _candidates(patient: Patient) -> list[Structure]:
    return [s for s in patient.structures if s.role is not StructureRole.IGNORED]


def _by_meaning(name: str, patient: Patient) -> Structure | None:
    match = match_structure_name(name)
    if match.role is StructureRole.TARGET and match.prescription_gy is not None:
        dose_gy = match.prescription_gy
        return next((t for t in patient.targets if abs((t.prescription_gy or 0.0) - dose_gy) < 0.05), None)
    try:
        found = structures_named(re.sub(r"\s+-\s+", "-", name), patient)
    except NotThereError:
        return None
    return found[0]


def _formula(text: str, patient: Patient) -> Structure:
    tokens = []
    place = 0
    while place < len(text.rstrip()):
        token = _TOKEN.match(text, place)
        if token is None:
            raise NotThereError(f"nothing that the formula {text!r} can be read as")
        tokens.append((str(token.lastgroup), token[token.lastgroup or 0]))
        place = token.end()
    structure, rest = _sum(tokens, patient, text)
    if rest:
        raise NotThereError(f"nothing that the formula {text!r} can be read as")
    return structure


def _sum(tokens: list[tuple[str, str]], patient: Patient, text: str) -> tuple[Structure, list[tuple[str, str]]]:
    """Terms with SUB, AND, OR between them; what follows is left over."""
    structure, tokens = _term(tokens, patient, text)
    while tokens and tokens[0][0] == "word":
        other, rest = _term(tokens[1:], patient, text)
        structure, tokens = _JOIN[tokens[0][1]](structure, other), rest
    return structure, tokens


def _term(tokens: list[tuple[str, str]], patient: Patient, text: str) -> tuple[Structure, list[tuple[str, str]]]:
    """A name or a group in braces, with its margin."""
    if not tokens:
        raise NotThereError(f"nothing that the formula {text!r} can be read as")
    (kind, value), tokens = tokens[0], tokens[1:]
    if kind == "name":
        name = value[1:-1].strip()
        found = next((s for s in _candidates(patient) if s.name.strip().lower() == name.lower()), None)
        structure = found or _by_meaning(name, patient)
        if structure is None:
            raise NotThereError(f"no {name}")
        return _with_margin(structure, tokens)
    if value != "{":
        raise NotThereError(f"nothing that the formula {text!r} can be read as")
    structure, tokens = _sum(tokens, patient, text)
    structure, tokens = _with_margin(structure, tokens)
    if not tokens or tokens[0][1] != "}":
        raise NotThereError(f"nothing that the formula {text!r} can be read as")
    return _with_margin(structure, tokens[1:])


def _with_margin(structure: Structure, tokens: list[tuple[str, str]]) -> tuple[Structure, list[tuple[str, str]]]:
    if not tokens or tokens[0][0] != "margin":
        return structure, tokens
    margin_mm = float(tokens[0][1][1:])
    if not structure.measured.array.any():
        raise NotThereError(f"no voxel in {structure.name}")
    if margin_mm > 0:
        structure = expanded(structure, margin_mm)
    elif margin_mm < 0:
        structure = contracted(structure, -margin_mm)
    return structure, tokens[1:]
