"""What the views show: CT with the dose over it, the DVH chart, the goals table."""

from __future__ import annotations

from typing import Any

import numpy as np
import slicer

DOSE_OPACITY = 0.4
PLOT_VIEW, THREE_D_VIEW = "vtkMRMLPlotViewNode", "vtkMRMLViewNode"
Point = tuple[float, float, float]


def show_layers(ct_node: Any, dose_node: Any) -> None:
    """Show the dose over the CT in all slice views."""
    slicer.util.setSliceViewerLayers(background=ct_node, foreground=dose_node, foregroundOpacity=DOSE_OPACITY)


def show_chart_and_table(chart_node: Any, table_node: Any) -> None:
    """Show a chart in the plot views and a table in the table views."""
    logic = slicer.app.applicationLogic()
    selection = logic.GetSelectionNode()
    selection.SetActivePlotChartID(chart_node.GetID())
    selection.SetActiveTableID(table_node.GetID())
    logic.PropagatePlotChartSelection()
    logic.PropagateTableSelection()


def four_up_with_plot_and_table() -> None:
    """Switch to the layout of three slice views, a plot and a table.

    A layout with a plot and a 3D view is left: this one has no 3D view, and goals are in the panel, too.
    """
    layout = _layout_node()
    if layout is not None and not (_shows(layout, PLOT_VIEW) and _shows(layout, THREE_D_VIEW)):
        layout.SetViewArrangement(slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpPlotTableView)


def lay_out_3d_view() -> bool:
    """Switch to a layout of three slice views, a plot and a 3D view unless a 3D view is laid out; whether it did."""
    layout = _layout_node()
    if layout is None or _shows(layout, THREE_D_VIEW):
        return False
    layout.SetViewArrangement(slicer.vtkMRMLLayoutNode.SlicerLayoutConventionalPlotView)
    return True


def _layout_node() -> Any:
    """None in an application without a main window."""
    return slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLLayoutNode")


def _shows(layout: Any, view_class: str) -> bool:
    return f'"{view_class}"' in (layout.GetCurrentLayoutDescription() or "")


def fit_slices_to(ct_node: Any, centre_ras: Point) -> None:
    """Fit all slice views to the CT and go through a point of the world (RAS, mm)."""
    logics = slicer.app.applicationLogic().GetSliceLogics()
    for index in range(logics.GetNumberOfItems() if logics is not None else 0):
        logics.GetItemAsObject(index).FitSliceToBackground()
    for node in slicer.util.getNodesByClass("vtkMRMLSliceNode"):
        node.JumpSliceByOffsetting(*centre_ras)


def ras_of_lps(point_lps: np.ndarray) -> Point:
    """A point of the library as Slicer says it."""
    x, y, z = (float(v) for v in point_lps)
    return (-x, -y, z)
