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

    Raises:
        InputError: a word is no dose.
    """
    words = [word for word in re.split(r"[,;\s]+", text.strip()) if word]
    if not words:
        return IsodoseScale.for_prescription(prescription_gy)
    levels = []
    for word in words:
        try:
            level = float(word.removesuffix("%").removesuffix("Gy"))
        except ValueError:
            level = float("nan")
        gray = level * prescription_gy / 100.0 if unit == PERCENT else level
        if not 0.0 < gray <= HIGHEST_GY:
            text = _("'{word}' is not an isodose level; type numbers with commas between, such as 50, 95.")
            raise InputError(text.format(word=word))
        levels.append(round(gray, 3))
    return IsodoseScale.for_levels(levels, prescription_gy)


def usual_levels(unit: str, prescription_gy: float) -> str:
    """The usual levels as text."""
    values = [percent if unit == PERCENT else percent * prescription_gy / 100.0 for percent, _ in LEVELS]
    return ", ".join(f"{value:g}" if unit == PERCENT else f"{value:.4g}" for value in values)


def other_unit(text: str, unit: str, prescription_gy: float) -> str:
    """Levels typed in the other unit, in ``unit``."""
    factor = 100.0 / prescription_gy if unit == PERCENT else prescription_gy / 100.0
    words = [word for word in re.split(r"[,;\s]+", text.strip()) if word]
    try:
        return ", ".join(f"{float(word) * factor:.4g}" for word in words)
    except ValueError:
        return ""
