"""What the panel does bit by bit on the main thread. No Qt: a timer calls `advance`."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from inspect import GEN_CREATED, getgeneratorstate
from typing import Any

from DosePredictionScene.pieces import NAP_S, WAITING, Pieces


@dataclass(frozen=True)
class _Job:
    work: Pieces[Any]
    done: Callable[[Any], None]
    name: str

    @property
    def begun(self) -> bool:
        return getgeneratorstate(self.work) != GEN_CREATED


class Jobs:
    """Work in pieces, one job after the other.

    Args:
        failed: is told of what a job raised; the next job goes on.
        wake: called when there is something to do: `advance` must be called from then on.
    """

    def __init__(self, failed: Callable[[Exception], None], wake: Callable[[], None] = lambda: None) -> None:
        self._failed, self._wake = failed, wake
        self._queue: list[_Job] = []

    def __bool__(self) -> bool:
        return bool(self._queue)

    def add(self, work: Pieces[Any], done: Callable[[Any], None] = lambda result: None, *, name: str = "") -> None:
        """Do this when the jobs before are done, and hand its result to ``done``.

        Args:
            work, done: the job.
            name: it takes the place of the job of that name that has not begun yet; "" leaves all as they are.
        """
        self._queue = [job for job in self._queue if not name or job.name != name or job.begun]
        self._queue.append(_Job(work, done, name))
        self._wake()

    def clear(self) -> None:
        """Do nothing any more."""
        self._queue.clear()

    def advance(self, budget_s: float) -> None:
        """Go on for this long, unless one piece takes longer."""
        until = time.perf_counter() + budget_s
        while self._queue and time.perf_counter() < until:
            job = self._queue[0]
            try:
                if next(job.work) is WAITING:
                    time.sleep(NAP_S)
            except StopIteration as end:
                self._forget(job)
                job.done(end.value)
            except Exception as error:
                self._forget(job)
                self._failed(error)

    def _forget(self, done: _Job) -> None:
        self._queue = [job for job in self._queue if job is not done]
