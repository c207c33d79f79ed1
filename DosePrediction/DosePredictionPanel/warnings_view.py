"""The warnings about a prediction: a short list, with the reason and the figures as tooltips."""

from __future__ import annotations

from typing import Any

import qt

from DosePredictionLib.inference.options import Provenance
from DosePredictionLib.review.review_warning import ReviewWarning
from DosePredictionPanel.warning_rows import warning_rows, warning_tip


class WarningsView:
    """Shows the warnings of a dose.

    Args:
        title: the list's heading.
        frame: QFrame with a layout for the list; not to be seen when there is no warning.
    """

    def __init__(self, title: Any, frame: Any) -> None:
        self._title, self._frame = title, frame
        self._shown: list[ReviewWarning] = []
        self._labels: list[Any] = []
        self._title.visible = self._frame.visible = False

    def show(self, provenance: Provenance | None) -> None:
        """Show the warnings that came with a dose."""
        warnings = warning_rows(provenance)
        if warnings != self._shown:
            self._shown = warnings
            for label in self._labels:
                self._frame.layout().removeWidget(label)
                label.deleteLater()
            self._labels = [self._label(warning) for warning in warnings]
        self._title.visible = self._frame.visible = bool(warnings)

    def _label(self, warning: ReviewWarning) -> Any:
        label = qt.QLabel(f"\N{WARNING SIGN} {warning.text}")
        label.setTextFormat(qt.Qt.PlainText)  # a "<" is one
        label.setWordWrap(True)
        label.setToolTip(warning_tip(warning))
        self._frame.layout().addWidget(label)
        return label
