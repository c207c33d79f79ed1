"""DVHs as a table, plot series and a chart."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
import slicer

from DosePredictionLib.dosimetry.dvh import BIN_WIDTH_GY, Dvh
from DosePredictionScene.owned_nodes import new_node, owned_node, remove_node
from DosePredictionScene.pieces import Pieces, in_background
from DosePredictionScene.subject_hierarchy import item_of, place
from DosePredictionScene.table_columns import set_columns

TABLE_ROLE = "DosePrediction.DvhTable"
CHART_ROLE = "DosePrediction.DvhChart"
METRICS_ROLE = "DosePrediction.DvhMetricsTable"
DOSE_COLUMN = "Dose [Gy]"
REFERENCE_SUFFIX = " (reference)"
#: Curves of the dose less and plus its uncertainty.
BAND_SUFFIXES = (" (lower band)", " (upper band)")
#: Reference from a chart to the series that it does not show for now.
HIDDEN_ROLE = "DosePrediction.HiddenSeries"
#: Likewise to series while they are made.
NEW_ROLE = "DosePrediction.NewSeries"
#: For a structure whose colour nobody has said.
GREY = (0.5, 0.5, 0.5)
Colour = tuple[float, float, float]


def dvh_chart_in_pieces(
    dose_node: Any,
    dvhs: Mapping[str, Dvh],
    colours: Mapping[str, Colour | None],
    reference_dvhs: Mapping[str, Dvh] | None = None,
    title: str = "DVH of the predicted dose",
    band_dvhs: Mapping[str, tuple[Dvh, Dvh]] | None = None,
) -> Pieces[Any]:
    """The DVH table of a dose, a plot series a structure and the chart.

    Earlier ones are updated, and series of structures that are gone are removed.

    Args:
        dose_node: the dose, which owns all of these.
        dvhs: of the predicted dose, by structure name; drawn solid.
        colours: of the segments, by structure name.
        reference_dvhs: of a reference dose; drawn dashed in the same colours.
        title: of the chart.
        band_dvhs: of the predicted dose less and plus its uncertainty; drawn thin, and hidden until `show_curves`.

    Returns:
        The vtkMRMLPlotChartNode.
    """
    curves = {name: (name, dvh, "solid") for name, dvh in dvhs.items()}
    curves |= {name + REFERENCE_SUFFIX: (name, dvh, "dashed") for name, dvh in (reference_dvhs or {}).items()}
    for name, pair in (band_dvhs or {}).items():
        curves |= {name + suffix: (name, dvh, "thin") for suffix, dvh in zip(BAND_SUFFIXES, pair, strict=True)}
    columns = yield from in_background(_columns, {name: dvh for name, (_, dvh, _) in curves.items()})
    table = owned_node(dose_node, TABLE_ROLE, "vtkMRMLTableNode", f"{dose_node.GetName()} DVH")
    chart = owned_node(dose_node, CHART_ROLE, "vtkMRMLPlotChartNode", f"{dose_node.GetName()} DVH chart")
    set_columns(table, columns)
    for node in (table, chart):
        place(node, item_of(dose_node))
    yield None
    existing = {node.GetName(): node for node in series_nodes(chart)}
    series = []
    for name, (structure, _, line) in curves.items():
        node = existing.pop(name, None) or new_node(dose_node, "vtkMRMLPlotSeriesNode", name)
        chart.AddNodeReferenceID(NEW_ROLE, node.GetID())  # found again should the work end half-way
        _style(node, table, name, colours.get(structure) or GREY, line)
        place(node, item_of(chart))
        series.append(node)
        yield None
    with slicer.util.NodeModify(chart):
        chart.RemoveNodeReferenceIDs(NEW_ROLE)
        chart.RemoveNodeReferenceIDs(HIDDEN_ROLE)
        chart.RemoveAllPlotSeriesNodeIDs()
        for node in series:
            chart.AddAndObservePlotSeriesNodeID(node.GetID())
        for superfluous in existing.values():
            remove_node(superfluous)
        _label(chart, title, float(columns[DOSE_COLUMN][-1]))
    yield None
    show_curves(chart, {name + suffix for name in band_dvhs or {} for suffix in BAND_SUFFIXES})
    return chart


def _columns(dvhs: Mapping[str, Dvh]) -> dict[str, np.ndarray]:
    """Doses in Gy, and for each curve the volume in % that receives at least each of them."""
    highest = max((float(dvh.bin_edges_gy[-1]) for dvh in dvhs.values()), default=0.0)
    doses = np.arange(int(np.ceil(highest / BIN_WIDTH_GY)) + 2) * BIN_WIDTH_GY
    return {DOSE_COLUMN: doses} | {name: dvh.cumulative_percent(doses)[1] for name, dvh in dvhs.items()}


def show_curves(chart: Any, hidden: Collection[str]) -> None:
    """Show all curves of a chart but those of these names; the hidden ones stay in the scene."""
    nodes = series_nodes(chart)
    table = nodes[0].GetTableNode() if nodes else None
    columns = [] if table is None else [table.GetColumnName(index) for index in range(table.GetNumberOfColumns())]
    nodes.sort(key=lambda node: columns.index(node.GetName()) if node.GetName() in columns else len(columns))
    with slicer.util.NodeModify(chart):
        chart.RemoveAllPlotSeriesNodeIDs()
        chart.RemoveNodeReferenceIDs(HIDDEN_ROLE)
        for node in nodes:
            if node.GetName() in hidden:
                chart.AddNodeReferenceID(HIDDEN_ROLE, node.GetID())
            else:
                chart.AddAndObservePlotSeriesNodeID(node.GetID())


def update_metrics_table(dose_node: Any, dvhs: Mapping[str, Dvh]) -> Any:
    """A table with a line a structure: volume, and the dose figures that ICRU Report 83 asks for.

    Returns:
        The vtkMRMLTableNode; doses in Gy.
    """
    columns: dict[str, list[str] | np.ndarray] = {"Structure": list(dvhs)}
    figures = {
        "Volume [cc]": [dvh.volume_cc for dvh in dvhs.values()],
        "Mean [Gy]": [dvh.mean_gy for dvh in dvhs.values()],
        "Min [Gy]": [dvh.min_gy for dvh in dvhs.values()],
        "Max [Gy]": [dvh.max_gy for dvh in dvhs.values()],
        "D98% [Gy]": [dvh.dose_at_volume_percent(98.0) for dvh in dvhs.values()],
        "D95% [Gy]": [dvh.dose_at_volume_percent(95.0) for dvh in dvhs.values()],
        "D50% [Gy]": [dvh.dose_at_volume_percent(50.0) for dvh in dvhs.values()],
        "D2% [Gy]": [dvh.dose_at_volume_percent(2.0) for dvh in dvhs.values()],
        "D0.03cc [Gy]": [dvh.dose_at_volume_cc(0.03) for dvh in dvhs.values()],
    }
    table = owned_node(dose_node, METRICS_ROLE, "vtkMRMLTableNode", f"{dose_node.GetName()} DVH metrics")
    set_columns(table, columns | {name: np.round(np.array(values), 2) for name, values in figures.items()})
    place(table, item_of(dose_node))
    return table


def series_nodes(chart: Any) -> list[Any]:
    """The plot series of a chart, those that it hides for now among them."""
    shown = [chart.GetNthPlotSeriesNode(index) for index in range(chart.GetNumberOfPlotSeriesNodes())]
    others = [
        chart.GetNthNodeReference(role, index)
        for role in (HIDDEN_ROLE, NEW_ROLE)
        for index in range(chart.GetNumberOfNodeReferences(role))
    ]
    return list({node.GetID(): node for node in (*shown, *others) if node is not None}.values())


def _style(series: Any, table: Any, name: str, colour: Colour, line: str) -> None:
    with slicer.util.NodeModify(series):
        series.SetName(name)
        series.SetAndObserveTableNodeID(table.GetID())
        series.SetXColumnName(DOSE_COLUMN)
        series.SetYColumnName(name)
        series.SetPlotType(series.PlotTypeScatter)
        series.SetMarkerStyle(series.MarkerStyleNone)
        series.SetLineStyle(series.LineStyleDash if line == "dashed" else series.LineStyleSolid)
        series.SetLineWidth(1.0 if line == "thin" else 2.5)
        series.SetColor(*colour)


def _label(chart: Any, title: str, highest_gy: float) -> None:
    chart.SetTitle(title)
    chart.SetTitleVisibility(True)
    chart.SetXAxisTitle(DOSE_COLUMN)
    chart.SetYAxisTitle("Volume [%]")
    chart.SetXAxisRangeAuto(False)
    chart.SetXAxisRange(0.0, float(np.ceil(highest_gy / 5.0) * 5.0))
    chart.SetYAxisRangeAuto(False)
    chart.SetYAxisRange(0.0, 102.0)
    chart.SetLegendVisibility(True)
    chart.SetGridVisibility(True)
    chart.SetEnablePointMoveAlongX(False)  # a DVH is looked at, not drawn
    chart.SetEnablePointMoveAlongY(False)
