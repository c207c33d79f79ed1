"""What widgets made of other widgets share."""

from __future__ import annotations

from typing import Any

from PySide6 import QtWidgets


def put_in_a_row(owner: Any, *widgets: Any) -> None:
    """Lay out the parts of a widget from left to right."""
    layout = QtWidgets.QHBoxLayout(owner)
    layout.setContentsMargins(0, 0, 0, 0)
    for widget in widgets:
        layout.addWidget(widget)


def of_part(part: str, name: str) -> Any:
    """A property that is the same property of a part."""
    return property(
        lambda self: getattr(getattr(self, part), name), lambda self, value: setattr(getattr(self, part), name, value)
    )
