"""Maps that are looked at beside the dose: its uncertainty, and its difference to a clinical dose."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import slicer

from DosePredictionLib.dosimetry.dose_difference import dose_difference
from DosePredictionScene.colours import GRADIENT_COLOURS, colour_volume, make_user_table
from DosePredictionScene.dose_node import put_image
from DosePredictionScene.owned_nodes import owned_node, remove_owned
from DosePredictionScene.pieces import Pieces, in_background, while_in_scene
from DosePredictionScene.subject_hierarchy import place, study_of
from DosePredictionScene.voxels import image_in_pieces, volume_in_pieces

#: Reference on the CT node.
DIFFERENCE_ROLE = "DosePrediction.DoseDifference"
MAP_COLOURS_ROLE = "DosePrediction.MapColours"
#: The ends of the maps' scales as parts of the prescription.
UNCERTAINTY_END, DIFFERENCE_END = 0.05, 0.10
UNCERTAINTY_START = 0.2
#: Stops of the colour scales, equal steps; the middle of the difference is dark so that the CT shows.
UNCERTAINTY_STOPS = ((0.05, 0.20, 0.50), (0.10, 0.60, 0.60), (0.55, 0.80, 0.25), (1.00, 0.85, 0.10), (1.00, 0.35, 0.10))
DIFFERENCE_STOPS = ((0.30, 0.65, 1.00), (0.05, 0.25, 0.75), (0.05, 0.05, 0.05), (0.75, 0.10, 0.10), (1.00, 0.60, 0.35))


def colour_uncertainty(std_node: Any, prescription_gy: float) -> None:
    """Colour an uncertainty from 0 to 5 % of the prescription; hardly any stays clear."""
    end = UNCERTAINTY_END * prescription_gy
    _colour(std_node, UNCERTAINTY_STOPS, 0.0, end, clear_below_gy=UNCERTAINTY_START * end)


def difference_in_pieces(ct_node: Any, dose_node: Any, clinical_node: Any, prescription_gy: float) -> Pieces[Any]:
    """The predicted less the clinical (or any other) dose on the predicted dose's grid; an earlier map is updated.

    Returns:
        The vtkMRMLScalarVolumeNode, in Gy. It is not marked as a dose.

    Raises:
        InputError: one of the nodes was removed meanwhile.
    """
    work = _difference(ct_node, dose_node, clinical_node, prescription_gy)
    gone = "A dose was removed while the difference was computed, so it is not shown."
    node = yield from while_in_scene((ct_node, dose_node, clinical_node), work, gone)
    return node


def show_differences_from(difference_node: Any, prescription_gy: float, from_gy: float) -> None:
    """Colour a difference map blue where less dose was predicted and red where more; smaller differences stay clear.

    Args:
        difference_node: predicted - clinical, Gy.
        prescription_gy: the scale ends at 10 % of it.
        from_gy: the smallest difference to be seen, either way.
    """
    end = DIFFERENCE_END * prescription_gy
    _colour(difference_node, DIFFERENCE_STOPS, -end, end, clear_within_gy=from_gy)


def _difference(ct_node: Any, dose_node: Any, clinical_node: Any, prescription_gy: float) -> Pieces[Any]:
    predicted = yield from volume_in_pieces(dose_node, np.float32)
    clinical = yield from volume_in_pieces(clinical_node, np.float32)
    difference = yield from in_background(dose_difference, predicted, clinical, predicted.geometry)
    image = yield from image_in_pieces(difference.array)
    name = f"{ct_node.GetName()} dose difference, predicted - {clinical_node.GetName()}"
    node = owned_node(ct_node, DIFFERENCE_ROLE, "vtkMRMLScalarVolumeNode", name)
    node.SetName(name)  # it may have been the difference to another dose before
    put_image(node, image, predicted.geometry, ct_node)
    place(node, study_of(ct_node))
    yield None
    show_differences_from(node, prescription_gy, 0.0)
    return node


def remove_map(ct_node: Any, role: str) -> None:
    """Remove a map with its colours."""
    node = ct_node.GetNodeReference(role)
    if node is not None:
        remove_owned(node, MAP_COLOURS_ROLE)
    remove_owned(ct_node, role)


def _colour(
    node: Any,
    stops: Sequence[tuple[float, float, float]],
    low: float,
    high: float,
    *,
    clear_below_gy: float | None = None,
    clear_within_gy: float = 0.0,
) -> None:
    table = owned_node(node, MAP_COLOURS_ROLE, "vtkMRMLColorTableNode", f"{node.GetName()} colours")
    places = np.linspace(0.0, 1.0, len(stops))
    colours = np.stack(
        [np.interp(np.linspace(0.0, 1.0, GRADIENT_COLOURS), places, channel) for channel in zip(*stops, strict=True)], 1
    )
    with slicer.util.NodeModify(table):
        make_user_table(table, GRADIENT_COLOURS)
        for index, colour in enumerate(colours):
            gray = low + (high - low) * index / (GRADIENT_COLOURS - 1)
            opacity = 0.0 if abs(gray) < clear_within_gy else 1.0
            table.SetColor(index, f"{gray:.2f} Gy", *(float(v) for v in colour), opacity)
    colour_volume(node, table, low, high, clear_below_gy=clear_below_gy)
