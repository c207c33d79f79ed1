"""Predict, or cancel; progress and log."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import slicer
from slicer.i18n import tr as _

from DosePredictionLib.inference.progress import Progress
from DosePredictionPanel.section import Section


class RunSection(Section):
    """The button that predicts and cancels, and what is told meanwhile.

    Args:
        pressed: called when the button is.
        process_log: gives what the prediction process wrote.
    """

    def __init__(self, pressed: Callable[[], None], process_log: Callable[[], str]) -> None:
        super().__init__("Run")
        self._process_log = process_log
        #: Whether the status line says what is missing, and may be replaced when nothing is.
        self.shows_missing = True
        self.ui.predictButton.connect("clicked(bool)", lambda *_: pressed())
        self.ui.copyLogButton.connect("clicked(bool)", self._on_copy)

    def show(self, busy: bool, missing: str) -> None:
        """Show what the button does now.

        Args:
            busy: whether a prediction is under way.
            missing: what is still to be chosen; empty when all is there.
        """
        button = self.ui.predictButton
        button.text = _("&Cancel") if busy else _("&Predict dose")
        button.enabled = busy or not missing
        if busy:
            button.toolTip = _("Stop the prediction (Escape).")
        else:
            button.toolTip = missing or _("Predict the dose of the chosen patient (Ctrl+Enter).")
        self.ui.progressBar.visible = busy

    def tell(self, text: str) -> None:
        """Say something in the status line, and keep it in the log."""
        self.ui.statusLabel.text = text
        self.shows_missing = False
        if text:
            self.log(text)

    def log(self, text: str) -> None:
        """Keep something in the log."""
        self.ui.logEdit.appendPlainText(f"{time.strftime('%H:%M:%S')}  {text}")

    def tell_missing(self, missing: str) -> None:
        """Say what is missing, without a line in the log."""
        if not self.shows_missing and not missing:
            return
        self.ui.statusLabel.text = missing
        self.shows_missing = True

    def wait(self, text: str) -> None:
        """Something is under way whose end is not known."""
        self.ui.progressBar.setRange(0, 0)
        self.tell(text)

    def advance(self, progress: Progress) -> None:
        """Show how far a prediction has come."""
        stages = {
            "reading": _("Reading the patient"),
            "conditioning": _("Preparing the model's input"),
            "sampling": _("Sampling"),
            "finishing": _("Finishing"),
        }
        self.ui.progressBar.setRange(0, max(progress.total, 1))
        self.ui.progressBar.setValue(progress.step)
        text = f"{stages.get(progress.stage, progress.stage)}, {progress.step}/{progress.total}"
        if progress.seconds_left is not None:
            text += _(", about {n:.0f} s left").format(n=progress.seconds_left)
        self.ui.statusLabel.text = text

    def _on_copy(self, *_arguments: Any) -> None:
        text = "\n".join(part for part in (self.ui.logEdit.plainText, self._process_log()) if part)
        slicer.app.clipboard().setText(text)
