"""What in a PTV's name says that it is no target, but a part of one or a help to judge its coverage."""

from __future__ import annotations

import re

from DosePredictionLib.patient.name_words import MADE_SMALLER, is_number, words_of
from DosePredictionLib.patient.organ_names import match_organ_name
from DosePredictionLib.patient.structure import StructureRole

#: "95%" and "V95", "D98" (but not "D70", "D95Gy"): an isodose in the PTV, its coverage, or a phase of breathing.
_COVERAGE = re.compile(
    r"\d\s*(?:%|(?:percent|pct|prozent)(?![a-z]))"
    r"|(?<![A-Za-z])[VD](?:9\d|1[01]\d)(?!\d|\s*c?gy)",
    re.IGNORECASE,
)
_SIGNS = re.compile("[-\u2013\u2212&\\\\]")
#: Words (and signs, read as "minus") between a PTV and what is cut away from it or lies in it.
_CUTS = {
    "minus", "without", "less", "not", "no", "excl", "ohne", "sub", "crop", "cropped", "cut", "trim", "trimmed", "from",
    "in", "inside", "within", "and", "x", "over", "ov", "ovl", "ovlp", "outside",
}  # fmt: skip
#: After a hyphen these say where the PTV lies: nobody cuts them away from it.
_SITES = {"Breast", "Chestwall", "Bone_Pelvic", "Mediastinum", "Uterus", "Vagina", "Vulva"}


def part_or_help(rest_of_name: str) -> str | None:
    """Why a PTV with these characters after its kind is no target, in a few words; None when it may be one.

    What is cut away must be a known organ or the body: "PTV-LN", "PTV-Boost", "PTV-High" are targets.
    """
    if _COVERAGE.search(rest_of_name):
        return "an isodose, the coverage or a phase of a PTV by its name"
    if MADE_SMALLER.search(rest_of_name):
        return "a PTV made smaller"
    organ = _organ_after_a_cut(rest_of_name)
    return None if organ is None else f"a PTV cut with {organ}"


def _organ_after_a_cut(text: str) -> str | None:
    """The organ after a minus sign or the like; None when there is none."""
    parts: list[list[str]] = [[]]
    for word in words_of(_SIGNS.sub(" minus ", text)):
        if word in _CUTS:
            parts.append([])
        elif not is_number(word) and word not in ("prv", "mm", "cm"):
            parts[-1].append(word)
    for part in parts[1:]:
        if len("".join(part)) <= 2:  # "PTV-SC" is supraclavicular as well as the spinal cord
            continue
        organ = match_organ_name(" ".join(part))
        if organ is None:
            continue
        standard = organ.standard_name or "an organ"
        if organ.role is StructureRole.EXTERNAL:
            return "the body"
        # Prostate, seminal vesicles and cervix, which are OTHER by their names, are sites, too.
        if standard.removesuffix("_L").removesuffix("_R") not in _SITES and not (
            organ.role is StructureRole.OTHER and organ.sure
        ):
            return standard
    return None
