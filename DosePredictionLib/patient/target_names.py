"""Names of target volumes: what kind, which level, which dose."""

from __future__ import annotations

import re

from DosePredictionLib.patient.name_match import NameMatch
from DosePredictionLib.patient.name_words import is_number, name_table, number_of, words_of
from DosePredictionLib.patient.structure import StructureRole
from DosePredictionLib.patient.target_parts import cropped_by, part_of_target, shows_coverage

_KIND = re.compile(r"i?gtv|ptv|ctv|itv", re.IGNORECASE)
#: TG-263 classifiers, written right after the kind: primary, nodal, vascular, surgical bed, ...
_CLASSIFIER = re.compile(r"(p|n|v|sb|par|vas)(?![A-Za-z])")
_LEVELS = {
    "high": "High", "hi": "High", "hr": "High", "highrisk": "High", "highdose": "High",
    "mid": "Mid", "m": "Mid", "int": "Mid", "intermediate": "Mid", "medium": "Mid", "ir": "Mid",
    "low": "Low", "lo": "Low", "lr": "Low", "elective": "Low", "lowrisk": "Low", "lowdose": "Low",
}  # fmt: skip
_IDLE_WORDS = {"risk", "dose", "final", "new", "gy", "cgy", "level", "a"}
_MAY_PRECEDE = {
    *_LEVELS, *_IDLE_WORDS, "boost", "ln", "node", "nodes", "nodal", "primary", "neck",
    "l", "r", "left", "right", "lt", "rt",
}  # fmt: skip
_UNION_WORDS = {"total", "tot", "all", "sum", "union", "combined", "comb"}
_FRACTION_WORDS = {
    "fx", "fxs", "fr", "frs", "frac", "fracs", "fract", "fraction", "fractions", "frak", "frakt", "fraktion",
    "fraktionen", "sitzung", "sitzungen", "session", "sessions", "seance", "seances",
}  # fmt: skip
#: After a number they say that it is no dose: fractions, lengths and volumes.
_NOT_DOSES_AFTER = {*_FRACTION_WORDS, "f", "mm", "cm", "cc", "ml", "x"}
#: Before a number likewise: 2.2x30, phases of breathing, thresholds of PET.
_NOT_DOSES_BEFORE = {"x", "phase", "pet", "suv"}
#: "T50": the phase of breathing at 50 % of a 4D-CT, or the tumour's 50 Gy ("PTV T70" beside "PTV N54"); "PH60":
#: likewise, or the pharynx's.
_TUMOUR_OR_PHASE = re.compile(r"(?<![A-Za-z0-9])(?:T|PH)_?[2-9]0(?![\d.,%]|p\d|\s*c?gy)", re.IGNORECASE)
#: "#" after a number is British for fractions.
_FRACTIONS_SIGN = re.compile(r"(?<=\d)\s*#(?!\d)")
#: "1.8Gyx25", "2 Gy x 30", "12 Gy/fx": the dose of a fraction, and how many of them.
_FRACTION_DOSE = re.compile(
    r"(?P<dose>\d+(?:[.,p]\d+)?)\s*(?P<unit>c?gy)\s*(?:[x*\u00d7]\s*(?P<count>\d+)"
    r"|(?:/|per|pro|je)\s*(?:fx?s?|fr(?:a[ck]\w*)?|(?:session|seance|sitzung)[a-z]*)(?![a-z0-9]))",
    re.IGNORECASE,
)
#: "12.03.24", "03/12/2024": a day of the years below.
_DATE = re.compile(r"(?<!\d)[0-3]?\d([./-])[0-3]?\d\1(?:20)?(?:1[5-9]|[23]\d)(?!\d)")
#: Bare numbers in these ranges are read as Gy and as cGy.
_GY_RANGE = (20.0, 100.0)
_CGY_RANGE = (1000.0, 10000.0)
#: But so far these are years ("PTV_2024"), for hardly anyone prescribes 20.15 to 20.39 Gy.
_YEARS = (2015.0, 2039.0)


def names_a_target(name: str) -> bool:
    """Whether PTV, CTV, GTV or ITV stands in the name."""
    return _KIND.search(name) is not None


def with_kind_apart(name: str) -> str:
    """A name with spaces around PTV, CTV, GTV and ITV, so that words glued to them can be told ("PTVring")."""
    return _KIND.sub(r" \g<0> ", name)


def match_target_name(name: str) -> NameMatch:
    """Read a name in which PTV, CTV, GTV or ITV stands.

    Only PTVs become targets, because it is them that plans prescribe to; CTVs, GTVs and ITVs are measured. A number
    from 20 to 100 is a dose in Gy, from 1000 to 10000 in cGy (but for years), unless the unit is written; one below 10
    is an index.
    """
    name = _FRACTION_DOSE.sub(_unless_total, _DATE.sub(" ", name))
    kinds = list(_KIND.finditer(name))
    kind = kinds[0].group().upper()
    before, after = name[: kinds[0].start()], name[kinds[0].end() :]
    words_before = words_of(before)
    if len(kinds) > 1 or "+" in name:
        return _derived("made from several structures or with a margin")
    if before.rstrip(" _").endswith("-") or any(
        not is_number(word) and word not in _MAY_PRECEDE for word in words_before
    ):
        return _derived(f"a part of another structure, cut with a {kind}")

    if kind == "PTV" and shows_coverage(f"{before} {after}"):
        return _derived(
            "an isodose, the coverage or a phase of a PTV by its name, so make it a target only if the plan prescribes "
            "to it"
        )
    classifier = ""
    found = _CLASSIFIER.match(after)
    if found:
        classifier, after = found.group(1), after[found.end() :]
    after, cropped_mm = cropped_by(after)
    words = words_of(_FRACTIONS_SIGN.sub(" fx", after))
    copy_words = set(name_table()["planning_copy_words"])
    copies = [word for word in words if word in copy_words]
    all_words = [*words_before, *words]
    doses_gy, index = _numbers(all_words)
    units = {
        word for position, word in enumerate(all_words)
        if word in _NOT_DOSES_AFTER and position and is_number(all_words[position - 1])
    }  # fmt: skip
    level = next((_LEVELS[word] for word in all_words if word in _LEVELS), None)
    others = [
        word for word in all_words
        if not is_number(word) and word not in _LEVELS and word not in _IDLE_WORDS and word not in copy_words
        and word not in units
    ]  # fmt: skip
    dose_gy = doses_gy[0] if len(doses_gy) == 1 else None
    if any(word in _UNION_WORDS for word in words):
        return _derived(f"the {kind}s together")

    standard = "_".join([
        f"{kind}{classifier}{index or ''}",
        *(word.upper() if len(word) <= 2 else word.capitalize() for word in others),
        *([level] if level else []),
        *([f"{dose_gy * 100:.0f}"] if dose_gy is not None and not level else []),
    ])  # fmt: skip
    if cropped_mm is not None:
        standard += f"-{cropped_mm:02d}"
    if kind != "PTV":
        return NameMatch(
            standard, StructureRole.OTHER, None, 0.95,
            f"{'an' if kind[0] == 'I' else 'a'} {kind}: measured; the dose is prescribed to PTVs, so make it a target "
            "if this plan has none",
        )  # fmt: skip
    confidence, reason = 1.0, f"a PTV of {dose_gy:g} Gy" if dose_gy is not None else "a PTV without a dose in its name"
    if len(doses_gy) > 1:
        confidence = 0.6
        reason = f"a PTV with several doses in its name ({', '.join(f'{d:g}' for d in doses_gy)} Gy), so none was taken"
    elif level and dose_gy is None:
        reason = f"the PTV of the {level.lower()} dose level; the name tells no dose"
    if others:
        confidence = min(confidence, 0.85)
    if copies:
        confidence, reason = min(confidence, 0.7), f"{reason}; {copies[0]!r} suggests a copy made for planning"
    if cropped_mm is not None:
        confidence, reason = min(confidence, 0.75), f"{reason}, cropped by {cropped_mm} mm"
    phase = _TUMOUR_OR_PHASE.search(after)
    if phase is not None and dose_gy is not None:
        reason = f"{reason}, if {phase.group()} is no phase of breathing; please check"
        confidence = min(confidence, 0.7)
    part = part_of_target(name)
    if part is not None and cropped_mm is None:
        what = part.reason if part.clear else f"{part.reason} or named for its site"
        confidence, reason = min(confidence, 0.7), f"{reason}; {what}, please check"
    return NameMatch(standard, StructureRole.TARGET, dose_gy, confidence, reason)


def _unless_total(found: re.Match[str]) -> str:
    """Nothing, or what was found where it is a whole dose: of a single fraction, or too high for one of several."""
    if found["count"] is None:
        return " "
    count, cgy = int(found["count"]), found["unit"].lower() == "cgy"
    total_gy = number_of(found["dose"].lower()) * count / (100.0 if cgy else 1.0)
    return " " if count > 1 and total_gy <= _GY_RANGE[1] else found.group()


def _derived(reason: str) -> NameMatch:
    return NameMatch(None, StructureRole.OTHER, None, 0.9, f"{reason}: measured, not seen by the model")


def _numbers(words: list[str]) -> tuple[list[float], int | None]:
    """The different doses (Gy) among a name's words, and the index, if any.

    A small number of fractions ("PTV 3fx") is the index of a name that has none of these and no level, so that targets
    stay apart.
    """
    doses: list[float] = []
    index = fractions = None
    for position, word in enumerate(words):
        if not is_number(word):
            continue
        value, unit = number_of(word), words[position + 1] if position + 1 < len(words) else ""
        small = int(value) if 0 < value < 10 and value == int(value) else None
        before = words[position - 1] if position else ""
        if unit in _FRACTION_WORDS or unit == "f":
            fractions = small
            continue
        if unit in _NOT_DOSES_AFTER or before == "x":
            continue
        if unit not in ("gy", "cgy") and (before in _NOT_DOSES_BEFORE or _counted_by(words, position)):
            index = small or index
            continue
        if unit == "gy":
            dose = value
        elif unit != "cgy" and _YEARS[0] <= value <= _YEARS[1]:
            continue
        elif unit == "cgy" or _CGY_RANGE[0] <= value <= _CGY_RANGE[1]:
            dose = value / 100.0
        elif _GY_RANGE[0] <= value <= _GY_RANGE[1]:
            dose = value
        else:
            index = small or index
            continue
        if dose not in doses:
            doses.append(dose)
    if index is None and not doses and not _LEVELS.keys() & words:
        index = fractions
    return doses, index


def _counted_by(words: list[str], position: int) -> bool:
    """Whether the word before a number says fractions of it ("fx30") and not of a number before ("35fx 70")."""
    fractions = position > 0 and words[position - 1] in _FRACTION_WORDS
    return fractions and not (position > 1 and is_number(words[position - 2]))
