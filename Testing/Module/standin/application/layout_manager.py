"""The layout manager on MRML's view nodes. It draws nothing: its views are the nodes and logics of slicer-core."""

from __future__ import annotations

from typing import Any

import slicer
from PySide6 import QtCore, QtWidgets

from standin.mrml_widgets.scene import qMRMLWidget
from standin.mrml_widgets.views import qMRMLPlotView, qMRMLTableView
from standin.pythonqt.described import stand_in

NEVER_EMITS = (
    "activeMRMLPlotViewNodeChanged(vtkMRMLPlotViewNode*) activeMRMLTableViewNodeChanged(vtkMRMLTableViewNode*)"
    " activeMRMLThreeDViewNodeChanged(vtkMRMLViewNode*) activePlotRendererChanged(vtkRenderer*)"
    " activeTableRendererChanged(vtkRenderer*) activeThreeDRendererChanged(vtkRenderer*)"
    " nodeAboutToBeEdited(vtkMRMLNode*)"
)


@stand_in()
class ctkVTKAbstractView(QtWidgets.QWidget):
    """A view."""

    def forceRender(self) -> None:
        """Nothing is drawn."""

    def scheduleRender(self) -> None:
        """Nothing is drawn."""


@stand_in(silent="resized(QSize)")
class ctkVTKSliceView(ctkVTKAbstractView):
    """A slice view."""


@stand_in()
class qMRMLSliceView(ctkVTKSliceView):
    """A slice view of a slice node."""


@stand_in()
class ctkVTKRenderView(ctkVTKAbstractView):
    """A 3D view."""

    def resetFocalPoint(self) -> None:
        """There is no camera."""

    def lookFromAxis(self, axis: int) -> None:
        """There is no camera."""


@stand_in()
class qMRMLThreeDView(ctkVTKRenderView):
    """A 3D view of a view node."""

    def __init__(self, node: Any) -> None:
        super().__init__()
        self._node = node

    def mrmlViewNode(self) -> Any:
        return self._node

    def resetCamera(self) -> None:
        """There is no camera."""


@stand_in()
class qMRMLAbstractViewWidget(qMRMLWidget):
    """A view with its controller."""

    def __init__(self, node: Any) -> None:
        super().__init__()
        self._node = node

    def mrmlAbstractViewNode(self) -> Any:
        return self._node


@stand_in(silent="nodeAboutToBeEdited(vtkMRMLNode*)")
class qMRMLSliceWidget(qMRMLAbstractViewWidget):
    """A slice view with its controller."""

    def __init__(self, node: Any) -> None:
        super().__init__(node)
        self._view = qMRMLSliceView(self)

    def mrmlSliceNode(self) -> Any:
        return self._node

    def sliceLogic(self) -> Any:
        return slicer.app.applicationLogic().GetSliceLogic(self._node)

    def mrmlSliceCompositeNode(self) -> Any:
        return self.sliceLogic().GetSliceCompositeNode()

    def sliceView(self) -> Any:
        return self._view

    def fitSliceToBackground(self) -> None:
        self.sliceLogic().FitSliceToBackground()


@stand_in()
class qMRMLThreeDWidget(qMRMLAbstractViewWidget):
    """A 3D view with its controller."""

    def mrmlViewNode(self) -> Any:
        return self._node

    def threeDView(self) -> Any:
        return qMRMLThreeDView(self._node)


@stand_in()
class qMRMLPlotWidget(qMRMLAbstractViewWidget):
    """A plot view with its controller."""

    def __init__(self, node: Any) -> None:
        super().__init__(node)
        self._view = qMRMLPlotView(self)
        self._view.setMRMLPlotViewNode(node)

    def mrmlPlotViewNode(self) -> Any:
        return self._node

    def plotView(self) -> Any:
        return self._view


@stand_in()
class qMRMLTableWidget(qMRMLAbstractViewWidget):
    """A table view with its controller."""

    def __init__(self, node: Any) -> None:
        super().__init__(node)
        self._view = qMRMLTableView(self)
        self._view.setMRMLTableNode(node.GetTableNode())

    def mrmlTableViewNode(self) -> Any:
        return self._node

    def tableView(self) -> Any:
        return self._view


@stand_in(silent="layoutChanged()")
class ctkLayoutManager(QtCore.QObject):
    """Lays out views."""


@stand_in()
class ctkLayoutFactory(ctkLayoutManager):
    """Makes and lays out views."""


@stand_in(silent=NEVER_EMITS)
class qMRMLLayoutManager(ctkLayoutFactory):
    """Which views there are, by what the scene's layout node says."""

    def __init__(self, parent: Any = None) -> None:
        super().__init__(parent)
        self._widgets: dict[str, Any] = {}

    layout = property(lambda self: self._layout_node().GetViewArrangement(), lambda self, v: self.setLayout(v))
    threeDViewCount = property(lambda self: len(_view_nodes("vtkMRMLViewNode")))
    plotViewCount = property(lambda self: len(_view_nodes("vtkMRMLPlotViewNode")))
    tableViewCount = property(lambda self: len(_view_nodes("vtkMRMLTableViewNode")))

    def setLayout(self, arrangement: int) -> None:
        if arrangement != self.layout:
            self._layout_node().SetViewArrangement(arrangement)
            self.layoutChanged.emit_as("layoutChanged(int)", arrangement)

    def mrmlScene(self) -> Any:
        return slicer.mrmlScene

    def mrmlSliceLogics(self) -> Any:
        return slicer.app.applicationLogic().GetSliceLogics()

    def sliceViewNames(self) -> list[str]:
        return [node.GetLayoutName() for node in _view_nodes("vtkMRMLSliceNode")]

    def sliceWidget(self, name: str) -> Any:
        found = [node for node in _view_nodes("vtkMRMLSliceNode") if node.GetLayoutName() == name]
        return self._widget(qMRMLSliceWidget, found, 0)

    def threeDWidget(self, index: int) -> Any:
        return self._widget(qMRMLThreeDWidget, _view_nodes("vtkMRMLViewNode"), index)

    def plotWidget(self, index: int) -> Any:
        return self._widget(qMRMLPlotWidget, _view_nodes("vtkMRMLPlotViewNode"), index)

    def tableWidget(self, index: int) -> Any:
        return self._widget(qMRMLTableWidget, _view_nodes("vtkMRMLTableViewNode"), index)

    def resetSliceViews(self) -> None:
        logics = self.mrmlSliceLogics()
        for index in range(logics.GetNumberOfItems()):
            logics.GetItemAsObject(index).FitSliceToBackground()

    def resetThreeDViews(self) -> None:
        """There are no cameras."""

    def setRenderPaused(self, paused: bool) -> None:
        """There are no renderers."""

    def pauseRender(self) -> None:
        self.setRenderPaused(True)

    def resumeRender(self) -> None:
        self.setRenderPaused(False)

    def _layout_node(self) -> Any:
        return slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLLayoutNode")

    def _widget(self, cls: type, nodes: list[Any], index: int) -> Any:
        if not 0 <= index < len(nodes):
            return None
        node = nodes[index]
        found = self._widgets.get(node.GetID())
        if found is None or found.mrmlAbstractViewNode() is not node:
            found = self._widgets[node.GetID()] = cls(node)
        return found


@stand_in(silent="selectModule(QString)")
class qSlicerLayoutManager(qMRMLLayoutManager):
    """The application's layout manager."""


def _view_nodes(class_name: str) -> list[Any]:
    return [node for node in slicer.util.getNodesByClass(class_name) if node.GetClassName() == class_name]
