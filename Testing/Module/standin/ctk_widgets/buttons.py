"""Buttons and small fields: ctkCheckBox, ctkPushButton, ctkColorPickerButton, ctkSearchBox and others."""

from __future__ import annotations

from typing import Any

from PySide6 import QtCore, QtGui, QtWidgets

from standin.pythonqt.described import Stored, stand_in

Qt = QtCore.Qt


@stand_in()
class ctkCheckBox(QtWidgets.QCheckBox):
    """A check box with an icon for its indicator."""

    indicatorIcon = Stored(QtGui.QIcon())
    indicatorIconSize = Stored(QtCore.QSize())


@stand_in()
class ctkPushButton(QtWidgets.QPushButton):
    """A push button with alignments."""

    buttonTextAlignment = Stored(Qt.AlignmentFlag.AlignCenter)
    elideMode = Stored(Qt.TextElideMode.ElideNone)
    iconAlignment = Stored(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)


@stand_in()
class ctkMenuButton(QtWidgets.QPushButton):
    """A push button with a part that opens its menu."""


@stand_in()
class ctkExpandButton(QtWidgets.QToolButton):
    """A checkable arrow."""

    mirrorOnExpand = Stored(False)
    orientation = Stored(Qt.Orientation.Horizontal)

    def __init__(self, parent: Any = None) -> None:
        super().__init__(parent)
        self.checkable = True


@stand_in()
class ctkColorPickerButton(QtWidgets.QPushButton):
    """A colour, with a dialog to choose another."""

    ShowAlphaChannel, NoButtons, DontUseNativeDialog, UseCTKColorDialog = 1, 2, 4, 8
    dialogOptions = Stored(0)

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*(argument for argument in arguments if isinstance(argument, str | QtWidgets.QWidget)))
        self._color, self._color_name, self._shows_name = QtGui.QColor(0, 0, 0), "", True
        for argument in arguments:
            if isinstance(argument, QtGui.QColor):
                self._color = argument
        self.connect("clicked()", self.changeColor)
        self._paint_icon()

    color = property(lambda self: self._color, lambda self, v: self.setColor(v))
    displayColorName = property(lambda self: self._shows_name, lambda self, v: self.setDisplayColorName(v))

    @property
    def colorName(self) -> str:
        return self._color_name or str(self._color.name())

    @colorName.setter
    def colorName(self, name: str) -> None:
        if name != self._color_name:
            self._color_name = name
            self._paint_icon()
            self.colorNameChanged.emit(name)

    def setColor(self, color: Any) -> None:
        color = QtGui.QColor(color)
        if color != self._color:
            self._color = color
            self._paint_icon()
            self.colorChanged.emit(color)

    def setDisplayColorName(self, shown: bool) -> None:
        self._shows_name = shown
        self._paint_icon()

    def changeColor(self) -> None:
        color = QtWidgets.QColorDialog.getColor(self._color, self)
        if color.isValid():
            self.setColor(color)

    def _paint_icon(self) -> None:
        picture = QtGui.QPixmap(16, 16)
        picture.fill(self._color)
        self.icon = QtGui.QIcon(picture)
        self.text = self.colorName if self._shows_name else ""


@stand_in()
class ctkSearchBox(QtWidgets.QLineEdit):
    """A line to search with."""

    clearIcon = Stored(QtGui.QIcon())
    searchIcon = Stored(QtGui.QIcon())
    showSearchIcon = Stored(False)
