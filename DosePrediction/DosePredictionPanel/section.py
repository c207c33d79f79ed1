"""A section of the panel that folds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import qt
import slicer

UI_FOLDER = Path(__file__).resolve().parents[1] / "Resources" / "UI"


class Section:
    """Loads a section's .ui file.

    Args:
        name: of the .ui file.

    Attributes:
        widget: the ctkCollapsibleButton.
        ui: its named widgets.
    """

    def __init__(self, name: str) -> None:
        self.widget: Any = slicer.util.loadUI(str(UI_FOLDER / f"{name}.ui"))
        self.ui: Any = slicer.util.childWidgetVariables(self.widget)
        for label in self.widget.findChildren(qt.QLabel):
            field = getattr(self.ui, label.objectName.removesuffix("Label"), None)
            if field is not None and field is not label:
                label.setBuddy(field)  # Alt and the underlined letter go there


def fill_choices(selector: Any, choices: dict[str, str]) -> None:
    """Fill a QComboBox with texts by setting."""
    for setting, text in choices.items():
        selector.addItem(text, setting)
