"""Rounding a figure that stands beside its limit, so that the two agree with what is said of them."""

from __future__ import annotations

from collections.abc import Callable

#: Beyond so many decimals a figure is written as it is.
MOST_DECIMALS = 6


def decimals_that_tell(value: float, fewest: int, fact: Callable[[float], object]) -> int | None:
    """The fewest decimals with which a figure shows the fact that is told of it: 66.498 is below 66.5, "66.5" is not.

    Args:
        value: the figure; NaN takes ``fewest``.
        fewest: decimals to show where nothing speaks against it.
        fact: what is said of a figure, such as whether it is below its limit.

    Returns:
        decimals from ``fewest`` to `MOST_DECIMALS`; None where not even these tell.
    """
    wanted = fact(value)
    return next((n for n in range(fewest, MOST_DECIMALS + 1) if fact(round(value, n)) == wanted), None)


def rounded(value: float, fewest: int, fact: Callable[[float], object]) -> float:
    """A figure with as few decimals as `decimals_that_tell` says; itself where none tell."""
    decimals = decimals_that_tell(value, fewest, fact)
    return value if decimals is None else round(value, decimals)


def rounded_text(value: float, fewest: int, fact: Callable[[float], object]) -> str:
    """`rounded` as text, with no fewer decimals than ``fewest``."""
    decimals = decimals_that_tell(value, fewest, fact)
    return repr(value) if decimals is None else f"{value:.{decimals}f}"
