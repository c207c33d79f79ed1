"""Words for a plan's site and technique, as data and users spell them."""

from __future__ import annotations

from collections.abc import Iterable


def is_one_of(word: str, words: Iterable[str]) -> bool:
    """Whether a site or technique is one of several; upper case, and "_" or a space for "-", make no difference.

    The lung is the thorax: what plans of the one are held against is made for the other.
    """
    return _plain(word) in {_plain(one) for one in words}


def _plain(word: str) -> str:
    plain = word.strip().lower().replace("_", "-").replace(" ", "-")
    return "thorax" if plain in ("lung", "lungs") else plain
