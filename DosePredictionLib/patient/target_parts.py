"""What in a PTV's name says that it shows its coverage, or may be a part of another PTV."""

from __future__ import annotations

import re
from dataclasses import dataclass

from DosePredictionLib.patient.name_words import MADE_SMALLER, WORD, is_number, plain_text, words_of
from DosePredictionLib.patient.organ_names import match_organ_name
from DosePredictionLib.patient.structure import StructureRole

_PTV = re.compile("ptv", re.IGNORECASE)
#: "95%" and "V95", "D98" (but not "D70", "D95Gy"): an isodose in the PTV, its coverage, or a phase of breathing.
_COVERAGE = re.compile(
    r"\d\s*(?:%|(?:percent|pct|prozent)(?![a-z]))|(?<![A-Za-z])[VD](?:9\d|1[01]\d)(?!\d|\s*c?gy)", re.IGNORECASE
)
_SIGNS = re.compile("[-\u2013\u2212&\\\\]")
_WORD_OR_SIGN = re.compile(rf"{WORD.pattern}|-")
#: Words between a PTV and what is cut away from it or lies in it.
_CUTS = {
    "minus", "without", "less", "not", "no", "excl", "ohne", "sub", "crop", "cropped", "cut", "trim", "trimmed", "from",
    "inside", "within", "over", "ov", "ovl", "ovlp", "outside",
}  # fmt: skip
#: What may stand before the site of a PTV as well (signs are read as hyphens).
_CUT_OR_SITE = {"-", "in", "and", "x"}
#: After a hyphen these say where the PTV lies: nobody cuts them away from it.
_SITES = {"Breast", "Chestwall", "Bone_Pelvic", "Mediastinum", "Uterus", "Vagina", "Vulva"}
#: TG-263's cropping by so many millimetres at the end of the name, after more than the bare kind (PTV_7000-03).
_CROPPED = re.compile(r"(?<=\w)-0(\d)\s*$")
_UNITS = {"gy", "cgy"}
_LENGTHS = {"mm", "cm"}
_BODY = "the body"


@dataclass(frozen=True)
class PartOfTarget:
    """What a PTV would be by its name if it is a part of another one.

    Attributes:
        whole: the name of the PTV that it would be a part of ("PTV70" for "PTV70-Parotid_L").
        reason: how it was made of that, in a few words.
        clear: whether the name can say nothing else; "PTV70-Larynx" may be the PTV in the larynx as well.
    """

    whole: str
    reason: str
    clear: bool


def shows_coverage(name: str) -> bool:
    """Whether a PTV's name says that it is an isodose, the coverage or a phase of a PTV."""
    return _COVERAGE.search(name) is not None


def part_of_target(name: str) -> PartOfTarget | None:
    """What a PTV of this name may be a part of; None when its name says nothing like that.

    What is cut away must be a known organ or the body: "PTV-LN", "PTV-Boost", "PTV-High" are no parts.
    """
    found = _PTV.search(name)
    if found is None:
        return None
    kind, after = name[: found.end()], name[found.end() :]
    rest, _ = cropped_by(after)
    cut = _cut_with_an_organ(kind, rest)
    if MADE_SMALLER.search(after) is None:
        return cut
    if _organ_called(rest) == _BODY:  # "PTV_skin-3mm"
        rest = _numbers_in(rest)
    return PartOfTarget(cut.whole if cut is not None else f"{kind}{rest}", "made smaller", clear=True)


def cropped_by(after: str) -> tuple[str, int | None]:
    """What follows a kind, without its cropping ("-3mm", or TG-263's "-03" at the end), and the millimetres of that."""
    smaller = MADE_SMALLER.search(after)
    if smaller is not None:
        amount = float(smaller["amount"].replace(",", ".")) * (10.0 if smaller["unit"].lower() == "cm" else 1.0)
        return f"{after[: smaller.start()]} {after[smaller.end() :]}", round(amount)
    cropped = _CROPPED.search(after)
    return (after[: cropped.start()], int(cropped[1])) if cropped is not None else (after, None)


def _cut_with_an_organ(kind: str, after: str) -> PartOfTarget | None:
    text = plain_text(_SIGNS.sub("-", after))
    cuts = [found for found in _WORD_OR_SIGN.finditer(text) if found.group().lower() in _CUTS | _CUT_OR_SITE]
    ends = [*(cut.start() for cut in cuts[1:]), len(text)]
    for index, (cut, end) in enumerate(zip(cuts, ends, strict=False)):
        organ = _organ_called(text[cut.end() : end])
        if organ is not None:
            whole = f"{kind}{text[: cut.start()]} {_numbers_in(text[cut.end() :])}"
            said = any(earlier.group().lower() in _CUTS for earlier in cuts[: index + 1])
            return PartOfTarget(whole.strip(), f"cut with {organ}", clear=said or organ == _BODY)
    return None


def _organ_called(text: str) -> str | None:
    """The organ (or the body) that can be cut away, called so beside numbers and units; None when there is none."""
    words = [word for word in words_of(text) if not is_number(word) and word not in {"prv"} | _UNITS | _LENGTHS]
    if len("".join(words)) <= 2:  # "PTV-SC" is supraclavicular as well as the spinal cord
        return None
    organ = match_organ_name(" ".join(words))
    if organ is None:
        return None
    if organ.role is StructureRole.EXTERNAL:
        return _BODY
    sided = match_organ_name(" ".join([*words, "left"])) if organ.standard_name is None else organ
    standard = (sided and sided.standard_name) or "an organ"
    one_of_pair = standard.removesuffix("_L").removesuffix("_R")
    # Prostate, seminal vesicles and cervix, which are OTHER by their names, are sites, too.
    if one_of_pair in _SITES or (organ.role is StructureRole.OTHER and organ.sure):
        return None
    return standard if sided is organ else one_of_pair


def _numbers_in(text: str) -> str:
    """The numbers of a text that are no lengths, with their units."""
    words = words_of(text)
    return " ".join(
        word for word, following in zip(words, [*words[1:], ""], strict=True)
        if word in _UNITS or (is_number(word) and following not in _LENGTHS)
    )  # fmt: skip
