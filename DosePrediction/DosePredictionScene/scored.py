"""A predicted dose, and the one beside it, on a scorecard."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from DosePredictionLib.dosimetry.dvh import Dvh, compute_dvh
from DosePredictionLib.dosimetry.scorecard import Scorecard
from DosePredictionLib.dosimetry.scorecard_scoring import ScorecardResult, score_dose
from DosePredictionLib.patient.structure import Structure
from DosePredictionLib.patient.volume import Volume
from DosePredictionLib.worker.predictor import Prediction
from DosePredictionScene.measured import CLINICAL
from DosePredictionScene.pieces import Pieces, in_background


@dataclass(frozen=True)
class Scored:
    """What doses earn on a scorecard.

    Attributes:
        predicted: the predicted dose on the card.
        compared: the dose that it is compared with; None without one.
        compared_label: what that one is called in tables.
    """

    predicted: ScorecardResult
    compared: ScorecardResult | None = None
    compared_label: str = CLINICAL


def scored_in_pieces(
    card: Scorecard, prediction: Prediction, compared: Volume | None, compared_label: str = CLINICAL
) -> Pieces[Scored]:
    """Score a prediction, and a dose beside it (Gy) where there is one, in threads.

    Raises:
        InputError: a dose inside a structure is not a number somewhere.
    """
    patient = prediction.patient
    known = yield from in_background(_known_dvhs, prediction)
    predicted = yield from in_background(score_dose, card, patient, prediction.dose, known)
    if compared is None:
        return Scored(predicted)
    other = yield from in_background(score_dose, card, patient, compared)
    return Scored(predicted, other, compared_label)


def _known_dvhs(prediction: Prediction) -> Callable[[Volume, Structure], Dvh]:
    """DVHs of the predicted dose, computed only for structures that a card makes from others."""
    dvhs, structures = prediction.dvhs, prediction.patient.structures

    def dvh_of(dose: Volume, structure: Structure) -> Dvh:
        measured = structure.name in dvhs and any(structure is one for one in structures)
        return dvhs[structure.name] if measured else compute_dvh(dose, structure)

    return dvh_of
