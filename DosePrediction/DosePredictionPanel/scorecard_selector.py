"""The choice of a scorecard; a file is read before it counts as chosen."""

from __future__ import annotations

from typing import Any

import qt
from DosePredictionScene.pieces import in_background
from DosePredictionScene.scored_with import is_file
from slicer.i18n import tr as _

from DosePredictionLib.dosimetry.scorecard_reading import read_scorecard
from DosePredictionLib.errors import InputError
from DosePredictionPanel.jobs import Jobs
from DosePredictionPanel.parameters import Parameters
from DosePredictionPanel.scorecard_choices import FROM_FILE, ScorecardChoice, scorecard_choices


class ScorecardSelector:
    """The choice.

    Args:
        selector: QComboBox.
        jobs: reads files, and says what is wrong with one.
    """

    def __init__(self, selector: Any, jobs: Jobs) -> None:
        self._selector, self._jobs = selector, jobs
        self._parameters: Parameters | None = None
        self._offered: list[ScorecardChoice] = []
        selector.connect("activated(int)", self._on_chosen)

    def show(self, parameters: Parameters) -> None:
        """Offer the cards."""
        self._parameters = parameters
        choices = scorecard_choices(parameters)
        if choices != self._offered:
            self._offered = choices
            self._selector.clear()
            for index, choice in enumerate(choices):
                self._selector.addItem(choice.title, choice.name)
                self._selector.setItemData(index, choice.tip, qt.Qt.ToolTipRole)
        self._show_chosen()

    def _show_chosen(self) -> None:
        if self._parameters is not None:
            self._selector.setCurrentIndex(max(self._selector.findData(self._parameters.scorecard), 0))

    def _on_chosen(self, index: int) -> None:
        parameters = self._parameters
        if parameters is None:
            return
        name = str(self._selector.itemData(index) or "")
        if name != FROM_FILE:
            parameters.scorecard = name
            return
        self._show_chosen()  # until a file has proved good
        path = qt.QFileDialog.getOpenFileName(
            self._selector, _("Choose a scorecard"), "", _("Scorecards of PlanScoreCard (*.json)")
        )
        if path:
            self._jobs.add(in_background(_check, str(path)), self._use)

    def _use(self, path: str) -> None:
        if self._parameters is not None:
            self._parameters.scorecard = path


def _check(path: str) -> str:
    """The path of a file that can be read as a scorecard.

    Raises:
        InputError: it can't.
    """
    if not is_file(path):
        text = _("{path} does not end with .json; choose a scorecard in PlanScoreCard's JSON format.")
        raise InputError(text.format(path=path))
    read_scorecard(path)
    return path
