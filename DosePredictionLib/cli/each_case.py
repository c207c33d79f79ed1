"""Several cases one after the other: one that cannot be done costs the others nothing."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from DosePredictionLib.errors import InputError
from DosePredictionLib.patient.cases import Case
from DosePredictionLib.worker.predictor import PredictionFailed, UnusableModel

Done = TypeVar("Done")


def each_case(cases: Sequence[Case], do: Callable[[Case], Done], failures: list[str]) -> Iterator[tuple[Case, Done]]:
    """Each case that can be done, with what ``do`` makes of it.

    Why another one can't is told on standard error.

    Args:
        cases: one or more.
        do: raises `InputError` or `PredictionFailed` where a case can't be done.
        failures: gets the identifiers of the cases that could not be done.

    Raises:
        InputError: the only case can't be done.
        UnusableModel: before any case was done; none will be. Later it costs no case that was done its results.
    """
    any_done = False
    for case in cases:
        try:
            done = do(case)
        except (InputError, PredictionFailed) as error:
            if isinstance(error, UnusableModel) and not any_done:
                raise
            if len(cases) == 1:
                raise InputError(str(error)) from error
            failures.append(case.identifier)
            print(f"dose-predict: {case.identifier}: {error}", file=sys.stderr)
            continue
        any_done = True
        yield case, done


def check_all_done(cases: Sequence[Case], failures: Sequence[str], done: str) -> None:
    """Tell at the end of some cases that not all of them could be ``done`` ("predicted").

    Raises:
        InputError: there are failures.
    """
    if failures:
        raise InputError(f"{len(failures)} of {len(cases)} cases could not be {done}; the reasons stand above.")
