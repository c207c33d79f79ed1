"""Names of organs and of the body, looked up in the table of TG-263 names."""

from __future__ import annotations

import re
from collections.abc import Set
from dataclasses import replace
from difflib import SequenceMatcher

from DosePredictionLib.patient.name_match import NameMatch
from DosePredictionLib.patient.name_words import MADE_SMALLER, WORD, is_number, name_table, plain_text, words_of
from DosePredictionLib.patient.organ_table import (
    KnownName,
    Organ,
    Reading,
    english_names,
    known_names,
    names_in_languages,
    role_of_standard_name,
)
from DosePredictionLib.patient.structure import StructureRole

#: A misspelt name must be at least this like a known one, and this much more like it than like any other.
_LIKENESS = 0.83
_LEAD = 0.04
_SHORTEST_GUESSED = 5
#: "+5mm", "_03" after an organ: the organ with a margin.
_MARGIN = re.compile(r"\+|\d\s*mm\b|(?<!\d)0[2-9](?!\d)|prv", re.IGNORECASE)
#: Side words of these are found glued to an organ, too; "re" and "li" begin and end too many other words.
_GLUED_LANGUAGES = ("english", "latin")
#: "reRT", "re-plan", "re CT": again, not the German right.
_AGAIN = re.compile(
    r"(?<![A-Za-z])(?i:re)(?:-|[\s_]+(?=(?i:rt|ct|mr|irrad|treat|plan|sim|scan|bestrahl)))"
    r"|(?:(?<![A-Za-z])r|(?<![A-Z])R)e(?=RT|CT|MR|Irrad|Treat|Plan|Sim|Scan|Bestrahl)"
)
#: Words beside which "opt" is optic, not optimisation.
_OPTIC_PARTS = {"chiasm", "chiasma", "chiasms", "nrv", "n"}
_OPT_AT_THE_END = re.compile(rf"\b({'|'.join(sorted(_OPTIC_PARTS))})\b.* opt\b")


def match_organ_name(name: str) -> NameMatch | None:
    """The organ (or the body) that a name stands for, spelling variants included; None when there is none."""
    words = _organ_words(name)
    written = {word.lower() for word in WORD.findall(plain_text(name))}
    exact = _look_up(words, written)
    if exact is not None and exact.sure and _OPT_AT_THE_END.search(" ".join(words_of(name))):
        # May be a copy for optimisation all the same: gives way where the organ is there under its full name.
        return replace(exact, confidence=0.75, reason=f"taken for {exact.standard_name}, 'opt' for optic")
    if exact is not None:
        return exact
    table = name_table()
    qualifiers, copies = set(table["qualifiers"]), set(table["planning_copy_words"])
    if any(word in copies for word in words):
        rest = _look_up([w for w in words if w not in copies and not is_number(w) and w not in qualifiers], written)
        if rest is not None:
            original = rest.standard_name or "an organ"
            return NameMatch(None, StructureRole.IGNORED, None, 0.9, f"a copy of {original} made for planning")
    if _MARGIN.search(name):
        kept = [w for w in words if w not in ("prv", "mm") and not is_number(w) and w not in qualifiers]
        rest = _look_up(kept, written)
        if rest is not None:
            smaller = MADE_SMALLER.search(name) is not None and "prv" not in words
            return _made_smaller(rest) if smaller else _with_margin(rest, words)
    kept = [w for w in words if w not in qualifiers and not is_number(w)]
    if kept != words and kept:
        rest = _look_up(kept, written)
        if rest is not None and rest.standard_name is None:
            return rest
        if rest is not None:
            pair = _pair_called(rest.standard_name)
            if pair is not None and any(word in table["one_side_words"] for word in words):
                return _without_side(pair)
            left_out = " ".join(w for w in words if w not in kept)
            return NameMatch(
                rest.standard_name, rest.role, None, 0.75,
                f"taken for {rest.standard_name}; {left_out!r} was left out of account",
            )  # fmt: skip
    return None


def guess_organ_name(name: str) -> NameMatch | None:
    """The organ whose English name is most like a misspelt one; None when none is like it enough.

    The two organs of a pair are never guessed: "Kidney_G" is like "Kidneys" but may be the French left one.
    """
    likeness_of: dict[str, float] = {}
    for reading in _readings(_organ_words(name), whole=False):
        key = reading.keys[0]
        for known, entry in english_names().items():
            if min(len(key), len(known)) < _SHORTEST_GUESSED:
                continue
            standard = _standard_name(entry, reading.side)
            matcher = SequenceMatcher(None, key, known)
            if standard is not None and matcher.quick_ratio() >= _LIKENESS - _LEAD:
                likeness_of[standard] = max(likeness_of.get(standard, 0.0), matcher.ratio())
    best = sorted(likeness_of.items(), key=lambda item: -item[1])[:2]
    if not best or best[0][1] < _LIKENESS or (len(best) == 2 and best[0][1] - best[1][1] < _LEAD):
        return None
    standard, likeness = best[0]
    pair = _pair_called(standard)
    if pair is not None:
        return _without_side(pair)
    return NameMatch(
        standard, role_of_standard_name(standard) or StructureRole.OAR, None, round(0.75 * likeness, 2),
        f"spelt like {standard} ({likeness:.0%} alike); please check",
    )  # fmt: skip


def _organ_words(name: str) -> list[str]:
    """The words of a name, "opt" beside a word for nerve or chiasm as "optic" (Chiasma opt, N. opt. li)."""
    words = words_of(_AGAIN.sub(" again ", name))
    if "opt" in words and _OPTIC_PARTS.intersection(words) and not any(word.startswith("optic") for word in words):
        words[words.index("opt")] = "optic"
    return words


def _pair_called(standard_name: str | None) -> Organ | None:
    """The paired organ both of which, or either without its side, have this TG-263 name."""
    paired = (entry.organ for entry in known_names().values() if entry.organ.paired)
    return next((organ for organ in paired if standard_name and standard_name in (organ.name, organ.both)), None)


def _without_side(organ: Organ) -> NameMatch:
    names = f"{organ.name}_L or {organ.name}_R"
    return NameMatch(None, StructureRole.OTHER, None, 0.3, f"{organ.name} without a side: name it {names}")


def _look_up(words: list[str], written: Set[str]) -> NameMatch | None:
    """The organ of these words.

    Args:
        words: see `_organ_words`.
        written: words of the name as it is written, lower case.
    """
    undecided = None
    for reading in _readings(words):
        for key in reading.keys:
            entry = known_names().get(key)
            if entry is None or (entry.of_both and _ends_in_a_letter(reading)):
                continue
            organ = entry.organ
            standard = _standard_name(entry, reading.side)
            if standard is None:
                if organ.paired and reading.side is None:
                    undecided = _without_side(organ)
                continue
            if organ.paired and standard == organ.name:
                return NameMatch(standard, organ.role, None, 0.85, f"taken for {standard}, without its side")
            if organ.role is StructureRole.EXTERNAL and any(word in key for word in name_table()["skin_words"]):
                return NameMatch(standard, organ.role, None, 0.7, "the skin, taken for the body's outline")
            if entry.spelling in (organ.name, organ.both):
                return NameMatch(standard, organ.role, None, 1.0, f"the TG-263 name {standard}")
            return NameMatch(standard, organ.role, None, 0.95, f"another name of {standard}")
    return _look_up_side_letter(words, written) or undecided


def _ends_in_a_letter(reading: Reading) -> bool:
    """Whether the first or last of several words is a single letter: "Parotid I" is not the Italian "parotidi"."""
    return len(reading.words) > 1 and 1 in (len(reading.words[0]), len(reading.words[-1]))


def _look_up_side_letter(words: list[str], written: Set[str]) -> NameMatch | None:
    """A name whose first or last word is the single letter that its own language has for a side (Poumon G).

    As written: the "i" that stands for "inf" is no Spanish left.
    """
    for language in names_in_languages():
        for letter, rest in ((words[-1], words[:-1]), (words[0], words[1:])) if len(words) > 1 else ():
            side = language.sides.get(letter) if letter in written else None
            for key in Reading(tuple(rest), side).keys if side is not None else ():
                known = language.names.get(key)
                if known is not None and known.organ.paired and not known.of_both:
                    standard = f"{known.organ.name}_{side}"
                    return NameMatch(standard, known.organ.role, None, 0.95, f"another name of {standard}")
    return None


def _readings(words: list[str], whole: bool = True) -> list[Reading]:
    """The ways to read a name: a side as a word of its own, no side, a side glued to the front or the end.

    Args:
        words: the name's words.
        whole: also read a name that has a side as one that has none ("L" may be part of a name).
    """
    table = name_table()
    sides_of: dict[str, dict[str, str]] = table["sides"]
    named_in = [{sides[word] for word in words if word in sides} for sides in sides_of.values()]
    named = set[str]().union(*named_in)
    side_words = set[str]().union(*sides_of.values())
    rest = tuple(word for word in words if word not in side_words and word not in table["both_words"])
    readings = []
    if any(len(sides) == 2 for sides in named_in) or (not named and len(rest) < len(words)):
        readings.append(Reading(rest, "both"))
    elif len(named) == 1:
        readings.append(Reading(rest, next(iter(named))))
    elif not named and rest and len(rest[-1]) > 1 and rest[-1].endswith("s"):  # a plural is both of them (Eyeballs)
        readings.append(Reading((*rest[:-1], rest[-1][:-1]), "both"))
    if whole or not named:
        readings.append(Reading(tuple(words), None))
    run_together = "".join(words)
    glued_sides = [item for language in _GLUED_LANGUAGES for item in sides_of[language].items()]
    for glued, side in [] if named and not whole else sorted(glued_sides, key=lambda item: -len(item[0])):
        if len(run_together) > len(glued) + 1:
            if run_together.startswith(glued):
                readings.append(Reading((run_together[len(glued) :],), side))
            if run_together.endswith(glued):
                readings.append(Reading((run_together[: -len(glued)],), side))
    return [reading for reading in readings if reading.words]


def _standard_name(entry: KnownName, side: str | None) -> str | None:
    """TG-263 name of a known name with a side; None when the two don't go together."""
    organ = entry.organ
    if not organ.paired:
        return organ.name if side is None else None
    if entry.of_both:
        return organ.both if side in (None, "both") else None
    if side is None:
        # TG-263 has the unsided name too (Cochlea, Lens, OpticNrv).
        return organ.name if organ.both == organ.name else None
    return organ.both if side == "both" else f"{organ.name}_{side}"


def _with_margin(organ: NameMatch, words: list[str]) -> NameMatch:
    """The planning risk volume of an organ, as TG-263 writes it: SpinalCord_PRV05, OpticNrv_PRV03_L."""
    if organ.standard_name is None:
        return organ
    if organ.role is StructureRole.EXTERNAL:
        return NameMatch(
            None, StructureRole.OTHER, None, 0.9,
            "a rind of the body, or the body with a margin: measured, not seen by the model",
        )  # fmt: skip
    margin = next((f"{int(float(w)):02d}" for w in words if w.isdigit() and int(w) < 100), "")
    base, side = organ.standard_name, ""
    if base.endswith(("_L", "_R")):
        base, side = base[:-2], base[-2:]
    return NameMatch(
        f"{base}_PRV{margin}{side}", StructureRole.OTHER, None, 0.9,
        f"{organ.standard_name} with a margin: measured, not seen by the model",
    )  # fmt: skip


def _made_smaller(organ: NameMatch) -> NameMatch:
    """An organ from whose surface a margin was taken: neither the organ nor its planning risk volume."""
    of_what = organ.standard_name or "an organ"
    return NameMatch(None, StructureRole.OTHER, None, 0.9, f"{of_what} made smaller: measured, not seen by the model")
