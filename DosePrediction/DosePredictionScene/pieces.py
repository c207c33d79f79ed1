"""Work on the main thread in pieces, so that the application draws and listens in between.

A piece of work is a generator: it yields where it may be interrupted, and returns its result. It yields `WAITING`
where a thread works for it, so that nobody asks again at once.

Slicer's event loop keeps Python's global interpreter lock: threads run only while the main thread sleeps in Python. So
whoever waits for one here sleeps (`NAP_S`) as long as its turn lasts, instead of giving the turn back.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator, Sequence
from typing import Any, TypeVar

import slicer

from DosePredictionLib.errors import InputError

T = TypeVar("T")
#: Yields `WAITING` or None.
Pieces = Generator["str | None", None, T]
WAITING = "waiting for a thread"
NAP_S = 0.001


class ChangedMeanwhile(InputError):
    """What was being read or measured is not there as it was; the text says so, and another try will do."""


def in_one_go(pieces: Pieces[T]) -> T:
    """Do all pieces and return their result: for scripts, which wait."""
    while True:
        try:
            if next(pieces) is WAITING:
                time.sleep(NAP_S)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]


def in_background(function: Callable[..., T], *arguments: Any) -> Pieces[T]:
    """Call a function in a thread. It must touch neither the scene nor Qt; what it raises is raised here."""
    result: list[T] = []
    errors: list[BaseException] = []

    def work() -> None:
        try:
            result.append(function(*arguments))
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    while thread.is_alive():
        yield WAITING
    if errors:
        raise errors[0]
    return result[0]


def while_in_scene(nodes: Sequence[Any], work: Pieces[T], gone: str) -> Pieces[T]:
    """Go on with work as long as nodes are in the scene: between two pieces anything may be removed.

    Raises:
        InputError: with the text ``gone``, when one of them is not.
    """
    while True:
        if not all(slicer.mrmlScene.IsNodePresent(node) for node in nodes):
            work.close()
            raise InputError(gone)
        try:
            told = next(work)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]
        yield told


def unless(stopped: Callable[[], bool], work: Pieces[bool]) -> Pieces[bool]:
    """Go on with work until something stops it, and say whether it was done: False when it was stopped."""
    while not stopped():
        try:
            told = next(work)
        except StopIteration as end:
            return bool(end.value)
        yield told
    work.close()
    return False
