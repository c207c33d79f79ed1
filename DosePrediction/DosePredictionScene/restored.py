"""A prediction read back from a scene: a saved scene holds the dose and how it was made, and not what was measured."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from DosePredictionLib.dosimetry.goals import GoalSet
from DosePredictionLib.errors import InputError
from DosePredictionLib.inference.options import Provenance
from DosePredictionLib.worker.predictor import Prediction
from DosePredictionScene.dose_node import DOSE_STD_ROLE, predicted_dose_node
from DosePredictionScene.measured import Measured, measured_in_pieces
from DosePredictionScene.patient_from_nodes import patient_in_pieces
from DosePredictionScene.pieces import Pieces
from DosePredictionScene.prediction_request import Request
from DosePredictionScene.scene_result import PROVENANCE_ROLE
from DosePredictionScene.voxels import volume_in_pieces


def restored_in_pieces(request: Request, goals: GoalSet) -> Pieces[Measured]:
    """The prediction on a CT, as the scene holds it, measured anew.

    Args:
        request: the CT with its structures, plan and reference dose as they are now.
        goals: what the doses are held against.

    Raises:
        InputError: there is no prediction, nothing says how it was made, or the structures can't be read.
    """
    dose_node = predicted_dose_node(request.ct_node)
    if dose_node is None:
        raise InputError("No dose has been predicted on this CT.")
    provenance = _provenance(dose_node)
    patient = yield from patient_in_pieces(
        request.ct_node,
        request.segmentation_node,
        dose_node=request.reference_dose_node,
        choices=request.choices,
        plan=request.plan,
    )
    dose = yield from volume_in_pieces(dose_node, np.float32)
    std_node, dose_std = request.ct_node.GetNodeReference(DOSE_STD_ROLE), None
    if std_node is not None:
        dose_std = yield from volume_in_pieces(std_node, np.float32)
    measured = yield from measured_in_pieces(Prediction(patient, dose, dose_std, provenance), goals)
    return measured


def _provenance(dose_node: Any) -> Provenance:
    node = dose_node.GetNodeReference(PROVENANCE_ROLE)
    try:
        return Provenance.from_dict(json.loads(node.GetText()))
    except (AttributeError, ValueError, TypeError) as error:
        raise InputError(f"The scene does not say how {dose_node.GetName()} was made; predict it again.") from error
