"""The structures that a dose is measured in. No Qt."""

from __future__ import annotations

from typing import Any

from DosePredictionScene.contours_state import (
    Contours,
    Touched,
    contours_in_pieces,
    contours_touched,
    unless_touched_since,
)
from DosePredictionScene.pieces import Pieces
from DosePredictionScene.predicted_plan import lost_structures, predicted_structures
from DosePredictionScene.segment_choices import choices_digest

from DosePredictionLib.errors import InputError
from DosePredictionPanel.parameters import Parameters


def measured_segmentation(dose: Any, parameters: Parameters) -> Any:
    """The segmentation that a dose was predicted for, as another patient's may be chosen; None where that is gone.

    The chosen one where nothing says for which it was.
    """
    return None if lost_structures(dose) else predicted_structures(dose) or parameters.segmentation


def measured_contours_touched(dose: Any, parameters: Parameters) -> Touched:
    """The last touch of these structures (`contours_touched`)."""
    return contours_touched(measured_segmentation(dose, parameters))


def measured_contours_in_pieces(dose: Any, parameters: Parameters, known: Contours) -> Pieces[Contours]:
    """These structures as they are drawn now (`contours_in_pieces`)."""
    contours = yield from contours_in_pieces(measured_segmentation(dose, parameters), known)
    return contours


def contours_of_patient(dose: Any, parameters: Parameters, contours: Contours) -> Contours:
    """What was drawn of a patient who was read after these contours (`unless_touched_since`)."""
    return unless_touched_since(contours, measured_segmentation(dose, parameters))


def unless_touched(dose: Any, parameters: Parameters, work: Pieces[bool]) -> Pieces[bool]:
    """Go on with work, which was not done (False) where it failed as these structures were touched meanwhile."""
    touched = measured_contours_touched(dose, parameters)
    try:
        done = yield from work
    except InputError:
        if touched == measured_contours_touched(dose, parameters):
            raise
        return False
    return done


def structures_digest(dose: Any, parameters: Parameters) -> str:
    """What its segments are taken for (`choices_digest`); "" where there are none, or one can't be understood."""
    node = measured_segmentation(dose, parameters)
    try:
        return "" if node is None else choices_digest(node.GetSegmentation())
    except InputError:
        return ""
