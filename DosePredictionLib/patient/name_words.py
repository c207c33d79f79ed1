"""A structure's name taken apart into words that can be compared."""

from __future__ import annotations

import json
import re
import unicodedata
from functools import cache
from pathlib import Path
from typing import Any

#: "RIGHTParotid" -> RIGHT, Parotid; "PTV50p4Gy" -> PTV, 50p4, Gy; "spinal_cord" -> spinal, cord.
WORD = re.compile(r"\d+(?:[.,p]\d+)?|[cC]G[yY]|cgy|[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+")
#: Letters that are no accented ones.
_LIGATURES = str.maketrans({"ß": "ss", "œ": "oe", "Œ": "Oe", "æ": "ae", "Æ": "Ae", "ø": "o", "Ø": "O"})
#: "-3mm", "- 0.5 cm": a structure from whose surface that much was taken.
MADE_SMALLER = re.compile(r"[-\u2013\u2212]\s*(?P<amount>\d+(?:[.,]\d+)?)\s*(?P<unit>[cm]m)(?![A-Za-z])", re.IGNORECASE)


@cache
def name_table() -> dict[str, Any]:
    """The table of names, ``structure_names.json``."""
    return json.loads(Path(__file__).with_name("structure_names.json").read_text(encoding="utf-8"))


def plain_text(name: str) -> str:
    """A name without its accents and the dots of its umlauts, in ASCII."""
    return unicodedata.normalize("NFKD", name.translate(_LIGATURES)).encode("ascii", "ignore").decode()


def words_of(name: str) -> list[str]:
    """The words and numbers of a name, lower case, spelling variants replaced ("Oesophagus" -> ["esophagus"])."""
    replace = name_table()["words"]
    return [replace.get(word.lower(), word.lower()) for word in WORD.findall(plain_text(name))]


def is_number(word: str) -> bool:
    """Whether a word of `words_of` is a number."""
    return word[:1].isdigit()


def number_of(word: str) -> float:
    """The number that a word stands for; "p" and "," are decimal points, as TG-263 and some languages write them."""
    return float(word.replace("p", ".").replace(",", "."))
