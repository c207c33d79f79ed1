"""``scorecard``: what a dose earns on a scorecard."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from DosePredictionLib.cli.dose_options import checked_dose, tell_warnings
from DosePredictionLib.cli.each_case import check_all_done, each_case
from DosePredictionLib.cli.evaluated_dose import EvaluatedDose, prediction_paths, read_predicted_dose
from DosePredictionLib.cli.inputs_kept import check_keeps_inputs
from DosePredictionLib.cli.options_apart import check_apart
from DosePredictionLib.cli.streams import said_beside
from DosePredictionLib.dosimetry.scorecard import Scorecard
from DosePredictionLib.dosimetry.scorecard_reading import find_scorecard
from DosePredictionLib.dosimetry.scorecard_scoring import score_dose
from DosePredictionLib.dosimetry.scorecard_table import (
    PatientTotal,
    format_mean,
    format_scorecard_table,
    write_patient_totals,
    write_scorecard_csv,
)
from DosePredictionLib.errors import InputError
from DosePredictionLib.intended_use import INTENDED_USE
from DosePredictionLib.patient.cases import Case, named_cases
from DosePredictionLib.patient.patient import Patient
from DosePredictionLib.patient.reading import read_patient


def add_parser(commands: Any) -> None:
    """Add the command to the command line."""
    parser = commands.add_parser(
        "scorecard",
        help="score a dose on a scorecard",
        description="Scores a dose of CASE on a scorecard in the JSON format of PlanScoreCard. Rows whose "
        "structure the patient lacks are named and left out. Research use, not for clinical decisions.",
    )
    parser.add_argument("case", metavar="CASE", type=Path, help="a case, as for predict")
    parser.add_argument("--dose", metavar="FILE", type=Path,
                        help="dose in Gy (NRRD, NIfTI, MetaImage or RTDOSE); default: the case's own dose")  # fmt: skip
    parser.add_argument("--scorecard", default="head-and-neck", metavar="NAME_OR_FILE",
                        help="head-and-neck, lung, or a JSON file (default: head-and-neck)")  # fmt: skip
    parser.add_argument("--predictions", metavar="DIR", type=Path,
                        help="CASE is then a folder of cases, whose doses are in DIR: PATIENT.csv, PATIENT/dose.nrrd "
                        "or PATIENT.nrrd (or .nii.gz); prints each score and the mean")  # fmt: skip
    parser.add_argument("-o", "--output", metavar="CSV", type=Path, help="write the result as a table too")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Carry the command out."""
    with said_beside(arguments.output):
        return _scored(arguments)


def _scored(arguments: argparse.Namespace) -> int:
    if arguments.predictions is not None:
        check_apart("--predictions", {"--dose": None}, arguments)
    if arguments.output is not None:
        check_keeps_inputs(arguments.output, arguments.case, [arguments.dose, Path(arguments.scorecard)])
    card = find_scorecard(arguments.scorecard)
    if arguments.predictions is not None:
        return _run_many(arguments, card)
    patient = read_patient(arguments.case)
    tell_warnings(patient.warnings)
    if arguments.dose is not None:
        dose = checked_dose(arguments.dose, patient)
    elif patient.reference_dose is not None:
        dose = patient.reference_dose
    else:
        raise InputError(f"{patient.identifier} has no reference dose; give a dose file with --dose.")
    result = score_dose(card, patient, dose)
    if arguments.output is not None:
        write_scorecard_csv(result, arguments.output)
    print(format_scorecard_table(result))
    return 0


def _run_many(arguments: argparse.Namespace, card: Scorecard) -> int:
    cases = named_cases([arguments.case])
    alone = len(cases) == 1
    if arguments.output is not None:
        read = (path for case in cases for path in prediction_paths(arguments.predictions, case.identifier, alone))
        check_keeps_inputs(arguments.output, None, read)
    if not arguments.predictions.is_dir():
        raise InputError(f"There is no folder {arguments.predictions}; give the folder that holds the predictions.")
    dose_of = partial(read_predicted_dose, arguments.predictions, alone)
    totals: list[PatientTotal] = []
    failures: list[str] = []
    for _, total in each_case(cases, partial(_score_case, dose_of=dose_of, card=card), failures):
        totals.append(total)
        print(f"{total.identifier}: {total.score:.1f} of {total.maximum:g}, {total.percent:.1f} %")
    if not totals:
        raise InputError(f"No case in {arguments.case} could be scored; the reasons stand above.")
    print(format_mean(totals, card))
    print(INTENDED_USE)
    if arguments.output is not None:
        write_patient_totals(totals, arguments.output)
    check_all_done(cases, failures, "scored")
    return 0


def _score_case(case: Case, dose_of: Callable[[Patient], EvaluatedDose], card: Scorecard) -> PatientTotal:
    patient = case.read()
    return PatientTotal.of(card, patient, dose_of(patient).dose)
