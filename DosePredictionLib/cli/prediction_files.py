"""The files that a prediction leaves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from operator import gt
from pathlib import Path

from DosePredictionLib.cli.result_folders import OPENKBP
from DosePredictionLib.dosimetry.goals import GoalSet, evaluate_goals
from DosePredictionLib.dosimetry.tables import write_dvh_csv, write_goals_csv
from DosePredictionLib.errors import InputError
from DosePredictionLib.patient.dicom_reference import DicomReference
from DosePredictionLib.patient.made_by_model import PREDICTION
from DosePredictionLib.patient.writer_dicom_dose import write_rtdose
from DosePredictionLib.patient.writer_dicom_isodose import isodose_levels_gy, write_isodose_contours
from DosePredictionLib.rounding import rounded_text
from DosePredictionLib.worker.predictor import Prediction

#: Of the dose, by their names on the command line, with the suffix of its file.
FORMATS = {"nrrd": ".nrrd", "nifti": ".nii.gz", OPENKBP: ".nrrd", "dicom": ".nrrd"}


def write_outputs(prediction: Prediction, folder: Path, goals: GoalSet, dose_format: str = "nrrd") -> None:
    """Write dose, its standard deviation, the dose before calibration, DVHs, goals and provenance of a prediction."""
    replace(prediction, provenance=replace(prediction.provenance, format=dose_format)).write_provenance(
        folder / PREDICTION
    )
    suffix = FORMATS[dose_format]
    prediction.dose.write(folder / f"dose{suffix}")
    if prediction.dose_std is not None:
        prediction.dose_std.write(folder / f"dose_std{suffix}")
    if prediction.uncalibrated is not None:
        prediction.uncalibrated.write(folder / f"dose_uncalibrated{suffix}")
    write_dvh_csv(prediction.dvhs, folder / "dvh.csv")
    write_goals_csv(evaluate_goals(goals, prediction.patient, prediction.dose, prediction.dvhs), folder / "goals.csv")


def drawn_levels_gy(prediction: Prediction) -> tuple[float, ...]:
    """The isodose levels that a predicted dose reaches, Gy.

    Raises:
        InputError: it reaches none.
    """
    highest_gy = float(prediction.dose.array.max())
    levels = isodose_levels_gy(prediction.patient.prescription_gy)
    reached = tuple(level for level in levels if 0.0 < level <= highest_gy)
    if not reached:
        highest = rounded_text(highest_gy, 1, partial(gt, min(levels)))
        raise InputError(
            f"The predicted dose of {prediction.patient.identifier} reaches none of the isodose levels "
            f"(maximum {highest} Gy, lowest level {min(levels):g} Gy), so nothing was written; "
            "predict without --isodose-contours."
        )
    return reached


def write_dicom_outputs(
    prediction: Prediction, reference: DicomReference, folder: Path, levels_gy: Sequence[float] = ()
) -> None:
    """Write the predicted dose as RTDOSE and the isodose lines of ``levels_gy``, if there are any, as RTSTRUCT."""
    write_rtdose(prediction.dose, reference, folder / "dose.dcm", patient=prediction.patient)
    if levels_gy:
        write_isodose_contours(prediction.dose, levels_gy, reference, folder / "isodoses.dcm")


def write_prediction_report(prediction: Prediction, path: Path, goals: GoalSet, goals_reason: str = "") -> None:
    """Write the page about a prediction."""
    from dataclasses import asdict

    from DosePredictionLib.dosimetry.named_dose import NamedDose
    from DosePredictionLib.report.write import write_report

    made = asdict(prediction.provenance)
    dose = NamedDose("Predicted", prediction.dose, prediction.dose_std, made)
    review = prediction.provenance.review
    write_report(path, prediction.patient, [dose], goals, review, goals_reason=goals_reason)
