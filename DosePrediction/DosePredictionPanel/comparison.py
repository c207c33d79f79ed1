"""Which dose a prediction is compared with: the clinical one, or another in the scene. No Qt."""

from __future__ import annotations

from typing import Any

import slicer
from DosePredictionScene.dose_node import DOSE_VOLUME_ATTRIBUTE, predicted_dose_node
from DosePredictionScene.kept_dose import kept_for
from DosePredictionScene.measured import CLINICAL, COMPARED
from DosePredictionScene.scene_result import PRESCRIPTION_ATTRIBUTE
from slicer.i18n import tr as _

from DosePredictionPanel.parameters import Parameters


def other_doses(parameters: Parameters) -> list[Any]:
    """Dose volumes besides the clinical one that the prediction can be compared with: kept predictions and imports."""
    ct = parameters.ct
    if ct is None:
        return []
    predicted = predicted_dose_node(ct)
    nodes = slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")
    return [
        node for node in nodes
        if node.GetAttribute(DOSE_VOLUME_ATTRIBUTE)
        and node is not predicted and node is not parameters.clinical_dose
        and kept_for(node) in (None, ct)
        and not node.GetAttribute(PRESCRIPTION_ATTRIBUTE)  # predicted on another CT
    ]  # fmt: skip


def compared_dose(parameters: Parameters) -> Any:
    """The dose to compare with: the chosen one, else the clinical one; None where there is none."""
    if parameters.compared is not None and parameters.compared in other_doses(parameters):
        return parameters.compared
    clinical = parameters.clinical_dose
    if clinical is None or parameters.ct is None:
        return None
    if clinical is parameters.ct or clinical is predicted_dose_node(parameters.ct):
        return None
    return clinical


def compared_label(parameters: Parameters) -> str:
    """What tables call the dose to compare with."""
    other = compared_dose(parameters)
    return CLINICAL if other is None or other is parameters.clinical_dose else COMPARED


def compared_name(parameters: Parameters) -> str:
    """What people call it."""
    other = compared_dose(parameters)
    return _("clinical") if other is None or other is parameters.clinical_dose else str(other.GetName())
