"""``report``: one page about a dose."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

from DosePredictionLib.cli.dose_options import (
    add_comparison_options,
    case_and_goals,
    comparison_of,
    files_of_dose,
    named_dose,
    tell_warnings,
)
from DosePredictionLib.cli.goal_options import goals_file
from DosePredictionLib.cli.inputs_kept import check_keeps_inputs
from DosePredictionLib.cli.result_folders import check_writable
from DosePredictionLib.cli.streams import said_beside
from DosePredictionLib.dosimetry.dose_file import read_dose_file
from DosePredictionLib.errors import InputError
from DosePredictionLib.report.write import with_reference, write_report
from DosePredictionLib.whole_file import is_stream


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
    parser.add_argument("--dose", required=True, metavar="[NAME=]FILE", help="dose in Gy: NRRD, NIfTI or RTDOSE")
    parser.add_argument("--std", type=Path, metavar="FILE", help="its uncertainty (68 %%), Gy: a dose_std file")
    parser.add_argument("--provenance", type=Path, metavar="FILE", help="its prediction.json")
    parser.add_argument("-o", "--output", required=True, metavar="FILE", help="the HTML file")
    add_comparison_options(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Carry the command out."""
    output = page_file(arguments.output)
    with said_beside(output):
        return _written(arguments, output)


def _written(arguments: argparse.Namespace, output: Path) -> int:
    read = (*files_of_dose(arguments.dose), arguments.std, arguments.provenance, goals_file(arguments))
    check_keeps_inputs(output, arguments.case, read)
    patient, taken = case_and_goals(arguments)
    dose = named_dose(arguments.dose, patient, arguments.provenance)
    if "=" not in arguments.dose or Path(arguments.dose).exists():
        dose = replace(dose, name="Predicted")
    if arguments.std is not None:
        dose = replace(dose, std=read_dose_file(arguments.std, patient.geometry))
    tell_warnings(dose.warnings)
    if not is_stream(output):
        check_writable(output.parent)
    print(taken.sentence)
    comparison = comparison_of(arguments, patient, with_reference(patient, [dose]), taken.goals)
    write_report(output, patient, [dose], taken.goals, goals_reason=taken.reason, comparison=comparison)
    print(f"{patient.identifier}: {output}")
    return 0


def page_file(given: str) -> Path:
    """The page's file.

    Raises:
        InputError: it is a folder, or written as one.
    """
    path = Path(given)
    if path.is_dir() or given.endswith(("/", "\\")):
        raise InputError(f"{given} is a folder; name the report's file, for example {path / 'report.html'}.")
    return path
