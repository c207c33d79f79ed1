"""What lies over the CT, and how the CT itself is shown."""

from __future__ import annotations

from typing import Any

import slicer

from DosePredictionScene.colours import show_between, update_legend
from DosePredictionScene.isodose_lines import ISODOSE_ROLE
from DosePredictionScene.owned_nodes import default_display_node

#: Width and level in HU by name.
WINDOWS = {
    "soft tissue": (400.0, 40.0),
    "head and neck": (350.0, 50.0),
    "brain": (80.0, 40.0),
    "bone": (2000.0, 300.0),
    "lung": (1500.0, -600.0),
    "all": (3000.0, 500.0),
}


def show_overlay(node: Any, opacity: float) -> None:
    """Show a volume over the CT in all slice views; None shows the CT alone."""
    slicer.util.setSliceViewerLayers(foreground=node, foregroundOpacity=opacity)


def show_ct(ct_node: Any, keep: Any) -> None:
    """Show another CT in all slice views, without what lay over the one before.

    Args:
        ct_node: the CT.
        keep: its dose, whose isodose lines stay as they are; None without one. Those of other CTs' doses are hidden.
    """
    slicer.util.setSliceViewerLayers(background=ct_node, foreground=None)
    for dose in slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode"):
        lines = dose.GetNodeReference(ISODOSE_ROLE)
        if lines is not None and dose is not keep and lines.GetDisplayNode() is not None:
            lines.GetDisplayNode().SetVisibility2D(False)
            lines.GetDisplayNode().SetVisibility3D(False)


def show_only_legend(node: Any, others: list[Any], title: str) -> None:
    """Show the colour legend of a volume and hide those of the others; None hides all."""
    logic = slicer.modules.colors.logic()
    for other in others:
        legend = logic.GetColorLegendDisplayNode(other) if other is not None and other is not node else None
        if legend is not None:
            legend.SetVisibility(False)
    if node is not None:
        update_legend(node).SetTitleText(title)


def use_threshold(dose_node: Any, gray: float) -> None:
    """Show a dose from this dose on."""
    display = default_display_node(dose_node)
    with slicer.util.NodeModify(display):
        show_between(display, gray)


def use_colours_of(dose_node: Any, node: Any) -> None:
    """Let a volume look as a dose does: the same colours, window and threshold."""
    display, source = default_display_node(node), dose_node.GetDisplayNode()
    with slicer.util.NodeModify(display):
        display.SetAndObserveColorNodeID(source.GetColorNodeID())
        display.AutoWindowLevelOff()
        display.SetWindowLevelMinMax(source.GetWindowLevelMin(), source.GetWindowLevelMax())
        show_between(display, source.GetLowerThreshold(), source.GetUpperThreshold())


def use_window(ct_node: Any, name: str) -> None:
    """Show a CT in one of `WINDOWS`."""
    display = default_display_node(ct_node)
    width, level = WINDOWS[name]
    with slicer.util.NodeModify(display):
        display.AutoWindowLevelOff()
        display.SetWindowLevel(width, level)
