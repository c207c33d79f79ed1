"""The number of fractions of a course: one bound for files, plans and scripts."""

from __future__ import annotations

from DosePredictionLib.errors import InputError

#: No schedule in use has more: the longest, of 1.1 to 1.2 Gy twice a day, have about 70.
MOST_FRACTIONS = 100


def whole_fractions(value: object, what: str) -> int:
    """A number of fractions as a plain integer; a float without a fraction counts as whole.

    Args:
        value: what somebody gave.
        what: begins the message: "The number of fractions of pt_201".

    Raises:
        InputError: it is no whole number from 1 to `MOST_FRACTIONS`.
    """
    try:
        whole = int(value)  # type: ignore[call-overload]
        usable = whole == value and not isinstance(value, bool) and 1 <= whole <= MOST_FRACTIONS
    except (TypeError, ValueError, OverflowError):
        usable = False
    if not usable:
        shown = repr(value) if len(repr(value)) <= 40 else f"{repr(value)[:40]}..."
        raise InputError(f"{what} is {shown}; give a whole number from 1 to {MOST_FRACTIONS}, or none.")
    return whole
