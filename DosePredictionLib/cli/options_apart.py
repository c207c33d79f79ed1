"""Options that do not go together are refused: one that is passed over in silence promises what is not done."""

from __future__ import annotations

import argparse
from collections.abc import Mapping

from DosePredictionLib.errors import InputError


def check_apart(option: str, others: Mapping[str, object], arguments: argparse.Namespace) -> None:
    """Refuse options that another one leaves without effect.

    Args:
        option: the one that was given ("--predictions").
        others: those that it does not go with, each with its default.
        arguments: of the command line.

    Raises:
        InputError: one of the others has another value than its default.
    """
    given = [name for name, default in others.items() if _value(name, arguments) != default]
    if given:
        raise InputError(
            f"{option} does not go together with {', '.join(given)}; leave out {option} or what has no effect with it."
        )


def _value(option: str, arguments: argparse.Namespace) -> object:
    value: object = getattr(arguments, option.lstrip("-").replace("-", "_"))
    return value
