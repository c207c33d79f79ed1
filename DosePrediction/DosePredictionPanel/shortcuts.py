"""Keys that work wherever in the panel one is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import qt


def add_shortcuts(area: Any, button: Any, predict: Callable[[], None], cancel: Callable[[], None]) -> None:
    """Ctrl+Enter predicts, Escape cancels; Enter on the button presses it.

    Args:
        area: the widget that holds the panel's sections.
        button: that predicts and cancels.
        predict, cancel: called by the keys, whether there is something to predict or to cancel or not.
    """
    keys = (
        (area, "Ctrl+Return", predict),
        (area, "Ctrl+Enter", predict),
        (area, "Escape", cancel),
        (button, "Return", button.click),
        (button, "Enter", button.click),
    )
    for parent, key, action in keys:
        shortcut = qt.QShortcut(qt.QKeySequence(key), parent)
        shortcut.setContext(qt.Qt.WidgetWithChildrenShortcut)
        shortcut.connect("activated()", action)
