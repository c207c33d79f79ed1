"""The names of organs that are known: TG-263's, the usual other ones, and those of other languages."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from DosePredictionLib.patient.name_words import name_table, words_of
from DosePredictionLib.patient.structure import StructureRole

#: Umlauts where a keyboard has none; `words_of` leaves out their dots.
_UMLAUTS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "Ä": "Ae", "Ö": "Oe", "Ü": "Ue"})


@dataclass(frozen=True)
class Organ:
    """A structure of the table.

    Attributes:
        name: TG-263's, without the side.
        role: what it is for a prediction.
        paired: whether there is a left and a right one.
        both: the name of the two together (or of one whose side isn't told, where TG-263 has that); None for none.
    """

    name: str
    role: StructureRole
    paired: bool
    both: str | None


@dataclass(frozen=True)
class Reading:
    """One way to read a name: words without the side, the side ("L", "R", "both" or none)."""

    words: tuple[str, ...]
    side: str | None

    @property
    def keys(self) -> tuple[str, str]:
        """Words run together, and words sorted: a name is known when one of the two is."""
        return "".join(self.words), " ".join(sorted(self.words))


@dataclass(frozen=True)
class KnownName:
    """A name in the table.

    Attributes:
        organ: whose name it is.
        spelling: as it stands in the table.
        of_both: whether this is the name of both organs of a pair.
    """

    organ: Organ
    spelling: str
    of_both: bool


@dataclass(frozen=True)
class LanguageNames:
    """Names of one language that has single letters for left and right.

    Attributes:
        sides: letter to "L" or "R".
        names: known names by their keys.
    """

    sides: dict[str, str]
    names: dict[str, KnownName]


@cache
def known_names() -> dict[str, KnownName]:
    """Known names of every language by the keys of their words (`Reading.keys`); English and Latin come first."""
    table = dict(english_names())
    for known in (known for names in _by_language().values() for known in names):
        for key in _keys(known.spelling):
            table.setdefault(key, known)
    return table


@cache
def english_names() -> dict[str, KnownName]:
    """The English and Latin ones of `known_names`."""
    table: dict[str, KnownName] = {}
    for known in _of_the_standard():
        for key in _keys(known.spelling):
            table.setdefault(key, known)
    return table


@cache
def names_in_languages() -> tuple[LanguageNames, ...]:
    """The languages whose single letters for the sides count beside a name of their own (Poumon G, Pulmón I)."""
    names = _by_language()
    return tuple(
        LanguageNames(sides, {key: known for known in names[language] for key in _keys(known.spelling)})
        for language, sides in _language_table()["sides"].items()
    )


@cache
def role_of_standard_name(standard_name: str) -> StructureRole | None:
    """The role of a structure with this TG-263 name; None when the table doesn't know it."""
    for organ in organs():
        names = {organ.name, organ.both}
        if organ.paired:
            names |= {f"{organ.name}_L", f"{organ.name}_R"}
        if standard_name in names:
            return organ.role
    return None


@cache
def organs() -> tuple[Organ, ...]:
    """Every structure of the table."""
    return tuple(
        Organ(entry["name"], StructureRole(entry.get("role", "oar")), entry.get("paired", False), entry.get("both"))
        for entry in name_table()["structures"]
    )


def _of_the_standard() -> Iterator[KnownName]:
    for organ, entry in zip(organs(), name_table()["structures"], strict=True):
        for spelling in (organ.name, *entry["synonyms"]):
            yield KnownName(organ, spelling, of_both=False)
        if organ.both is not None and organ.both != organ.name:
            for spelling in (organ.both, *entry.get("both_synonyms", [])):
                yield KnownName(organ, spelling, of_both=True)


@cache
def _language_table() -> dict[str, Any]:
    path = Path(__file__).with_name("structure_names_by_language.json")
    return json.loads(path.read_text(encoding="utf-8"))


@cache
def _by_language() -> dict[str, tuple[KnownName, ...]]:
    of_both = {organ.both: (organ, True) for organ in organs() if organ.both is not None}
    organ_of = {**of_both, **{organ.name: (organ, False) for organ in organs()}}
    return {
        language: tuple(
            KnownName(organ_of[standard][0], spelling, organ_of[standard][1])
            for standard, spellings in names.items() for spelling in spellings
        )
        for language, names in _language_table()["names"].items()
    }  # fmt: skip


def _keys(spelling: str) -> set[str]:
    spellings = {spelling, spelling.translate(_UMLAUTS)}
    return {key for text in spellings for key in Reading(tuple(words_of(text)), None).keys}
