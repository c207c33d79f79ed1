"""``figures``: pictures for papers of several systems' doses of one case."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

PICTURES = ("png", "pdf", "svg")


def add_parser(commands: Any) -> None:
    """Add the command to the command line."""
    parser = commands.add_parser(
        "figures",
        help="draw several doses of one case beside its clinical dose, as papers do",
        description="Draws, for the doses given, panels of reference, prediction and reference minus prediction with "
        "colour bars in the axial, coronal and sagittal plane through the targets, and dose-volume histograms (solid: "
        "reference, dashed: prediction), as in ADDiff-Dose's paper; compare and report draw the prediction solid, and "
        "prediction minus reference. Needs matplotlib (the extra train). Research use, not for clinical decisions.",
    )
    parser.add_argument("case", metavar="CASE", type=Path, help="a case with its clinical dose, as predict takes it")
    parser.add_argument("--dose", action="append", required=True, metavar="[NAME=]FILE", dest="doses",
                        help="a predicted dose in Gy (NRRD, NIfTI or RTDOSE), any grid; again for each further "
                        "one")  # fmt: skip
    parser.add_argument("-o", "--output", required=True, type=Path, metavar="OUT",
                        help="folder for the pictures: doses_axial, doses_coronal, doses_sagittal, dvh")  # fmt: skip
    parser.add_argument("--format", choices=PICTURES, default="png", help="of the pictures (default: png)")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Carry the command out."""
    from DosePredictionLib.cli.dose_options import named_dose, tell_warnings
    from DosePredictionLib.cli.result_folders import check_writable
    from DosePredictionLib.dosimetry.named_dose import different_names
    from DosePredictionLib.patient.reading import read_patient
    from DosePredictionLib.report.dose_panels import draw_dose_panels, draw_dvh_panels
    from DosePredictionLib.report.plane import Orientation

    patient = read_patient(arguments.case)
    doses = [named_dose(given, patient) for given in arguments.doses]
    different_names(doses)
    tell_warnings(text for dose in doses for text in dose.warnings)
    check_writable(arguments.output)
    for orientation in Orientation:
        name = f"doses_{orientation.value.lower()}.{arguments.format}"
        draw_dose_panels(patient, doses, arguments.output / name, orientation)
    draw_dvh_panels(patient, doses, arguments.output / f"dvh.{arguments.format}")
    print(f"{patient.identifier}: {arguments.output}")
    return 0
