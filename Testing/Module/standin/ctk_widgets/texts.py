"""Texts and messages: ctkFittedTextBrowser, ctkMessageBox."""

from __future__ import annotations

from typing import Any

from PySide6 import QtCore, QtWidgets

from standin.pythonqt.described import Stored, stand_in


@stand_in()
class ctkFittedTextBrowser(QtWidgets.QTextBrowser):
    """A text as high as it needs to be."""

    disableMouseScroll = Stored(True)
    collapsed = Stored(True)
    showDetailsText = Stored("Show details...")
    hideDetailsText = Stored("Hide details.")

    def heightForWidth(self, width: int) -> int:
        text = self.document.clone()
        text.setTextWidth(width)
        return int(text.size.height()) + 2 * self.frameWidth

    def sizeHint(self) -> QtCore.QSize:
        return QtCore.QSize(200, self.heightForWidth(max(200, self.viewport().width)))


@stand_in()
class ctkMessageBox(QtWidgets.QMessageBox):
    """A message box that may offer not to be shown again."""

    dontShowAgainSettingsKey = Stored("")

    def __init__(self, parent: Any = None) -> None:
        super().__init__(parent)
        self._dont_show_again, self._offers = False, False

    dontShowAgain = property(lambda self: self._dont_show_again, lambda self, v: self.setDontShowAgain(v))
    dontShowAgainVisible = property(lambda self: self._offers, lambda self, v: setattr(self, "_offers", v))

    def setDontShowAgain(self, dont: bool) -> None:
        self._dont_show_again = dont
