"""A prediction read back from a scene: a saved scene holds the dose and how it was made, and not what was measured."""

from __future__ import annotations

import numpy as np

from DosePredictionLib.dosimetry.goals import GoalSet
from DosePredictionLib.errors import InputError
from DosePredictionLib.patient.checks import check_units
from DosePredictionLib.worker.predictor import Prediction
from DosePredictionScene.dose_node import DOSE_STD_ROLE, predicted_dose_node
from DosePredictionScene.measured import Measured, measured_in_pieces
from DosePredictionScene.patient_from_nodes import reference_dose_in_pieces
from DosePredictionScene.pieces import Pieces, in_background
from DosePredictionScene.prediction_request import Request
from DosePredictionScene.provenance_node import provenance_of
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
    provenance = provenance_of(dose_node)
    if provenance is None:
        raise InputError(f"The scene does not say how {dose_node.GetName()} was made; predict it again.")
    patient = yield from request.patient_in_pieces()
    yield from in_background(check_units, patient)
    dose = yield from volume_in_pieces(dose_node, np.float32)
    std_node, dose_std = request.ct_node.GetNodeReference(DOSE_STD_ROLE), None
    if std_node is not None:
        dose_std = yield from volume_in_pieces(std_node, np.float32)
    measured = yield from measured_in_pieces(
        Prediction(patient, dose, dose_std, provenance), goals, reference_label=request.reference_label
    )
    return measured


def measured_again_in_pieces(known: Measured, request: Request, goals: GoalSet) -> Pieces[Measured]:
    """A prediction measured with other goals, for another number of fractions, or beside another dose.

    Args:
        known: the prediction as it was measured before; its patient is not read again: nothing of it has changed.
        request: its reference dose is what the prediction is compared with now; of its plan, the fractions count.
        goals: what the doses are held against now.

    Raises:
        InputError: the other dose is not in Gy, or looks like cGy.
    """
    reference = None
    if request.reference_dose_node is not None:
        reference = yield from reference_dose_in_pieces(request.reference_dose_node)
    fractions = None if request.plan is None else request.plan.fractions
    prediction = known.prediction.beside(reference, fractions)
    yield from in_background(check_units, prediction.patient)
    measured = yield from measured_in_pieces(prediction, goals, reference_label=request.reference_label)
    return measured
