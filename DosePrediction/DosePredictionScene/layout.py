"""What the views show: CT with the dose over it, the DVH chart, the goals table."""

from __future__ import annotations

from typing import Any

import numpy as np
import slicer

DOSE_OPACITY = 0.4
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
    """Switch to the layout of three slice views, a plot and a table."""
    layout = slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLLayoutNode")
    if layout is not None:  # an application without a main window has no layout
        layout.SetViewArrangement(slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpPlotTableView)


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
