"""What the panel does bit by bit on the main thread. No Qt: a timer calls `advance`."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from DosePredictionScene.pieces import NAP_S, WAITING, Pieces


class Jobs:
    """Work in pieces, one job after the other.

    Args:
        failed: is told of what a job raised; the next job goes on.
        wake: called when there is something to do: `advance` must be called from then on.
    """

    def __init__(self, failed: Callable[[Exception], None], wake: Callable[[], None] = lambda: None) -> None:
        self._failed, self._wake = failed, wake
        self._queue: list[tuple[Pieces[Any], Callable[[Any], None]]] = []

    def __bool__(self) -> bool:
        return bool(self._queue)

    def add(self, work: Pieces[Any], done: Callable[[Any], None] = lambda result: None) -> None:
        """Do this when the jobs before are done, and hand its result to ``done``."""
        self._queue.append((work, done))
        self._wake()

    def clear(self) -> None:
        """Do nothing any more."""
        self._queue.clear()

    def advance(self, budget_s: float) -> None:
        """Go on for this long, unless one piece takes longer."""
        until = time.perf_counter() + budget_s
        while self._queue and time.perf_counter() < until:
            work, done = self._queue[0]
            try:
                if next(work) is WAITING:
                    time.sleep(NAP_S)
            except StopIteration as end:
                self._forget(work)
                done(end.value)
            except Exception as error:
                self._forget(work)
                self._failed(error)

    def _forget(self, work: Pieces[Any]) -> None:
        self._queue = [job for job in self._queue if job[0] is not work]
