"""How a dose looks: its colour table, threshold and window, its isodose table, its legend."""

from __future__ import annotations

from typing import Any

import slicer

from DosePredictionLib.report.isodose_scale import IsodoseScale
from DosePredictionScene.owned_nodes import default_display_node, owned_node, undone_with

#: SlicerRT's reference from a dose to its isodose table, and from that to the colours of the dose volume.
COLOUR_TABLE_ROLE = "colorTableRef"
GRADIENT_COLOURS = 256
#: One label at each 10 % of the prescription, from 10 % to 110 %.
LEGEND_LABELS = 11
ABOVE_ALL_DOSES_GY = 1e6


def update_isodose_table(dose_node: Any, scale: IsodoseScale) -> Any:
    """The isodose table of a dose: SlicerRT's Isodose module reads its levels, in Gy, from the colours' names."""
    table = owned_node(dose_node, COLOUR_TABLE_ROLE, "vtkMRMLColorTableNode", f"{dose_node.GetName()} isodose levels")
    with slicer.util.NodeModify(table):
        make_user_table(table, len(scale.levels_gy))
        table.SetHideFromEditors(False)
        for index, (level, colour) in enumerate(zip(scale.levels_gy, scale.colours, strict=True)):
            table.SetColor(index, f"{level:g}", *colour, 1.0)
    return table


def update_dose_table(dose_node: Any, scale: IsodoseScale) -> Any:
    """The colours of a dose volume, from the first isodose level to the last; each level has its isodose's colour."""
    isodose_table = dose_node.GetNodeReference(COLOUR_TABLE_ROLE)
    name = f"{dose_node.GetName()} colours"
    table = owned_node(isodose_table, COLOUR_TABLE_ROLE, "vtkMRMLColorTableNode", name)
    with slicer.util.NodeModify(table):
        make_user_table(table, GRADIENT_COLOURS)
        table.SetHideFromEditors(False)
        for index, (dose, *colour) in enumerate(scale.gradient(GRADIENT_COLOURS)):
            table.SetColor(index, f"{dose:.2f} Gy", *(float(v) for v in colour), 1.0)
    return table


def show_dose_colours(dose_node: Any, scale: IsodoseScale) -> None:
    """Colour a dose volume: clear below the first isodose level, window from the first to the last."""
    update_isodose_table(dose_node, scale)
    table = update_dose_table(dose_node, scale)
    colour_volume(dose_node, table, scale.first_gy, scale.last_gy, clear_below_gy=scale.first_gy)


def colour_volume(node: Any, table: Any, low_gy: float, high_gy: float, *, clear_below_gy: float | None = None) -> None:
    """Show a volume in the colours of a table.

    Args:
        node: the volume.
        table: its colours.
        low_gy, high_gy: the window, which the table's first and last colour stand for.
        clear_below_gy: see `show_between`; None leaves that as it is.
    """
    display = default_display_node(node)
    with slicer.util.NodeModify(display):
        display.SetAndObserveColorNodeID(table.GetID())
        display.AutoWindowLevelOff()
        display.SetWindowLevelMinMax(low_gy, high_gy)
        if clear_below_gy is not None:
            show_between(display, clear_below_gy)


def show_between(display: Any, lowest_gy: float, highest_gy: float = ABOVE_ALL_DOSES_GY) -> None:
    """Let a volume's display node show these doses and leave others clear."""
    display.AutoThresholdOff()
    display.SetThreshold(lowest_gy, highest_gy)
    display.ApplyThresholdOn()


def update_legend(dose_node: Any) -> Any:
    """The colour legend of a dose, in Gy."""
    default_display_node(dose_node)  # without one, there is no legend
    logic = slicer.modules.colors.logic()
    legend = logic.GetColorLegendDisplayNode(dose_node) or logic.AddDefaultColorLegendDisplayNode(dose_node)
    undone_with(dose_node, legend)
    with slicer.util.NodeModify(legend):
        legend.SetTitleText("Dose [Gy]")
        legend.SetLabelFormat("%.0f")
        legend.SetNumberOfLabels(LEGEND_LABELS)
        legend.SetMaxNumberOfColors(GRADIENT_COLOURS)
        legend.SetSize(0.13, 0.6)
        legend.SetPosition(0.98, 0.5)
        legend.GetTitleTextProperty().SetFontSize(13)
        legend.GetLabelTextProperty().SetFontSize(12)
        legend.SetVisibility(True)
    return legend


def make_user_table(table: Any, count: int) -> None:
    """Make a colour table one of ``count`` colours that may be changed and is saved with the scene."""
    table.SetTypeToUser()
    table.SetNumberOfColors(count)
    table.GetLookupTable().SetTableRange(0, count - 1)
    table.SaveWithSceneOn()
