"""The doses that ``evaluate`` scores: predicted now, or read from a folder of predictions."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from DosePredictionLib.cli.dose_options import checked_dose
from DosePredictionLib.cli.progress_bar import predict_with_bar
from DosePredictionLib.cli.result_folders import RESULT_TABLES
from DosePredictionLib.dosimetry.dose_file import check_is_in_gy
from DosePredictionLib.errors import InputError
from DosePredictionLib.inference.options import PredictionOptions, Provenance
from DosePredictionLib.patient.image_file import image_stem
from DosePredictionLib.patient.made_by_model import check_is_whole, holds_prediction
from DosePredictionLib.patient.patient import Patient
from DosePredictionLib.patient.reader_openkbp_csv import read_openkbp_dose
from DosePredictionLib.patient.volume import Volume
from DosePredictionLib.worker.predictor import Predictor


@dataclass(frozen=True)
class EvaluatedDose:
    """A dose to be scored, in Gy.

    Attributes:
        dose: the dose.
        std: its uncertainty; None where it is not known.
        uncalibrated: the dose before the Adaptive Dose Calibration; None where there was none.
        made: how it was predicted; None for a file.
    """

    dose: Volume
    std: Volume | None = None
    uncalibrated: Volume | None = None
    made: Provenance | None = None

    @property
    def seconds(self) -> float:
        """What the prediction took; NaN for a file."""
        return math.nan if self.made is None else self.made.seconds["total"]


def predict_dose(predictor: Predictor, patient: Patient, options: PredictionOptions) -> EvaluatedDose:
    """Predict a patient's dose, with a progress bar.

    Raises:
        InputError: the patient can't be predicted.
        PredictionFailed: the prediction broke off.
    """
    prediction = predict_with_bar(predictor, patient, options)
    return EvaluatedDose(prediction.dose, prediction.dose_std, prediction.uncalibrated, prediction.provenance)


def prediction_paths(folder: Path, identifier: str, alone: bool) -> list[Path]:
    """Where a patient's dose may lie in a folder of predictions; the first that is there counts.

    Args:
        folder: of the predictions.
        identifier: the patient's.
        alone: there is no other patient, whose dose ``predict`` writes into the folder itself.
    """
    names = [f"{identifier}/dose", identifier, *(["dose"] if alone else [])]
    doses = [folder / f"{name}{suffix}" for name in names for suffix in (".nrrd", ".nii.gz")]
    return [folder / f"{identifier}.csv", *doses]


def read_predicted_dose(folder: Path, alone: bool, patient: Patient) -> EvaluatedDose:
    """Read a patient's dose from a folder of predictions; arguments as those of `prediction_paths`.

    Raises:
        InputError: there is none, or it can't be used.
    """
    table, *doses = prediction_paths(folder, patient.identifier, alone)
    if table.exists() and not (table.name.casefold() in RESULT_TABLES and holds_prediction(folder)):
        dose = read_openkbp_dose(table, patient.geometry)
        check_is_in_gy(dose.array, table)
        return EvaluatedDose(dose)
    for path in doses:
        if path.exists():
            return EvaluatedDose(checked_dose(path, patient, f"{patient.identifier}: "))
    for path in doses:
        if image_stem(path) == "dose":
            check_is_whole(path.parent)
    raise InputError(
        f"There is no prediction for {patient.identifier} in {folder}; expected {table.name} or "
        f"{patient.identifier}/dose.nrrd{', or dose.nrrd' if alone else ''}."
    )
