"""``report``: one page about a dose."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from DosePredictionLib.cli.dose_options import (
    add_goals_and_gamma,
    gamma_points,
    named_dose,
    read_provenance,
)
from DosePredictionLib.dosimetry.comparison import compare_doses
from DosePredictionLib.dosimetry.dose_file import read_dose_file
from DosePredictionLib.dosimetry.goals import goals_of
from DosePredictionLib.patient.reading import read_patient
from DosePredictionLib.report.write import with_reference, write_report


def add_parser(commands: Any) -> None:
    """Add the command to the command line."""
    parser = commands.add_parser(
        "report",
        help="a page to read and print about a predicted dose",
        description="Writes one HTML file that needs no network and prints well: views, DVHs, goals, comparison with "
        "the case's clinical dose when it has one, uncertainty, warnings, and how the dose was made. Of a dose.nrrd "
        "that predict wrote, dose_std.nrrd and prediction.json beside it are taken too. Research use, not for clinical "
        "decisions.",
    )
    parser.add_argument("case", metavar="CASE", type=Path, help="the case, as predict takes it")
    parser.add_argument("--dose", required=True, metavar="[NAME=]FILE", help="dose in Gy: NRRD, NIfTI or RTDOSE")
    parser.add_argument("--std", type=Path, metavar="FILE", help="its standard deviation in Gy")
    parser.add_argument("--provenance", type=Path, metavar="FILE", help="its prediction.json")
    parser.add_argument("-o", "--output", required=True, type=Path, metavar="FILE", help="the HTML file")
    add_goals_and_gamma(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Carry the command out."""
    points = gamma_points(arguments.gamma_points)
    goals = goals_of(arguments.goals)
    patient = read_patient(arguments.case)
    dose = named_dose(arguments.dose, patient)
    if "=" not in arguments.dose or Path(arguments.dose).exists():
        dose = replace(dose, name="Predicted")
    if arguments.std is not None:
        dose = replace(dose, std=read_dose_file(arguments.std, patient.geometry))
    if arguments.provenance is not None:
        dose = replace(dose, provenance=read_provenance(arguments.provenance))
    made_for = (dose.provenance or {}).get("patient")
    if made_for not in (None, patient.identifier):
        print(f"Warning: prediction.json is about {made_for}, the case is {patient.identifier}.", file=sys.stderr)
    comparison = compare_doses(
        patient, with_reference(patient, [dose]), goals, gamma_points=points, seed=arguments.seed,
        tell=lambda text: print(text, file=sys.stderr),
    )  # fmt: skip
    write_report(arguments.output, patient, [dose], goals, comparison=comparison)
    print(f"{patient.identifier}: {arguments.output}")
    return 0
