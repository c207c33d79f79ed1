"""A plot chart node without a screen, drawn as Slicer's plot view draws it."""

from __future__ import annotations

from typing import Any

import numpy as np
import vtk
from vtk.util.numpy_support import numpy_to_vtk

from DosePredictionScene.offscreen.render_window import offscreen_window, picture_of

#: Around the chart, in pixels of the doubled picture.
MARGIN = 24
MOST_TICKS = 16


def chart_picture(chart_node: Any, width: int = 1200, height: int = 760, font_size: int = 18) -> np.ndarray:
    """Draw a vtkMRMLPlotChartNode of scatter series with vtkChartXY.

    Returns:
        (height, width, 3) uint8.
    """
    # Drawn twice as large and averaged: multisampling would smear the edges of VTK's text.
    window = offscreen_window(2 * width, 2 * height, multisamples=0)
    view = vtk.vtkContextView()
    view.SetRenderWindow(window)
    view.GetRenderer().SetBackground(1.0, 1.0, 1.0)
    chart = vtk.vtkChartXY()
    chart.SetAutoSize(False)
    chart.SetSize(vtk.vtkRectf(MARGIN, MARGIN, 2 * width - 2 * MARGIN, 2 * height - 2 * MARGIN))
    view.GetScene().AddItem(chart)
    for index in range(chart_node.GetNumberOfPlotSeriesNodes()):
        _add_series(chart, chart_node.GetNthPlotSeriesNode(index))
    _label(chart, chart_node, 2 * font_size)
    view.Render()
    picture = picture_of(window)
    window.Finalize()
    return picture.reshape(height, 2, width, 2, 3).mean(axis=(1, 3)).astype(np.uint8)


def _add_series(chart: Any, series: Any) -> None:
    plot = chart.AddPlot(vtk.vtkChart.LINE)
    plot.SetInputData(series.GetTableNode().GetTable(), series.GetXColumnName(), series.GetYColumnName())
    plot.SetLabel(series.GetName())
    plot.SetColorF(*series.GetColor())
    plot.SetWidth(2.0 * series.GetLineWidth())
    plot.SetMarkerStyle(series.GetMarkerStyle())
    # A dashed curve has a solid one of its colour beside it, which the legend names.
    plot.SetLegendVisibility(series.GetLineStyle() == series.LineStyleSolid)
    plot.GetPen().SetLineType(series.GetLineStyle())  # MRML numbers its line styles as VTK's pen does


def _label(chart: Any, chart_node: Any, font_size: int) -> None:
    chart.SetTitle(chart_node.GetTitle() if chart_node.GetTitleVisibility() else "")
    chart.GetTitleProperties().SetFontSize(font_size + 2)
    chart.SetShowLegend(chart_node.GetLegendVisibility())
    chart.GetLegend().SetLabelSize(font_size - 4)
    chart.GetLegend().SetInline(False)  # beside the curves, not over them
    axes = (
        (vtk.vtkAxis.BOTTOM, chart_node.GetXAxisTitle(), chart_node.GetXAxisRangeAuto(), chart_node.GetXAxisRange()),
        (vtk.vtkAxis.LEFT, chart_node.GetYAxisTitle(), chart_node.GetYAxisRangeAuto(), chart_node.GetYAxisRange()),
    )
    for position, title, automatic, limits in axes:
        axis = chart.GetAxis(position)
        axis.SetTitle(title or "")
        axis.SetGridVisible(bool(chart_node.GetGridVisibility()))
        axis.GetTitleProperties().SetFontSize(font_size)
        axis.GetLabelProperties().SetFontSize(font_size - 2)
        axis.GetGridPen().SetColor(225, 225, 225)
        axis.GetGridPen().SetWidth(2.0)
        axis.GetPen().SetWidth(2.0)
        if not automatic:
            axis.SetBehavior(vtk.vtkAxis.FIXED)
            axis.SetRange(*limits)
            axis.SetTickLabelAlgorithm(vtk.vtkAxis.TICK_SIMPLE)
            ticks = np.arange(limits[0], limits[1] + 1e-6, _round_step(limits[1] - limits[0]))
            positions = numpy_to_vtk(ticks, deep=True)
            axis.SetCustomTickPositions(positions)


def _round_step(span: float) -> float:
    """A step of 1, 2, 5 or 10 times a power of ten that gives about ten to fifteen ticks."""
    power = 10.0 ** np.floor(np.log10(span / 10.0))
    return float(next(step * power for step in (1.0, 2.0, 5.0, 10.0) if span / (step * power) <= MOST_TICKS))
