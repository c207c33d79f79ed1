"""Commands and their exit codes."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from DosePredictionLib.cli import (
    compare,
    evaluate,
    figures,
    post_train,
    predict,
    release,
    report,
    scorecard,
    significance,
    train,
)
from DosePredictionLib.cli.streams import flushed_output, open_streams
from DosePredictionLib.cli.termination import ended_by_sigterm
from DosePredictionLib.errors import InputError
from DosePredictionLib.worker.predictor import PredictionFailed
from DosePredictionLib.worker.process_environment import card_order

COMMANDS = (predict, compare, report, scorecard, evaluate, significance, figures, train, post_train, release)


def parser() -> argparse.ArgumentParser:
    """All commands with their options."""
    top = argparse.ArgumentParser(
        prog="dose-predict",
        description="Predicts radiotherapy dose from a CT and contours. Research use, not for clinical decisions.",
    )
    commands = top.add_subparsers(title="commands", dest="command", required=True, metavar="COMMAND")
    for command in COMMANDS:
        command.add_parser(commands)
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    Returns:
        0 when it worked, 1 when nobody read its output to the end, 2 with one sentence when it could not, 130 when
        interrupted.

    Raises:
        SystemExit: the options are wrong (2), or the command was told to end by SIGTERM (143).
    """
    open_streams()
    for name, value in card_order(os.environ).items():
        os.environ.setdefault(name, value)  # so that cuda:1 is the same card in every command, and in the panel
    try:
        with flushed_output():
            return _run(arguments)
    except BrokenPipeError:
        return 1


def _run(arguments: Sequence[str] | None) -> int:
    chosen = parser().parse_args(arguments)
    try:
        with ended_by_sigterm():
            return int(chosen.run(chosen) or 0)
    except (InputError, PredictionFailed) as error:
        print(f"dose-predict: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("dose-predict: stopped; nothing was left half-written.", file=sys.stderr)
        return 130
