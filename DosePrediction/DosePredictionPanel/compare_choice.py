"""Compare with: the clinical dose or another, and keeping a prediction to compare later ones with."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import qt
from DosePredictionScene.kept_dose import keep_prediction
from slicer.i18n import tr as _

from DosePredictionLib.errors import InputError
from DosePredictionPanel.comparison import compared_dose, other_doses
from DosePredictionPanel.parameters import Parameters
from DosePredictionPanel.section import fill_choices


class CompareChoice:
    """The choice and the button.

    Args:
        selector: QComboBox.
        button: keeps the prediction.
        tell: shows a sentence to the user.
    """

    def __init__(self, selector: Any, button: Any, tell: Callable[[str], None]) -> None:
        self._selector, self._button, self._tell = selector, button, tell
        self._parameters: Parameters | None = None
        self._offered: dict[str, str] = {}
        selector.connect("activated(int)", self._on_chosen)
        button.connect("clicked(bool)", self._on_keep)

    def show(self, parameters: Parameters) -> None:
        """Offer the doses of the scene."""
        self._parameters = parameters
        clinical = _("Clinical dose") if parameters.clinical_dose is not None else _("Nothing")
        choices = {"": clinical} | {node.GetID(): node.GetName() for node in other_doses(parameters)}
        if choices != self._offered:
            self._offered = choices
            self._selector.clear()
            fill_choices(self._selector, choices)
            for index, name in enumerate(choices.values()):  # longer than the box is wide
                self._selector.setItemData(index, name, qt.Qt.ToolTipRole)
        other = compared_dose(parameters)
        chosen = "" if other is None or other is parameters.clinical_dose else other.GetID()
        self._selector.setCurrentIndex(max(self._selector.findData(chosen), 0))

    def _on_chosen(self, index: int) -> None:
        if self._parameters is not None:
            node_id = self._selector.itemData(index)
            others = {node.GetID(): node for node in other_doses(self._parameters)}
            self._parameters.compared = others.get(node_id)

    def _on_keep(self, *_arguments: Any) -> None:
        if self._parameters is None:
            return
        try:
            kept = keep_prediction(self._parameters.ct)
        except InputError as error:
            self._tell(str(error))
            return
        self.show(self._parameters)
        self._tell(_("Kept as {name}; the next prediction can be compared with it.").format(name=kept.GetName()))
