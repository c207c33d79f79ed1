"""Isodose levels as the user types them. No Qt."""

from __future__ import annotations

import re

from slicer.i18n import tr as _

from DosePredictionLib.errors import InputError
from DosePredictionLib.report.isodose_scale import LEVELS, IsodoseScale

PERCENT, GRAY = "percent", "Gy"
HIGHEST_GY = 150.0


def isodose_scale(text: str, unit: str, prescription_gy: float) -> IsodoseScale:
    """The scale that the levels describe; the usual one for no text.

    Args:
        text: levels with commas between; one with a unit of its own ("95%", "50 Gy") is in that.
        unit: of the others.
        prescription_gy: what percentages refer to.

    Raises:
        InputError: a word is no dose.
    """
    words = _words(text)
    if not words:
        return IsodoseScale.for_prescription(prescription_gy)
    return IsodoseScale.for_levels([round(_gray(word, unit, prescription_gy), 3) for word in words], prescription_gy)


def usual_levels(unit: str, prescription_gy: float) -> str:
    """The usual levels as text."""
    values = [percent if unit == PERCENT else percent * prescription_gy / 100.0 for percent, _ in LEVELS]
    return ", ".join(f"{value:g}" if unit == PERCENT else f"{value:.4g}" for value in values)


def other_unit(text: str, unit: str, prescription_gy: float) -> str:
    """Levels that were typed while the other unit was chosen, in ``unit``; as they are where they are no doses."""
    try:
        doses = [_gray(word, GRAY if unit == PERCENT else PERCENT, prescription_gy) for word in _words(text)]
    except InputError:
        return text
    return ", ".join(f"{gray * 100.0 / prescription_gy if unit == PERCENT else gray:.4g}" for gray in doses)


def _words(text: str) -> list[str]:
    together = re.sub(r"\s+(?=%|gy)", "", text.strip(), flags=re.IGNORECASE)  # "50 Gy" is one word
    return [word for word in re.split(r"[,;\s]+", together) if word]


def _gray(word: str, unit: str, prescription_gy: float) -> float:
    """A level in Gy, by its own unit or else by the one that is chosen."""
    bare, unit = (word[:-1], PERCENT) if word.endswith("%") else (word, unit)
    bare, unit = (bare[:-2], GRAY) if bare.lower().endswith("gy") else (bare, unit)
    try:
        level = float(bare)
    except ValueError:
        level = float("nan")
    gray = level * prescription_gy / 100.0 if unit == PERCENT else level
    if not 0.0 < gray <= HIGHEST_GY:
        text = _("'{word}' is not an isodose level; type numbers with commas between, such as 50, 95.")
        raise InputError(text.format(word=word))
    return gray
