"""All warnings about a prediction."""

from __future__ import annotations

from collections.abc import Sequence

from DosePredictionLib.patient.patient import Patient
from DosePredictionLib.patient.volume import Volume
from DosePredictionLib.review.anatomy_warnings import anatomy_warnings
from DosePredictionLib.review.dose_warnings import dose_warnings
from DosePredictionLib.review.plan_warnings import organs_looked_for, plan_warnings
from DosePredictionLib.review.position_warnings import position_warnings
from DosePredictionLib.review.review_warning import ReviewWarning
from DosePredictionLib.review.thresholds import Thresholds, read_thresholds


def review_prediction(
    patient: Patient,
    dose: Volume,
    dose_std: Volume | None = None,
    *,
    trained_on: str | None = None,
    channels: Sequence[str] = (),
    thresholds: Thresholds | None = None,
    unusual_percent: float | None = None,
) -> tuple[ReviewWarning, ...]:
    """What a careful physicist would write beside a predicted dose.

    Args:
        patient: a patient with targets and prescriptions.
        dose: Gy, on any grid.
        dose_std: its uncertainty, Gy, on any grid: the half-width of the 68 % interval where it is calibrated, else the
            standard deviation over the samples; None when there is none.
        trained_on: the weights' description of their training data; None when nothing predicted is looked at, and then
            nothing is said about what the weights have seen.
        channels: the weights' channels; organs that are none of them are not missed.
        thresholds: None takes those that ship.
        unusual_percent: mean uncertainty (`measures.mean_std_percent`) from which a prediction of these weights
            is less certain than usual; None takes the threshold, which is that of the default system's weights.

    Returns:
        Warnings about the plan, the anatomy and the dose, in this order; empty for an ordinary patient.
    """
    known = thresholds or read_thresholds()
    found: list[ReviewWarning] = []
    if trained_on is not None:
        trained = known.trained_on(trained_on)
        if trained is not None:
            found += plan_warnings(patient, trained, known, channels)
        else:
            found += [_unknown_training(trained_on), *organs_looked_for(patient, channels)]
    found += anatomy_warnings(patient, known)
    found += position_warnings(patient, known)
    found += dose_warnings(patient, dose, dose_std, known, unusual_percent)
    return tuple(found)


def _unknown_training(description: str) -> ReviewWarning:
    return ReviewWarning(
        "training-unknown",
        "It is not known which plans these weights have seen.",
        "Site, technique and prescription could not be compared with the training data. Ask who trained the weights.",
        {"trained_on": description or "not stated"},
    )
