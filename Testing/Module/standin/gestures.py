"""What a user does with widgets, by events where Qt lets them."""

from __future__ import annotations

from typing import Any

from PySide6 import QtCore, QtWidgets
from PySide6.QtTest import QTest

LEFT = QtCore.Qt.MouseButton.LeftButton


def click(button: Any) -> None:
    """Click a button, a check box or the title of a section that folds."""
    _must_be_usable(button)
    place = button.rect.center()
    if isinstance(button, QtWidgets.QCheckBox | QtWidgets.QRadioButton):
        place = QtCore.QPoint(8, button.height // 2)
    elif button.className() in ("ctkCollapsibleButton", "qMRMLCollapsibleButton"):
        place = QtCore.QPoint(8, 8)
    QTest.mouseClick(button, LEFT, pos=place)


def click_cell(table: Any, row: int, column: int, *, double: bool = False) -> None:
    """Click a cell of a table."""
    _must_be_usable(table)
    index = table.model().index(row, column)
    table.scrollTo(index)
    place = table.visualRect(index).center()
    QTest.mouseClick(table.viewport(), LEFT, pos=place)
    if double:
        QTest.mouseDClick(table.viewport(), LEFT, pos=place)


def type_into(widget: Any, text: str) -> None:
    """Replace what is in a line or a spin box, and press Enter."""
    _must_be_usable(widget)
    line = widget if isinstance(widget, QtWidgets.QLineEdit) else widget.findChild(QtWidgets.QLineEdit)
    line.setFocus()
    line.selectAll()
    QTest.keyClicks(line, text)
    QTest.keyClick(line, QtCore.Qt.Key.Key_Return)


def choose(box: Any, choice: Any) -> None:
    """Choose from a combo box by text, or from a node selector by node (None for "None")."""
    _must_be_usable(box)
    combo_box = box if isinstance(box, QtWidgets.QComboBox) else box.findChild(QtWidgets.QComboBox)
    if isinstance(choice, str):
        row = combo_box.findText(choice)
    else:
        wanted = "" if choice is None else choice.GetID()
        row = next((row for row in range(combo_box.count) if _node_id(combo_box, row) == wanted), -1)
    if row < 0:
        raise AssertionError(
            f"{choice} is not to choose from {[combo_box.itemText(r) for r in range(combo_box.count)]}"
        )
    combo_box.setCurrentIndex(row)
    combo_box.activated.emit(row)


def choose_action(selector: Any, text: str) -> None:
    """Choose an action below a node selector's nodes: "Create new Volume"."""
    _must_be_usable(selector)
    combo_box = selector.findChild(QtWidgets.QComboBox)
    combo_box.view().clicked.emit(combo_box.model().index(combo_box.findText(text), 0))


def _node_id(combo_box: Any, row: int) -> str:
    from standin.mrml_widgets.node_combo_box import NODE_ID_ROLE

    return str(combo_box.itemData(row, NODE_ID_ROLE) or "")


def _must_be_usable(widget: Any) -> None:
    if not widget.isVisible():
        raise AssertionError(f"{widget.className()} {widget.objectName} is not to be seen")
    if not widget.isEnabled():
        raise AssertionError(f"{widget.className()} {widget.objectName} is disabled: {widget.toolTip}")
