"""A predicted dose held against goals and beside a clinical dose."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from DosePredictionLib.dosimetry.dvh import Dvh
from DosePredictionLib.dosimetry.goals import GoalResult, GoalSet, evaluate_goals
from DosePredictionLib.worker.predictor import Prediction, patient_dvhs
from DosePredictionScene.pieces import Pieces, in_background

#: What a reference dose is called in tables: the clinical one, or any other.
CLINICAL, COMPARED = "Clinical", "Compared"


@dataclass(frozen=True)
class Measured:
    """A prediction and what was found in it.

    Attributes:
        prediction: dose and patient.
        goals: the predicted dose held against the goals.
        reference_dvhs: DVHs of the reference dose by structure name; None without one.
        reference_goals: the reference dose held against the same goals; None without one.
        reference_label: what the reference dose is called in tables.
    """

    prediction: Prediction
    goals: tuple[GoalResult, ...] = ()
    reference_dvhs: Mapping[str, Dvh] | None = None
    reference_goals: tuple[GoalResult, ...] | None = None
    reference_label: str = CLINICAL


def measured_in_pieces(prediction: Prediction, goals: GoalSet, *, reference_label: str = CLINICAL) -> Pieces[Measured]:
    """Measure a prediction, and its patient's reference dose where there is one, in threads."""
    patient = prediction.patient
    dvhs = yield from in_background(lambda: prediction.dvhs)
    results = yield from in_background(evaluate_goals, goals, patient, prediction.dose, dvhs)
    if patient.reference_dose is None:
        return Measured(prediction, tuple(results))
    reference_dvhs = yield from in_background(patient_dvhs, patient, patient.reference_dose)
    reference = yield from in_background(evaluate_goals, goals, patient, patient.reference_dose, reference_dvhs)
    return Measured(prediction, tuple(results), reference_dvhs, tuple(reference), reference_label)
