"""Words for a plan's site and technique, as data and users spell them."""

from __future__ import annotations

from collections.abc import Iterable


def is_one_of(word: str, words: Iterable[str]) -> bool:
    """Whether a site or technique is one of several; upper case, and "_" or a space for "-", make no difference."""
    return _plain(word) in {_plain(one) for one in words}


def _plain(word: str) -> str:
    return word.strip().lower().replace("_", "-").replace(" ", "-")
