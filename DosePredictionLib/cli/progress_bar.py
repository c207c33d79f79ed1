"""A progress bar for a terminal, and plain lines where there is none."""

from __future__ import annotations

import sys
import time
from typing import TextIO

from DosePredictionLib.inference.progress import Progress

WIDTH = 28
#: Without a terminal, a line at most this often.
PLAIN_INTERVAL_S = 5.0


class ProgressBar:
    """Shows a prediction's progress with the time left.

    Args:
        label: what is being predicted.
        stream: where to; standard error by default, so that results can be piped.
    """

    def __init__(self, label: str, stream: TextIO | None = None) -> None:
        self._label = label
        self._stream = stream or sys.stderr
        self._terminal = self._stream.isatty()
        self._last_line = -PLAIN_INTERVAL_S
        self._last_stage = ""

    def show(self, progress: Progress) -> None:
        """Show one report."""
        left = "" if progress.seconds_left is None else f"  {progress.seconds_left:4.1f} s left"
        if self._terminal:
            done = progress.step / progress.total if progress.total else 0.0
            bar = ("#" * round(done * WIDTH)).ljust(WIDTH, ".")
            line = f"\r{self._label}  [{bar}]  {progress.stage} {progress.step}/{progress.total}{left}"
            self._stream.write(line.ljust(100))
        else:
            now = time.monotonic()
            if progress.stage == self._last_stage and now - self._last_line < PLAIN_INTERVAL_S:
                return
            self._last_line, self._last_stage = now, progress.stage
            self._stream.write(f"{self._label}: {progress.stage} {progress.step}/{progress.total}{left}\n")
        self._stream.flush()

    def close(self) -> None:
        """Leave the bar's line."""
        if self._terminal:
            self._stream.write("\n")
            self._stream.flush()
