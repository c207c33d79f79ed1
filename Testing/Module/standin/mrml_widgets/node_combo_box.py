"""Choosing a node: qMRMLNodeComboBox."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import slicer
from PySide6 import QtCore, QtGui, QtWidgets

from standin.mrml_widgets.observation import Observations
from standin.mrml_widgets.scene import WithSceneToAsk
from standin.pythonqt.described import Stored, stand_in

NODE_ID_ROLE = QtCore.Qt.ItemDataRole.UserRole + 1
ACTION_ROLE = NODE_ID_ROLE + 1
SEPARATOR = "SEPARATOR"


@stand_in(silent="nodeAboutToBeRemoved(vtkMRMLNode*)")
class qMRMLNodeComboBox(WithSceneToAsk, QtWidgets.QWidget):
    """The nodes of a scene that fit; "None" above them, actions below them.

    As in Slicer, currentNodeChanged comes with every change of the shown text or row, so also when the current node is
    renamed; and without a scene the box is disabled. It takes no focus, and its combo box hands the focus on to it.
    """

    interactionNodeSingletonTag = Stored("Singleton")
    selectNodeUponCreation = Stored(True)

    def __init__(self, parent: Any = None) -> None:
        super().__init__(parent)
        self._node_types: list[str] = []
        self._hidden_types: list[str] = []
        self._attributes: list[tuple[str, str, Any]] = []
        self._base_name, self._none_display = "", "None"
        self._labels: dict[str, str] = {}
        self._options = {
            "noneEnabled": False, "addEnabled": True, "removeEnabled": True, "editEnabled": False,
            "renameEnabled": False, "showHidden": False, "showChildNodeTypes": True,
        }  # fmt: skip
        self._menu_actions: list[Any] = []
        self._requested_id = ""
        self._switching_scene = False
        self._of_scene, self._of_nodes = Observations(), Observations()
        self._box = QtWidgets.QComboBox(self)
        self._rows = QtGui.QStandardItemModel(self._box)
        self._box.setModel(self._rows)
        layout = QtWidgets.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._box)
        self._box.setFocusProxy(self)
        self.setSizePolicy(QtWidgets.QSizePolicy.Policy.Preferred, QtWidgets.QSizePolicy.Policy.Fixed)
        self._box.connect("currentTextChanged(QString)", self._on_current_changed)
        self._box.connect("activated(int)", self._on_activated)
        self._box.view().connect("clicked(QModelIndex)", self._on_row_clicked)
        self.setEnabled(False)

    # Properties

    nodeTypes = property(lambda self: list(self._node_types), lambda self, v: self._set_node_types(v))
    hideChildNodeTypes = property(lambda self: list(self._hidden_types), lambda self, v: self._hide_types(v))
    noneEnabled = property(lambda self: self._options["noneEnabled"], lambda self, v: self._opt("noneEnabled", v))
    addEnabled = property(lambda self: self._options["addEnabled"], lambda self, v: self._opt("addEnabled", v))
    removeEnabled = property(lambda self: self._options["removeEnabled"], lambda self, v: self._opt("removeEnabled", v))
    editEnabled = property(lambda self: self._options["editEnabled"], lambda self, v: self._opt("editEnabled", v))
    renameEnabled = property(lambda self: self._options["renameEnabled"], lambda self, v: self._opt("renameEnabled", v))
    showHidden = property(lambda self: self._options["showHidden"], lambda self, v: self._opt("showHidden", v))
    showChildNodeTypes = property(
        lambda self: self._options["showChildNodeTypes"], lambda self, v: self._opt("showChildNodeTypes", v)
    )
    sizeAdjustPolicy = property(
        lambda self: self._box.sizeAdjustPolicy, lambda self, v: setattr(self._box, "sizeAdjustPolicy", v)
    )
    currentNodeID = property(
        lambda self: self.currentNode().GetID() if self.currentNode() else "", lambda self, v: self.setCurrentNodeID(v)
    )
    currentNodeId = currentNodeID

    @property
    def baseName(self) -> str:
        return self._base_name

    @baseName.setter
    def baseName(self, name: str) -> None:
        if not self._node_types:
            QtCore.qWarning("qMRMLNodeComboBox::setBaseName failed: no node types have been set yet")
            return
        self._base_name = name

    @property
    def noneDisplay(self) -> str:
        return self._none_display

    @noneDisplay.setter
    def noneDisplay(self, text: str) -> None:
        self._none_display = text
        if self._options["noneEnabled"] and self._rows.rowCount():
            self._rows.item(0).setText(text)

    def _set_node_types(self, types: list[str]) -> None:
        self._node_types = [name for name in types if name]
        self._lay_rows()

    def _hide_types(self, types: list[str]) -> None:
        self._hidden_types = list(types)
        self._lay_rows()

    def _opt(self, name: str, value: bool) -> None:
        if self._options[name] != value:
            self._options[name] = value
            self._lay_rows()

    # What Python can call

    def currentNode(self) -> Any:
        return self._node_of_row(self._box.currentIndex)

    def nodeFromIndex(self, index: int) -> Any:
        return self._node_of_row(index + self._options["noneEnabled"])

    def nodeCount(self) -> int:
        return len(self._listed_ids())

    def setCurrentNode(self, node: Any) -> None:
        self.setCurrentNodeID(node if isinstance(node, str) else node.GetID() if node is not None else "")

    def setCurrentNodeID(self, node_id: str) -> None:
        node_id = node_id or ""
        if self._scene is None:
            self._requested_id = node_id
        ids = self._listed_ids()
        none = 0 if self._options["noneEnabled"] else -1
        self._box.setCurrentIndex(ids.index(node_id) + none + 1 if node_id in ids else none)

    def setCurrentNodeIndex(self, index: int) -> None:
        self._box.setCurrentIndex((index if index < self.nodeCount() else -1) + self._options["noneEnabled"])

    def addAttribute(self, node_type: str, name: str, value: Any = None) -> None:
        self._attributes.append((node_type, name, value))
        self._lay_rows()

    def removeAttribute(self, node_type: str, name: str) -> None:
        self._attributes = [a for a in self._attributes if a[:2] != (node_type, name)]
        self._lay_rows()

    def nodeTypeLabel(self, node_type: str) -> str:
        label = self._labels.get(node_type, "")
        return label or (self._scene.GetTypeDisplayNameByClassName(node_type) if self._scene else "") or "node"

    def setNodeTypeLabel(self, label: str, node_type: str) -> None:
        self._labels[node_type] = label
        self._lay_rows()

    def addMenuAction(self, action: Any) -> None:
        self._menu_actions.append(action)
        self._lay_rows()

    def addNode(self, node_type: str | None = None) -> Any:
        node_type = node_type or self._node_types[0]
        if node_type not in self._node_types:
            QtCore.qWarning(f"qMRMLNodeComboBox::addNode() attempted with node type {node_type}, which is not allowed")
            return None
        node = self._scene.CreateNodeByClass(node_type)
        node.UnRegister(None)
        for _, name, value in self._attributes:
            node.SetAttribute(name, "" if value is None else str(value))
        node.SetName(self._scene.GenerateUniqueName(self._base_name or self.nodeTypeLabel(node_type)))
        node = self._scene.AddNode(node)
        if self.selectNodeUponCreation:
            self.setCurrentNode(node)
        self.nodeAddedByUser.emit(node)
        return node

    def removeCurrentNode(self) -> None:
        self._scene.RemoveNode(self.currentNode())

    def editCurrentNode(self) -> None:
        self.nodeAboutToBeEdited.emit(self.currentNode())

    def renameCurrentNode(self) -> None:
        node = self.currentNode()
        if node is None:
            return
        title = f"Rename {self.nodeTypeLabel(node.GetClassName())}"
        name = QtWidgets.QInputDialog.getText(
            self, title, "New name:", QtWidgets.QLineEdit.EchoMode.Normal, node.GetName()
        )
        if name:
            node.SetName(name)
            self.currentNodeRenamed.emit(name)

    # The scene and its nodes

    def _on_scene(self) -> None:
        old_id, had_nodes = self.currentNodeID, self.nodeCount() > 0
        self._of_scene.end()
        for event in ("NodeAdded", "NodeRemoved", "EndBatchProcess", "EndClose"):
            self._of_scene.observe(self._scene, getattr(slicer.vtkMRMLScene, f"{event}Event"), self._lay_rows)
        self._of_scene.observe(self._scene, slicer.vtkMRMLScene.EndImportEvent, self._lay_rows_anew)
        self._switching_scene = True
        self._lay_rows()
        self._switching_scene = False
        ids = self._listed_ids()
        first = ids[0] if ids and not self._options["noneEnabled"] else ""
        self._box.setCurrentIndex(-1)
        self.setCurrentNodeID(old_id if had_nodes else self._requested_id or first)
        self._requested_id = ""
        self.setEnabled(self._scene is not None)

    def _fits(self, node: Any) -> bool:
        name = node.GetClassName()
        if self._options["showChildNodeTypes"]:
            fits = any(node.IsA(t) for t in self._node_types) and not any(node.IsA(t) for t in self._hidden_types)
        else:
            fits = name in self._node_types
        if not fits or (node.GetHideFromEditors() and not self._options["showHidden"]):
            return False
        wanted = [(key, value) for node_type, key, value in self._attributes if node.IsA(node_type)]
        return all(
            node.GetAttribute(key) is not None and value in (None, node.GetAttribute(key)) for key, value in wanted
        )

    def _lay_rows(self) -> None:
        """Bring the rows to what the scene has, by as few changes as it takes."""
        if self._scene is not None and self._scene.IsBatchProcessing():
            return
        candidates = [] if self._scene is None else _nodes_of(self._scene, self._node_types)
        self._of_nodes.end()
        for node in candidates:
            self._of_nodes.observe(node, "ModifiedEvent", self._lay_rows)
        wanted = [("", self._none_display, "")] if self._options["noneEnabled"] and self._scene is not None else []
        wanted += [(node.GetID(), node.GetName() or "", "") for node in candidates if self._fits(node)]
        wanted += [("", text, action) for text, action in self._actions()]
        before = set(self._listed_ids())
        self._change_rows(wanted)
        if self._options["noneEnabled"] and self._box.currentIndex < 0 and self._scene is not None:
            self._box.setCurrentIndex(0)
        for node in candidates:
            if node.GetID() in set(self._listed_ids()) - before:
                self.nodeAdded.emit(node)

    def _lay_rows_anew(self) -> None:
        """All rows go and come again: what was chosen no longer is (qMRMLSceneModel::updateScene)."""
        self._change_rows([])
        self._lay_rows()

    def _change_rows(self, wanted: list[tuple[str, str, str]]) -> None:
        keys = [(node_id, text if not node_id else "", action) for node_id, text, action in wanted]
        for row in reversed(range(self._rows.rowCount())):
            if self._key_of_row(row) not in keys:
                self._rows.removeRow(row)
        for row, ((node_id, text, action), key) in enumerate(zip(wanted, keys, strict=True)):
            if row < self._rows.rowCount() and self._key_of_row(row) == key:
                if self._rows.item(row).text() != text:
                    self._rows.item(row).setText(text)
                continue
            item = QtGui.QStandardItem(text)
            item.setData(node_id, NODE_ID_ROLE)
            item.setData(action, ACTION_ROLE)
            if action:
                flags = QtCore.Qt.ItemFlag
                item.setFlags(flags.NoItemFlags if action == SEPARATOR else flags.ItemIsEnabled)
            self._rows.insertRow(row, item)
            if self._rows.rowCount() == 1 and self._box.currentIndex < 0:
                self._box.setCurrentIndex(0)  # Qt does so itself where there is no placeholder; Slicer paints its own

    def _key_of_row(self, row: int) -> tuple[str, str, str]:
        item = self._rows.item(row)
        node_id = item.data(NODE_ID_ROLE)
        return node_id, "" if node_id else item.text(), item.data(ACTION_ROLE)

    def _actions(self) -> list[tuple[str, str]]:
        if self._scene is None:
            return []
        label = self.nodeTypeLabel(self._node_types[0]) if len(self._node_types) == 1 else "node"
        actions = []
        if self._options["renameEnabled"]:
            actions.append((f"Rename current {label}", "RENAME"))
        if self._options["editEnabled"]:
            actions.append((f"Edit current {label}", "EDIT"))
        if self._options["addEnabled"]:
            actions += [(f"Create new {self.nodeTypeLabel(t)}", f"CREATE/{t}") for t in self._node_types]
        if self._options["removeEnabled"]:
            actions.append((f"Delete current {label}", "DELETE"))
        actions += [(action.text, f"MENU/{index}") for index, action in enumerate(self._menu_actions)]
        return [("", SEPARATOR), *actions] if actions else []

    def _listed_ids(self) -> list[str]:
        ids = [self._rows.item(row).data(NODE_ID_ROLE) for row in range(self._rows.rowCount())]
        return [node_id for node_id in ids if node_id]

    def _node_of_row(self, row: int) -> Any:
        if self._scene is None or not 0 <= row < self._rows.rowCount():
            return None
        node_id = self._rows.item(row).data(NODE_ID_ROLE)
        return self._scene.GetNodeByID(node_id) if node_id else None

    # The user, and what follows

    def _on_current_changed(self) -> None:
        if self._switching_scene:
            return
        node, row = self.currentNode(), self._box.currentIndex
        if node is None and row != (0 if self._options["noneEnabled"] else -1):
            # An action row became current, for the current node is gone: the last node takes its place.
            ids = self._listed_ids()
            self.setCurrentNodeID(ids[-1] if ids else "")
            return
        self.currentNodeChanged.emit_as("currentNodeChanged(vtkMRMLNode*)", node)
        self.currentNodeChanged.emit_as("currentNodeChanged(bool)", node is not None)
        self.currentNodeIDChanged.emit(node.GetID() if node is not None else "")

    def _on_activated(self, row: int) -> None:
        node = self._node_of_row(row)
        if node is not None or (self._options["noneEnabled"] and row == 0):
            self.nodeActivated.emit(node)

    def _on_row_clicked(self, index: Any) -> None:
        self._run_action(self._rows.item(index.row()).data(ACTION_ROLE))

    def _run_action(self, action: str) -> None:
        kind, _, argument = action.partition("/")
        if kind == "CREATE":
            node = self.addNode(argument)
            self.setCurrentNode(node)
            self.nodeAddedByUserAction.emit(node)
        elif kind == "DELETE":
            self.removeCurrentNode()
        elif kind == "RENAME":
            self.renameCurrentNode()
        elif kind == "EDIT":
            self.editCurrentNode()
        elif kind == "MENU":
            self._menu_actions[int(argument)].trigger()


@stand_in()
class qMRMLColorTableComboBox(qMRMLNodeComboBox):
    """The colour tables."""

    def __init__(self, parent: Any = None) -> None:
        super().__init__(parent)
        self.nodeTypes = ["vtkMRMLColorNode"]
        self.addEnabled = self.removeEnabled = False


@stand_in()
class qMRMLCheckableNodeComboBox(qMRMLNodeComboBox):
    """Nodes that are checked."""

    def __init__(self, parent: Any = None) -> None:
        super().__init__(parent)
        self._checked: set[str] = set()
        self._rows.connect("itemChanged(QStandardItem*)", self._on_item_changed)
        self._box.view().connect("pressed(QModelIndex)", self._on_pressed)

    def checkState(self, node: Any) -> int:
        return int(QtCore.Qt.CheckState.Checked if node.GetID() in self._checked else QtCore.Qt.CheckState.Unchecked)

    def setCheckState(self, node: Any, state: int) -> None:
        for row in range(self._rows.rowCount()):
            if self._rows.item(row).data(NODE_ID_ROLE) == node.GetID():
                self._rows.item(row).setCheckState(QtCore.Qt.CheckState(state))

    def check(self, node: Any) -> None:
        self.setCheckState(node, QtCore.Qt.CheckState.Checked)

    def uncheck(self, node: Any) -> None:
        self.setCheckState(node, QtCore.Qt.CheckState.Unchecked)

    def checkedNodes(self) -> list[Any]:
        return [self._scene.GetNodeByID(i) for i in self._listed_ids() if i in self._checked]

    def uncheckedNodes(self) -> list[Any]:
        return [self._scene.GetNodeByID(i) for i in self._listed_ids() if i not in self._checked]

    def allChecked(self) -> bool:
        return not self.uncheckedNodes()

    def noneChecked(self) -> bool:
        return not self.checkedNodes()

    def _on_pressed(self, index: Any) -> None:
        node = self._node_of_row(index.row())
        if node is not None:
            (self.uncheck if node.GetID() in self._checked else self.check)(node)

    def _on_item_changed(self, item: Any) -> None:
        node_id, checked = item.data(NODE_ID_ROLE), item.checkState() == QtCore.Qt.CheckState.Checked
        if node_id and checked != (node_id in self._checked):
            (self._checked.add if checked else self._checked.discard)(node_id)
            self.checkedNodesChanged.emit()


def _nodes_of(scene: Any, node_types: Sequence[str]) -> list[Any]:
    """The nodes of these classes, in the order of the scene."""
    if len(node_types) == 1:  # most boxes, and each asks whenever a node comes or goes: the scene itself is faster
        found = scene.GetNodesByClass(node_types[0])
        found.UnRegister(None)
        return [found.GetItemAsObject(index) for index in range(found.GetNumberOfItems())]
    nodes = (scene.GetNthNode(index) for index in range(scene.GetNumberOfNodes()))
    return [node for node in nodes if any(node.IsA(t) for t in node_types)]
