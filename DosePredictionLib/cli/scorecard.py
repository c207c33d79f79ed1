"""``scorecard``: what a dose earns on a scorecard."""

from __future__ import annotations

import argparse
import csv
from pathlib import Path
from typing import Any

from DosePredictionLib.dosimetry.dose_file import read_dose_file
from DosePredictionLib.dosimetry.scorecard import Scorecard
from DosePredictionLib.dosimetry.scorecard_reading import find_scorecard
from DosePredictionLib.dosimetry.scorecard_scoring import score_dose
from DosePredictionLib.dosimetry.scorecard_table import format_scorecard_table, write_scorecard_csv
from DosePredictionLib.errors import InputError
from DosePredictionLib.patient.reading import find_cases, read_patient
from DosePredictionLib.whole_file import whole_file


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
                        help="dose in Gy (NRRD, NIfTI, MetaImage); default: the case's own dose")  # fmt: skip
    parser.add_argument("--scorecard", default="head-and-neck", metavar="NAME_OR_FILE",
                        help="head-and-neck, lung, or a JSON file (default: head-and-neck)")  # fmt: skip
    parser.add_argument("--predictions", metavar="DIR", type=Path,
                        help="CASE is then a folder of cases, whose doses are DIR/PATIENT/dose.nrrd as predict writes "
                        "them; prints each one's score and the mean")  # fmt: skip
    parser.add_argument("-o", "--output", metavar="CSV", type=Path, help="write the result as a table too")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Carry the command out."""
    card = find_scorecard(arguments.scorecard)
    if arguments.predictions is not None:
        return _run_many(arguments, card)
    patient = read_patient(arguments.case)
    if arguments.dose is not None:
        dose = read_dose_file(arguments.dose, patient.geometry)
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
    rows = []
    for case in find_cases(arguments.case):
        patient = read_patient(case)
        dose = read_dose_file(arguments.predictions / patient.identifier / "dose.nrrd", patient.geometry)
        result = score_dose(card, patient, dose)
        rows.append((patient.identifier, result.score, result.maximum, result.percent))
        print(f"{patient.identifier}: {result.score:.1f} of {result.maximum:g}, {result.percent:.1f} %")
    mean = sum(row[3] for row in rows) / len(rows)
    print(f"{len(rows)} patients: {mean:.2f} % on average ({card.name})")
    if arguments.output is not None:
        with whole_file(arguments.output) as path, open(path, "w", newline="", encoding="utf-8") as stream:
            writer = csv.writer(stream)
            writer.writerow(["patient", "score", "maximum", "percent"])
            writer.writerows([name, f"{score:.3f}", f"{most:g}", f"{part:.3f}"] for name, score, most, part in rows)
            writer.writerow(["mean", "", "", f"{mean:.3f}"])
    return 0
