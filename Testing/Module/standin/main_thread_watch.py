"""How long the main thread keeps Qt's event loop waiting."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from PySide6 import QtCore

TICK_MS = 5


@dataclass
class LongestPause:
    """The longest time between two ticks of a fast timer, in seconds."""

    seconds: float = 0.0


@contextmanager
def watched_main_thread() -> Iterator[LongestPause]:
    """Measure the longest pause of the event loop, which must run meanwhile."""
    longest, last = LongestPause(), [time.perf_counter()]

    def tick() -> None:
        now = time.perf_counter()
        longest.seconds = max(longest.seconds, now - last[0])
        last[0] = now

    timer = QtCore.QTimer()
    timer.setInterval(TICK_MS)
    timer.connect("timeout()", tick)
    timer.start()
    try:
        yield longest
    finally:
        timer.stop()
        tick()
