"""A run that has to end by a certain time: whether another step fits in."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic

#: Another step may take so much longer than the longest one up to now.
MARGIN = 1.5
#: Kept for what isn't measured, such as the first checkpoint and the interpreter's end.
RESERVE_SECONDS = 5.0
STEP, VALIDATION, CHECKPOINT = "step", "validation", "checkpoint"


class TimeLeft:
    """How long a run may still take.

    Args:
        seconds: from now on; without a limit when left out.
    """

    def __init__(self, seconds: float = math.inf) -> None:
        self._ends_at = monotonic() + seconds
        self._longest: dict[str, float] = {}
        self._steps = 0

    @property
    def is_limited(self) -> bool:
        """Whether there is a limit at all."""
        return math.isfinite(self._ends_at)

    @contextmanager
    def measured(self, part: str) -> Iterator[None]:
        """Learn from what is done how long a part takes: `STEP`, `VALIDATION` or `CHECKPOINT`."""
        began = monotonic()
        yield
        if part == STEP:
            self._steps += 1
            if self._steps == 2:  # the first compiles, or looks for the fastest kernels: no other takes as long
                del self._longest[STEP]
        self._longest[part] = max(self._longest.get(part, 0.0), monotonic() - began)

    def is_enough(self, validated: int) -> bool:
        """Whether another step, what comes after it and a checkpoint end in time.

        Args:
            validated: cases that are validated after that step; before the first validation each is thought to take as
                long as a step.
        """
        step = self._longest.get(STEP, 0.0)
        validation = self._longest.get(VALIDATION, validated * step) if validated else 0.0
        needed = step + validation + self._longest.get(CHECKPOINT, 0.0)
        return monotonic() + MARGIN * needed + RESERVE_SECONDS < self._ends_at
