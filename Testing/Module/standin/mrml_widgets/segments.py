"""Segments: qMRMLSegmentsTableView, qMRMLSegmentSelectorWidget."""

from __future__ import annotations

from typing import Any

import slicer
from PySide6 import QtCore, QtGui, QtWidgets

from standin.ctk_widgets.choices import ctkCheckableComboBox
from standin.mrml_widgets.node_combo_box import qMRMLNodeComboBox
from standin.mrml_widgets.observation import Observations
from standin.mrml_widgets.scene import qMRMLWidget
from standin.pythonqt.described import Stored, stand_in

Qt = QtCore.Qt
VISIBLE, COLOUR, OPACITY, NAME, STATUS, LAYER = range(6)
SEGMENT_EVENTS = ("SegmentAdded", "SegmentRemoved", "SegmentModified", "SegmentsOrderModified")


def observe_segments(observations: Observations, node: Any, method: Any) -> None:
    """Call a method when a segment of a node is added, removed, changed or moved."""
    for event in SEGMENT_EVENTS:
        observations.observe(node, getattr(slicer.vtkSegmentation, event), method)


def _shows_column(column: int) -> Any:
    return property(
        lambda self: not self._table.isColumnHidden(column),
        lambda self, shown: self._table.setColumnHidden(column, not shown),
    )


@stand_in(silent="segmentAboutToBeModified(QString)")
class qMRMLSegmentsTableView(qMRMLWidget):
    """The segments of a segmentation: visibility, colour, opacity, name."""

    readOnly = Stored(False)
    jumpToSelectedSegmentEnabled = Stored(False)
    terminologySelectorAutoDisable = Stored(True)
    terminologySelectorOptionVisible = Stored(False)
    useTerminologySelector = Stored(True)
    useTerminologySelectorSettingsKey = Stored("Segmentations/UseTerminologySelector")
    filterBarVisible = Stored(False)
    visibilityColumnVisible = _shows_column(VISIBLE)
    colorColumnVisible = _shows_column(COLOUR)
    opacityColumnVisible = _shows_column(OPACITY)
    statusColumnVisible = _shows_column(STATUS)
    layerColumnVisible = _shows_column(LAYER)
    headerVisible = property(
        lambda self: not self._table.horizontalHeader().isHidden(),
        lambda self, v: self._table.horizontalHeader().setVisible(v),
    )
    selectionMode = property(lambda self: int(self._table.selectionMode), lambda self, v: self.setSelectionMode(v))
    segmentCount = property(lambda self: len(self._ids))
    textFilter = property(lambda self: self._filter, lambda self, v: self.setTextFilter(v))

    def __init__(self, parent: Any = None) -> None:
        super().__init__(parent)
        self._node: Any = None
        self._ids: list[str] = []
        self._hidden_ids: list[str] = []
        self._filter = ""
        self._observations = Observations()
        self._table = QtWidgets.QTableWidget(0, 6, self)
        self._table.setHorizontalHeaderLabels(["", "", "Opacity", "Name", "Status", "Layer"])
        self._table.verticalHeader().setVisible(False)
        self._table.setSelectionBehavior(QtWidgets.QAbstractItemView.SelectionBehavior.SelectRows)
        for column in (STATUS, LAYER):
            self._table.setColumnHidden(column, True)
        self._table.horizontalHeader().setSectionResizeMode(QtWidgets.QHeaderView.ResizeMode.ResizeToContents)
        self._table.horizontalHeader().setSectionResizeMode(NAME, QtWidgets.QHeaderView.ResizeMode.Stretch)
        layout = QtWidgets.QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._table)
        selection = self._table.selectionModel()
        selection.connect("selectionChanged(QItemSelection,QItemSelection)", self.selectionChanged.emit)
        self._table.connect("itemChanged(QTableWidgetItem*)", self._on_item_changed)

    def segmentationNode(self) -> Any:
        return self._node

    def setSegmentationNode(self, node: Any) -> None:
        self._node = node
        self._observations.end()
        observe_segments(self._observations, node, self._refill)
        if node is not None:
            self._observations.observe(node, slicer.vtkMRMLDisplayableNode.DisplayModifiedEvent, self._refill)
        self._refill()

    def displayedSegmentIDs(self) -> list[str]:
        return list(self._ids)

    def selectedSegmentIDs(self) -> list[str]:
        return [self._ids[row] for row in sorted({index.row() for index in self._table.selectedIndexes()})]

    def setSelectedSegmentIDs(self, segment_ids: list[str]) -> None:
        model, flags = self._table.selectionModel(), QtCore.QItemSelectionModel.SelectionFlag
        self._table.clearSelection()
        for segment_id in segment_ids:
            index = self._table.model().index(self._ids.index(segment_id), NAME)
            model.select(index, flags.Select | flags.Rows)

    def clearSelection(self) -> None:
        self._table.clearSelection()

    def setSelectionMode(self, mode: int) -> None:
        self._table.setSelectionMode(QtWidgets.QAbstractItemView.SelectionMode(mode))

    def hideSegments(self) -> list[str]:
        return list(self._hidden_ids)

    def setHideSegments(self, segment_ids: list[str]) -> None:
        self._hidden_ids = list(segment_ids)
        self._refill()

    def setTextFilter(self, text: str) -> None:
        self._filter = text
        self._refill()

    def rowForSegmentID(self, segment_id: str) -> int:
        return self._ids.index(segment_id) if segment_id in self._ids else -1

    def segmentIDForRow(self, row: int) -> str:
        return self._ids[row] if 0 <= row < len(self._ids) else ""

    def tableWidget(self) -> Any:
        return self._table

    def _refill(self) -> None:
        selected = self.selectedSegmentIDs()
        segmentation = self._node.GetSegmentation() if self._node is not None else None
        ids = list(segmentation.GetSegmentIDs()) if segmentation is not None else []
        names = {segment_id: segmentation.GetSegment(segment_id).GetName() for segment_id in ids}
        self._ids = [i for i in ids if i not in self._hidden_ids and self._filter.lower() in names[i].lower()]
        self._table.blockSignals(True)
        self._table.setRowCount(len(self._ids))
        for row, segment_id in enumerate(self._ids):
            self._fill_row(row, segment_id, segmentation.GetSegment(segment_id))
        self._table.blockSignals(False)
        kept = [segment_id for segment_id in selected if segment_id in self._ids]
        if kept != self.selectedSegmentIDs():
            self.setSelectedSegmentIDs(kept)

    def _fill_row(self, row: int, segment_id: str, segment: Any) -> None:
        display = self._node.GetDisplayNode()
        visible, colour, opacity, name = (QtWidgets.QTableWidgetItem() for _ in range(4))
        shown = display is None or display.GetSegmentVisibility(segment_id)
        visible.setCheckState(Qt.CheckState.Checked if shown else Qt.CheckState.Unchecked)
        colour.setBackground(QtGui.QColor.fromRgbF(*segment.GetColor()))
        opacity.setText(f"{display.GetSegmentOpacity3D(segment_id) if display is not None else 1.0:.2f}")
        name.setText(segment.GetName())
        for column, item in ((VISIBLE, visible), (COLOUR, colour), (OPACITY, opacity), (NAME, name)):
            self._table.setItem(row, column, item)

    def _on_item_changed(self, item: Any) -> None:
        segment_id, display = self._ids[item.row()], self._node.GetDisplayNode()
        if item.column() == VISIBLE and display is not None:
            display.SetSegmentVisibility(segment_id, item.checkState() == Qt.CheckState.Checked)
        elif item.column() == NAME and not self.readOnly:
            self._node.GetSegmentation().GetSegment(segment_id).SetName(item.text())


@stand_in()
class qMRMLSegmentSelectorWidget(qMRMLWidget):
    """A segmentation, and a segment or several of it."""

    horizontalLayout = Stored(False)
    segmentationNodeSelectorVisible = property(
        lambda self: self._nodes.isVisibleTo(self), lambda self, v: self._nodes.setVisible(v)
    )
    noneEnabled = property(lambda self: self._nodes.noneEnabled, lambda self, v: self._enable_none(v))
    editEnabled = property(lambda self: self._nodes.editEnabled, lambda self, v: setattr(self._nodes, "editEnabled", v))
    selectNodeUponCreation = property(
        lambda self: self._nodes.selectNodeUponCreation,
        lambda self, v: setattr(self._nodes, "selectNodeUponCreation", v),
    )
    multiSelection = property(lambda self: self._several, lambda self, v: self._select_several(v))

    def __init__(self, parent: Any = None) -> None:
        super().__init__(parent)
        self._several, self._current_id = False, ""
        self._selected: list[str] = []
        self._observations = Observations()
        self._nodes = qMRMLNodeComboBox(self)
        self._nodes.nodeTypes = ["vtkMRMLSegmentationNode"]
        self._nodes.addEnabled = self._nodes.removeEnabled = False
        self._one, self._many = QtWidgets.QComboBox(self), ctkCheckableComboBox(self)
        layout = QtWidgets.QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for widget in (self._nodes, self._one, self._many):
            layout.addWidget(widget)
        self._many.setVisible(False)
        self._nodes.connect("currentNodeChanged(vtkMRMLNode*)", self._on_node_changed)
        self._nodes.connect("nodeAboutToBeEdited(vtkMRMLNode*)", self.nodeAboutToBeEdited.emit)
        self._one.connect("currentIndexChanged(int)", self._on_segment_changed)
        self._many.connect("checkedIndexesChanged()", self._on_checked_changed)

    def currentNode(self) -> Any:
        return self._nodes.currentNode()

    def currentNodeID(self) -> str:
        return str(self._nodes.currentNodeID)

    def setCurrentNode(self, node: Any) -> None:
        self._nodes.setCurrentNode(node)

    def setCurrentNodeID(self, node_id: str) -> None:
        self._nodes.setCurrentNodeID(node_id)

    def currentSegmentID(self) -> str:
        return self._current_id

    def setCurrentSegmentID(self, segment_id: str) -> None:
        if not segment_id and self.noneEnabled:
            self._one.setCurrentIndex(0)
        elif self._one.findData(segment_id) >= 0:
            self._one.setCurrentIndex(self._one.findData(segment_id))

    def selectedSegmentIDs(self) -> list[str]:
        return list(self._selected)

    def setSelectedSegmentIDs(self, segment_ids: list[str]) -> None:
        for row in range(self._many.count):
            checked = self._many.itemData(row) in segment_ids
            state = Qt.CheckState.Checked if checked else Qt.CheckState.Unchecked
            self._many.setCheckState(self._many.model().index(row, 0), state)

    def segmentIDs(self) -> list[str]:
        return [self._many.itemData(row) for row in range(self._many.count)]

    def _on_scene(self) -> None:
        self._nodes.setMRMLScene(self._scene)

    def _enable_none(self, enabled: bool) -> None:
        self._nodes.noneEnabled = enabled
        self._refill()

    def _select_several(self, several: bool) -> None:
        self._several = several
        self._one.setVisible(not several)
        self._many.setVisible(several)
        self._refill()

    def _on_node_changed(self, node: Any) -> None:
        self._observations.end()
        observe_segments(self._observations, node, self._refill)
        self._refill()
        self.currentNodeChanged.emit_as("currentNodeChanged(vtkMRMLNode*)", node)
        self.currentNodeChanged.emit_as("currentNodeChanged(bool)", node is not None)

    def _refill(self) -> None:
        node, selected = self.currentNode(), list(self._selected)
        segmentation = node.GetSegmentation() if node is not None else None
        ids = list(segmentation.GetSegmentIDs()) if segmentation is not None else []
        self._one.blockSignals(True)
        self._one.clear()
        if self.noneEnabled and ids:
            self._one.addItem("None", "")
        for segment_id in ids:
            self._one.addItem(segmentation.GetSegment(segment_id).GetName(), segment_id)
        known = self._current_id in ids or (self.noneEnabled and not self._current_id)
        self._one.setCurrentIndex(self._one.findData(self._current_id) if known else -1)
        self._one.blockSignals(False)
        if ids and not known:
            self._one.setCurrentIndex(int(self.noneEnabled))
        self._many.blockSignals(True)
        self._many.clear()
        for segment_id in ids:
            self._many.addItem(segmentation.GetSegment(segment_id).GetName(), segment_id)
        self._many.blockSignals(False)
        self.setSelectedSegmentIDs([segment_id for segment_id in selected if segment_id in ids])

    def _on_segment_changed(self, row: int) -> None:
        if self.currentNode() is not None:
            self._current_id = self._one.itemData(row) or ""
            self.currentSegmentChanged.emit(self._current_id)

    def _on_checked_changed(self) -> None:
        if self.currentNode() is not None:
            self._selected = [self._many.itemData(index.row()) for index in self._many.checkedIndexes()]
            self.segmentSelectionChanged.emit(list(self._selected))
