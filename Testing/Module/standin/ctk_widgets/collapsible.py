"""Sections that fold: ctkCollapsibleButton, ctkCollapsibleGroupBox."""

from __future__ import annotations

from typing import Any

from PySide6 import QtCore, QtGui, QtWidgets

from standin.pythonqt.described import Stored, stand_in
from standin.pythonqt.signals import address

Qt = QtCore.Qt
UNLIMITED_HEIGHT = 16777215  # QWIDGETSIZE_MAX
MARGIN = 6


class _Folding:
    """Hides the children while collapsed. A child that was hidden by itself stays hidden when the section unfolds."""

    def _begin_folding(self) -> None:
        self._folded = self._forcing = False
        self._hidden_by_itself: set[int] = set()

    def _fold(self, folded: bool) -> None:
        self._folded = folded
        for child in self._child_widgets():
            self._show_or_hide(child)

    def _child_widgets(self) -> list[Any]:
        return [child for child in self.children() if child.isWidgetType()]

    def _show_or_hide(self, child: Any) -> None:
        self._forcing = True
        child.setVisible(not self._folded and address(child) not in self._hidden_by_itself)
        if address(child) not in self._hidden_by_itself:
            child.setAttribute(Qt.WidgetAttribute.WA_WState_ExplicitShowHide, False)
        self._forcing = False

    def childEvent(self, event: Any) -> None:
        """Watch who shows and hides the child."""
        child = event.child()
        if event.added() and child.isWidgetType():
            if child.testAttribute(Qt.WidgetAttribute.WA_WState_ExplicitShowHide) and child.isHidden():
                self._hidden_by_itself.add(address(child))
            child.installEventFilter(self)
            if self._folded:
                self._show_or_hide(child)
        super().childEvent(event)

    def eventFilter(self, child: Any, event: Any) -> bool:
        """Take note when a child is shown or hidden by someone else."""
        if not self._forcing and child.parent() is self:
            if event.type() == QtCore.QEvent.Type.ShowToParent:
                self._hidden_by_itself.discard(address(child))
                if self._folded:
                    self._show_or_hide(child)
            elif event.type() == QtCore.QEvent.Type.HideToParent:
                self._hidden_by_itself.add(address(child))
        return False

    def setVisible(self, visible: bool) -> None:
        """Show or hide the section; its children follow, which is no one's doing."""
        self._forcing = True
        super().setVisible(visible)
        self._forcing = False
        if visible and self._folded:
            self._fold(True)


@stand_in()
class ctkCollapsibleButton(_Folding, QtWidgets.QAbstractButton):
    """A button with the height of a title, over contents that it shows and hides."""

    collapsedHeight = Stored(14)
    flat = Stored(False)
    contentsFrameShape = Stored(QtWidgets.QFrame.Shape.NoFrame)
    contentsFrameShadow = Stored(QtWidgets.QFrame.Shadow.Plain)
    contentsLineWidth = Stored(1)
    contentsMidLineWidth = Stored(0)
    buttonTextAlignment = Stored(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
    indicatorAlignment = Stored(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)

    def __init__(self, *arguments: Any) -> None:
        title = arguments[0] if arguments and isinstance(arguments[0], str) else ""
        self._begin_folding()
        super().__init__(*(argument for argument in arguments if not isinstance(argument, str)))
        self.text, self.checkable, self.checked = title, True, True
        self.setSizePolicy(QtWidgets.QSizePolicy.Policy.Minimum, QtWidgets.QSizePolicy.Policy.Preferred)
        self.setContentsMargins(0, self._title_height(), 0, 0)
        self.toggled.connect(self._on_toggled)

    @property
    def collapsed(self) -> bool:
        return self._folded

    @collapsed.setter
    def collapsed(self, collapsed: bool) -> None:
        if self.checkable:
            self.setChecked(not collapsed)
        else:
            self._collapse(collapsed)

    def _on_toggled(self, checked: bool) -> None:
        self._collapse(not checked)

    def _collapse(self, collapsed: bool) -> None:
        if collapsed == self._folded:
            return
        self._fold(collapsed)
        self.setMaximumHeight(self.sizeHint().height() if collapsed else UNLIMITED_HEIGHT)
        self.updateGeometry()
        self.contentsCollapsed.emit(collapsed)

    def _title_height(self) -> int:
        return int(self.fontMetrics().height()) + 2 * MARGIN

    def sizeHint(self) -> QtCore.QSize:
        width = self.fontMetrics().horizontalAdvance(self.text) + 4 * MARGIN + self._title_height()
        if self._folded or self.layout() is None:
            return QtCore.QSize(width, self._title_height() + (self.collapsedHeight if self._folded else 0))
        return self.layout().totalSizeHint().expandedTo(QtCore.QSize(width, self._title_height()))

    def minimumSizeHint(self) -> QtCore.QSize:
        return self.sizeHint()

    def hitButton(self, position: QtCore.QPoint) -> bool:
        return position.y() < self._title_height()

    def paintEvent(self, event: Any) -> None:
        painter = QtGui.QPainter(self)
        option = QtWidgets.QStyleOptionButton()
        option.initFrom(self)
        states = QtWidgets.QStyle.StateFlag
        option.state |= states.State_Sunken if self.down else states.State_Raised
        option.rect = QtCore.QRect(0, 0, self.width, self._title_height())
        style, height = self.style(), self._title_height()
        style.drawPrimitive(QtWidgets.QStyle.PrimitiveElement.PE_PanelButtonCommand, option, painter, self)
        option.rect = QtCore.QRect(MARGIN, MARGIN, height - 2 * MARGIN, height - 2 * MARGIN)
        arrows = QtWidgets.QStyle.PrimitiveElement
        arrow = arrows.PE_IndicatorArrowRight if self._folded else arrows.PE_IndicatorArrowDown
        style.drawPrimitive(arrow, option, painter, self)
        place = QtCore.QRect(height, 0, self.width - height - MARGIN, height)
        style.drawItemText(painter, place, self.buttonTextAlignment, self.palette, self.enabled, self.text)
        painter.end()


@stand_in()
class ctkCollapsibleGroupBox(_Folding, QtWidgets.QGroupBox):
    """A group box whose check box shows and hides the contents."""

    collapsedHeight = Stored(14)

    def __init__(self, *arguments: Any) -> None:
        self._begin_folding()
        super().__init__(*arguments)
        self.checkable = True
        self.toggled.connect(self._on_toggled)

    @property
    def collapsed(self) -> bool:
        return not self.checked

    @collapsed.setter
    def collapsed(self, collapsed: bool) -> None:
        self.setChecked(not collapsed)

    def _on_toggled(self, checked: bool) -> None:
        self._fold(not checked)
        self.setMaximumHeight(
            UNLIMITED_HEIGHT if checked else int(self.fontMetrics().height()) + 2 * MARGIN + self.collapsedHeight
        )
        self.updateGeometry()
