"""A progress bar for a terminal, and plain lines where there is none; predictions that show one."""

from __future__ import annotations

import os
import sys
import time
from typing import TextIO

from DosePredictionLib.inference.options import PredictionOptions
from DosePredictionLib.inference.progress import Progress
from DosePredictionLib.patient.patient import Patient
from DosePredictionLib.worker.predictor import Prediction, Predictor

WIDTH = 28
#: Without a terminal, a line at most this often.
PLAIN_INTERVAL_S = 5.0
#: Of a terminal that doesn't tell its own.
USUAL_COLUMNS = 80


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
        # Before the patient is read nobody knows how much there is to do.
        told = f"{progress.stage} {progress.step}/{progress.total}{left}" if progress.total else progress.stage
        if self._terminal:
            done = progress.step / progress.total if progress.total else 0.0
            # In the last column many terminals begin a new line.
            columns = self._columns() - 1
            width = min(WIDTH, columns // 3)
            bar = f"  [{('#' * round(done * width)).ljust(width, '.')}]  {told}"
            line = f"{self._label[: max(columns - len(bar), 0)]}{bar}"
            self._stream.write(f"\r{line[:columns].ljust(columns)}")
        else:
            now = time.monotonic()
            if progress.stage == self._last_stage and now - self._last_line < PLAIN_INTERVAL_S:
                return
            self._last_line, self._last_stage = now, progress.stage
            self._stream.write(f"{self._label}: {told}\n")
        self._stream.flush()

    def _columns(self) -> int:
        """Of the terminal, which may be resized at any time."""
        try:
            return os.get_terminal_size(self._stream.fileno()).columns or USUAL_COLUMNS
        except (OSError, ValueError, AttributeError):  # a stream without a file
            return USUAL_COLUMNS

    def close(self) -> None:
        """Leave the bar's line."""
        if self._terminal:
            self._stream.write("\n")
            self._stream.flush()


def predict_with_bar(predictor: Predictor, patient: Patient, options: PredictionOptions) -> Prediction:
    """Predict one patient with a progress bar."""
    bar = ProgressBar(patient.identifier)
    try:
        return predictor.predict(
            patient, samples=options.samples, steps=options.steps, seed=options.seed, on_progress=bar.show,
            on_message=lambda text: print(text, file=sys.stderr),
        )  # fmt: skip
    finally:
        bar.close()
