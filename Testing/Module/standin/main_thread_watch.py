"""How long the main thread keeps Qt's event loop waiting."""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from PySide6 import QtCore

TICK_MS = 5


@dataclass
class LongestPause:
    """The longest turns of the event loop, from one tick of a fast timer to the next.

    Attributes:
        cpu_s: seconds that the main thread itself worked in the turn that it worked longest in. What else the computer
            has to do does not count.
        wall_s: seconds that the longest turn took.
    """

    cpu_s: float = 0.0
    wall_s: float = 0.0


@contextmanager
def watched_main_thread() -> Iterator[LongestPause]:
    """Measure the longest pauses of the event loop, which must run meanwhile.

    What other tests left in memory does not count: to go through it for garbage takes up to an eighth of a second.
    """
    gc.collect()
    gc.freeze()
    longest, last = LongestPause(), [time.thread_time(), time.perf_counter()]

    def tick() -> None:
        cpu, wall = time.thread_time(), time.perf_counter()
        longest.cpu_s = max(longest.cpu_s, cpu - last[0])
        longest.wall_s = max(longest.wall_s, wall - last[1])
        last[:] = cpu, wall

    timer = QtCore.QTimer()
    timer.setInterval(TICK_MS)
    timer.connect("timeout()", tick)
    timer.start()
    try:
        yield longest
    finally:
        timer.stop()
        tick()
        gc.unfreeze()
