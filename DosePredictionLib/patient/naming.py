"""Structure names: from what a clinic writes to TG-263 names and roles.

TG-263: Mayo et al., "American Association of Physicists in Medicine Task Group 263: Standardizing nomenclatures in
radiation oncology", Int. J. Radiat. Oncol. Biol. Phys. 100, 2018. The names stand in ``structure_names.json``.

A guess is never silent: every match says in words what was recognised and how sure it is, and whoever calls may
put another role or name in its place.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from functools import cache, lru_cache

from DosePredictionLib.errors import InputError
from DosePredictionLib.patient.name_match import NameMatch
from DosePredictionLib.patient.name_words import name_table, words_of
from DosePredictionLib.patient.organ_names import guess_organ_name, match_organ_name
from DosePredictionLib.patient.organ_table import role_of_standard_name
from DosePredictionLib.patient.structure import StructureRole
from DosePredictionLib.patient.target_names import match_target_name, names_a_target, with_kind_apart
from DosePredictionLib.patient.target_wholes import without_parts

__all__ = [
    "NameMatch", "match_standard_name", "match_structure_name", "match_structure_names", "role_of_standard_name",
]  # fmt: skip

#: "VB_T5", "Musc_Sclmast_L": words that begin with capitals or numbers, joined by underscores and other signs.
_WRITTEN_AS_TG263 = re.compile(r"[A-Z][A-Za-z0-9]*(?:[_^~+-][A-Z0-9][A-Za-z0-9]*)*")
#: "Lungs-GTV", "E-PTV_5000": what of an organ, or of the body, lies outside a target.
_LESS_A_TARGET = re.compile(r"[A-Z]\w*-[CGIP]TV\w*")
#: "Bolus_05mm", "IDL_5000".
_AMOUNT = re.compile(r"_\d+(?:mm)?$")
#: "zPTV", "z_Cord", "~Ring": TG-263 puts such a mark before structures that serve planning only.
_PLANNING_MARK = re.compile(r"z(?=[A-Z_ ])|[~_]")
#: "PTV_7000-03": a target cropped by 3 mm.
_CROPPING = re.compile(r"(?<=\w)-0\d$")
_DOSE_REGION_NAMES = {"possible dose mask"}


@lru_cache(maxsize=4096)  # the panel asks again whenever it shows itself
def match_structure_name(name: str) -> NameMatch:
    """What a structure's name means.

    Known are the organs of head and neck, thorax, abdomen and pelvis by their TG-263 names and the usual other ones
    (Dutch, French, German, Italian, Portuguese and Spanish, too), sides before or after the organ, British and American
    spelling; PTVs with their dose in Gy or cGy or their level;
    the body; supports, devices and structures that serve planning only, which are ignored; organs with a margin (PRV)
    and parts of organs, which are measured (role OTHER). A name like none of these that resembles an organ's is guessed
    with a confidence below 0.8, but not where it is TG-263's own name of something else (A_Femoral_L). CTVs, GTVs and
    ITVs are role OTHER: the dose is prescribed to PTVs.
    """
    text = name.strip()
    words = words_of(text)
    if not words:
        return NameMatch(None, StructureRole.OTHER, None, 0.0, "the name holds no letters")
    if " ".join(words) in _DOSE_REGION_NAMES:
        return NameMatch(None, StructureRole.DOSE_REGION, None, 1.0, "where dose can be other than zero")
    if _PLANNING_MARK.match(text):
        return NameMatch(None, StructureRole.IGNORED, None, 0.9, "marked as a structure that serves planning only")
    organ = None if names_a_target(text) else match_organ_name(text)
    if organ is not None:
        return organ
    for kind, ignored in name_table()["ignored_words"].items():
        found = next((word for word in words_of(with_kind_apart(text)) if word in ignored), None)
        if found is not None:
            return NameMatch(None, StructureRole.IGNORED, None, 0.85, f"{found!r} says {kind}: ignored")
    if names_a_target(text):
        return match_target_name(text)
    guess = guess_organ_name(text)
    named = _resembling_names().get(_bare(text))
    if guess is not None and named is not None:
        return NameMatch(
            named, StructureRole.OTHER, None, 0.9, f"the TG-263 name {named}: measured, not seen by the model"
        )
    if guess is not None:
        return guess
    return NameMatch(None, StructureRole.OTHER, None, 0.0, "no known name: measured, not seen by the model")


def match_standard_name(spelling: str) -> NameMatch:
    """What is meant by a TG-263 name that somebody gave, however it is spelt ("parotid l" is Parotid_L).

    TG-263 has many more names than are known here (VB_T5, Scrotum). What is written as they are and is like none that
    is known stays as it is, with a confidence of 0: nothing tells its role.

    Raises:
        InputError: no name is meant, or it can't be told which; the message says what it is like.
    """
    match = match_structure_name(spelling)
    another = _another_name(spelling, match)
    if another is not None:
        return NameMatch(another, match.role, None, 0.0, "another TG-263 name")
    if match.standard_name is not None and (match.sure or match.standard_name == spelling):
        return match
    # Without a name and without confidence there is nothing that it is like.
    hint = f" ({match.reason})" if match.standard_name is not None or 0.0 < match.confidence < 0.8 else ""
    raise InputError(f"{spelling!r} is no TG-263 name that is known{hint}; give one, such as Parotid_L, or none.")


def _another_name(spelling: str, match: NameMatch) -> str | None:
    """TG-263's name of something that the table of structures doesn't have; None for anything else."""
    amount = _AMOUNT.search(spelling)
    bare, amounts = (spelling, "") if amount is None else (spelling[: amount.start()], amount.group())
    named = _resembling_names().get(_bare(bare))
    if named is not None:
        return f"{named}{amounts}"
    unknown = match.standard_name is None and match.confidence == 0.0
    return spelling if _LESS_A_TARGET.fullmatch(spelling) or unknown and _WRITTEN_AS_TG263.fullmatch(spelling) else None


@cache
def _resembling_names() -> dict[str, str]:
    return {_bare(name): name for name in name_table()["resembling_names"]}


def _bare(name: str) -> str:
    return re.sub(r"[\s_]+", "_", name.strip()).casefold()


def match_structure_names(names: Sequence[str]) -> list[NameMatch]:
    """Match all names of a patient, in their order.

    A guess gives way to a sure match of the same standard name ("PTV70" and "PTV70_opt" or "PTV70-03", "BODY" and
    "Skin") and becomes OTHER, and so does a PTV that is a part of another one ("PTV70-Parotid_L" beside "PTV70"); two
    sure matches of the same name both stay, for `check_patient` to report.
    """
    matches = without_parts(names, [match_structure_name(name) for name in names])
    sure = {match.standard_name: name for name, match in zip(names, matches, strict=True)
            if match.sure and match.standard_name is not None}  # fmt: skip
    whole = [_CROPPING.sub("", match.standard_name or "") for match in matches]
    return [
        match
        if match.sure or standard not in sure
        else replace(
            match, standard_name=None, role=StructureRole.OTHER, prescription_gy=None,
            reason=f"{match.reason}; {sure[standard]!r} is {standard} already, so only measured",
        )
        for match, standard in zip(matches, whole, strict=True)
    ]  # fmt: skip
