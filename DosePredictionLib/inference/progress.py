"""How far a prediction has come."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Progress:
    """One report.

    Attributes:
        stage: "reading", "conditioning", "sampling" or "finishing".
        step, total: denoiser calls done and to be done.
        seconds_left: estimate; None while nothing is known.
    """

    stage: str
    step: int
    total: int
    seconds_left: float | None


class Cancelled(Exception):
    """The prediction was asked to stop."""


class ProgressReporter:
    """Turns finished steps into reports with the time left, and stops the work when asked.

    Args:
        total: denoiser calls in all.
        report: receives each `Progress`.
        cancelled: says whether to stop.
    """

    def __init__(self, total: int, report: Callable[[Progress], None], cancelled: Callable[[], bool]) -> None:
        self.total, self.step = total, 0
        self._report, self._cancelled = report, cancelled
        self._sampling_began: float | None = None

    def enter(self, stage: str) -> None:
        """Begin a stage.

        Raises:
            Cancelled: the prediction was asked to stop.
        """
        if stage == "sampling":
            self._sampling_began = time.perf_counter()
        self._tell(stage)

    def advance(self) -> None:
        """One denoiser call is done.

        Raises:
            Cancelled: the prediction was asked to stop.
        """
        self.step += 1
        self._tell("sampling")

    def _tell(self, stage: str) -> None:
        if self._cancelled():
            raise Cancelled
        left = None
        if self.step and self._sampling_began is not None:
            left = (time.perf_counter() - self._sampling_began) / self.step * (self.total - self.step)
        self._report(Progress(stage, self.step, self.total, left))
