"""Combo boxes: ctkComboBox, ctkCheckableComboBox."""

from __future__ import annotations

from typing import Any

from PySide6 import QtCore, QtGui, QtWidgets

from standin.pythonqt.described import Stored, stand_in

Qt = QtCore.Qt


@stand_in(silent="returnRelease()")
class ctkComboBox(QtWidgets.QComboBox):
    """A combo box with a text for when nothing is chosen."""

    NeverScroll, AlwaysScroll, ScrollWithFocus, ScrollWithNoVScrollBar = range(4)
    defaultIcon = Stored(QtGui.QIcon())
    elideMode = Stored(Qt.TextElideMode.ElideNone)
    forceDefault = Stored(False)
    scrollWheelEffect = Stored(1)
    defaultText = property(lambda self: self.placeholderText, lambda self, v: self.setPlaceholderText(v))
    currentUserDataAsString = property(
        lambda self: str(self.itemData(self.currentIndex) or ""), lambda self, v: self.setCurrentUserDataAsString(v)
    )

    def setCurrentUserDataAsString(self, data: str) -> None:
        for index in range(self.count):
            if str(self.itemData(index) or "") == data:
                self.setCurrentIndex(index)
                return


@stand_in(silent="returnRelease()")
class ctkCheckableComboBox(QtWidgets.QComboBox):
    """A combo box whose items are checked."""

    def __init__(self, parent: Any = None) -> None:
        super().__init__(parent)
        self.model().connect("rowsInserted(QModelIndex,int,int)", self._make_checkable)
        self.model().connect("dataChanged(QModelIndex,QModelIndex)", self._on_data_changed)
        self.view().connect("pressed(QModelIndex)", self._toggle)
        self._checked: list[int] = []

    def checkableModel(self) -> Any:
        return self.model()

    def checkedIndexes(self) -> list[Any]:
        return [index for index in self._indexes() if self.checkState(index) == Qt.CheckState.Checked]

    def allChecked(self) -> bool:
        return bool(self.count) and len(self.checkedIndexes()) == self.count

    def noneChecked(self) -> bool:
        return not self.checkedIndexes()

    def checkState(self, index: Any) -> int:
        return int(index.data(Qt.ItemDataRole.CheckStateRole) or 0)

    def setCheckState(self, index: Any, state: int) -> None:
        self.model().setData(index, int(state), Qt.ItemDataRole.CheckStateRole)

    def _indexes(self) -> list[Any]:
        return [self.model().index(row, 0) for row in range(self.count)]

    def _make_checkable(self, parent: Any, first: int, last: int) -> None:
        for row in range(first, last + 1):
            item = self.model().item(row)
            item.setFlags(Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsUserCheckable | Qt.ItemFlag.ItemIsSelectable)
            item.setCheckState(Qt.CheckState.Unchecked)

    def _toggle(self, index: Any) -> None:
        checked = self.checkState(index) == Qt.CheckState.Checked
        self.setCheckState(index, Qt.CheckState.Unchecked if checked else Qt.CheckState.Checked)

    def _on_data_changed(self, first: Any, last: Any) -> None:
        checked = [index.row() for index in self.checkedIndexes()]
        if checked != self._checked:
            self._checked = checked
            self.checkedIndexesChanged.emit()
