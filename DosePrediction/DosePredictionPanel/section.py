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
                label.setBuddy(_that_takes_keys(field))  # Alt and the underlined letter go there


def _that_takes_keys(field: Any) -> Any:
    """The field, or the combo box in a node selector.

    A node selector takes no focus itself, yet its combo box hands the focus on to it: neither Alt nor Tab would get
    there.
    """
    box = field.findChild(qt.QComboBox) if field.className() == "qMRMLNodeComboBox" else None
    if box is None:
        return field
    box.setFocusProxy(None)
    return box


def fill_choices(selector: Any, choices: dict[str, str]) -> None:
    """Fill a QComboBox with texts by setting."""
    for setting, text in choices.items():
        selector.addItem(text, setting)
