"""Display nodes of the doses over a CT that the user has deleted, made anew."""

from __future__ import annotations

from typing import Any

from DosePredictionLib.report.isodose_scale import IsodoseScale
from DosePredictionScene.colours import show_dose_colours
from DosePredictionScene.dose_maps import DIFFERENCE_ROLE, colour_uncertainty, show_differences_from
from DosePredictionScene.dose_node import DOSE_STD_ROLE
from DosePredictionScene.isodose_lines import LEVELS_ATTRIBUTE
from DosePredictionScene.overlay import use_colours_of
from DosePredictionScene.scene_result import prescription_of


def restore_displays(ct_node: Any, dose_node: Any, other_node: Any) -> bool:
    """Colour the predicted dose, its maps and another dose again where they have no display node any more.

    Args:
        ct_node: the CT, with the maps.
        dose_node: its predicted dose.
        other_node: a dose that looks as the predicted one does; None for none.

    Returns:
        Whether there were any: threshold, opacity and what lies over the CT have to be set again.
    """
    std, difference = (ct_node.GetNodeReference(role) for role in (DOSE_STD_ROLE, DIFFERENCE_ROLE))
    lost = [node for node in (dose_node, std, difference, other_node) if node and node.GetVolumeDisplayNode() is None]
    prescription_gy = prescription_of(dose_node)
    if dose_node in lost:
        show_dose_colours(dose_node, _shown_scale(dose_node, prescription_gy))
    if std in lost:
        colour_uncertainty(std, prescription_gy)
    if difference in lost:
        show_differences_from(difference, prescription_gy, 0.0)
    if other_node in lost:
        use_colours_of(dose_node, other_node)
    return bool(lost)


def _shown_scale(dose_node: Any, prescription_gy: float) -> IsodoseScale:
    """That of the dose's isodose lines."""
    levels_gy = [float(level) for level in (dose_node.GetAttribute(LEVELS_ATTRIBUTE) or "").split()]
    if not levels_gy:
        return IsodoseScale.for_prescription(prescription_gy)
    return IsodoseScale.for_levels(levels_gy, prescription_gy)
