"""Tables and charts in a panel: qMRMLTableView, qMRMLPlotView."""

from __future__ import annotations

from typing import Any

from PySide6 import QtCore, QtGui, QtWidgets

from standin.mrml_widgets.observation import Observations
from standin.mrml_widgets.scene import WithScene, WithSceneToAsk
from standin.pythonqt.described import Stored, stand_in
from standin.pythonqt.signals import BoundSignal


@stand_in()
class qMRMLTableView(WithSceneToAsk, QtWidgets.QTableView):
    """A table node's cells."""

    firstColumnLocked = Stored(False)
    firstRowLocked = Stored(False)
    transposed = Stored(False)

    def __init__(self, parent: Any = None) -> None:
        super().__init__(parent)
        self._node: Any = None
        self._observations = Observations()
        self._cells = QtGui.QStandardItemModel(self)
        self._sorted = QtCore.QSortFilterProxyModel(self)
        self._sorted.setSourceModel(self._cells)
        self.setModel(self._sorted)
        self.selectionModel().connect("selectionChanged(QItemSelection,QItemSelection)", self._on_selection)

    def mrmlTableNode(self) -> Any:
        return self._node

    def setMRMLTableNode(self, node: Any) -> None:
        self._node = node
        self._observations.end()
        self._observations.observe(node, "ModifiedEvent", self._refill)
        self._refill()

    def tableModel(self) -> Any:
        return self._cells

    def sortFilterProxyModel(self) -> Any:
        return self._sorted

    def _on_selection(self) -> None:
        BoundSignal(self, self.shadowed_signals["selectionChanged"]).emit()

    def _refill(self) -> None:
        self._cells.clear()
        if self._node is None:
            return
        table, names_rows = self._node.GetTable(), self._node.GetUseFirstColumnAsRowHeader()
        for column in range(int(names_rows), table.GetNumberOfColumns()):
            title = self._node.GetColumnTitle(table.GetColumnName(column)) or table.GetColumnName(column)
            items = [_read_only(self._node.GetCellText(row, column)) for row in range(table.GetNumberOfRows())]
            self._cells.appendColumn(items)
            self._cells.setHorizontalHeaderItem(self._cells.columnCount() - 1, QtGui.QStandardItem(title))
        if names_rows:
            self._cells.setVerticalHeaderLabels([self._node.GetCellText(r, 0) for r in range(table.GetNumberOfRows())])
        self.resizeColumnsToContents()


def _read_only(text: str) -> Any:
    item = QtGui.QStandardItem(text)
    item.setEditable(False)
    return item


@stand_in(silent="dataSelected(vtkStringArray*,vtkCollection*)")
class qMRMLPlotView(WithScene, QtWidgets.QWidget):
    """The chart of a plot view node, drawn by slicer-core when it is painted."""

    def __init__(self, parent: Any = None) -> None:
        super().__init__(parent)
        self._node: Any = None
        self._observations = Observations()
        self._picture: Any = None
        self.setMinimumSize(200, 120)

    def setMRMLPlotViewNode(self, node: Any) -> None:
        self._node = node
        self._observations.end()
        self._observations.observe(node, "ModifiedEvent", self._on_modified)
        self._on_modified()

    def fitToContent(self) -> None:
        self._on_modified()

    def _on_modified(self) -> None:
        self._picture = None
        self.update()

    def paintEvent(self, event: Any) -> None:
        chart = self._node.GetPlotChartNode() if self._node is not None else None
        painter = QtGui.QPainter(self)
        painter.fillRect(self.rect, QtGui.QColor(255, 255, 255))
        if chart is not None:
            if self._picture is None:
                self._picture = _chart_image(chart, self.width, self.height)
            painter.drawImage(0, 0, self._picture)
        painter.end()


def _chart_image(chart: Any, width: int, height: int) -> QtGui.QImage:
    from DosePredictionScene.offscreen.chart_picture import chart_picture

    pixels = chart_picture(chart, width, height, font_size=10)
    return QtGui.QImage(pixels.tobytes(), width, height, 3 * width, QtGui.QImage.Format.Format_RGB888).copy()
