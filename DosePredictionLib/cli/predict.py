"""``predict``: doses for cases on disk."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from DosePredictionLib.cli.progress_bar import ProgressBar
from DosePredictionLib.dosimetry.goals import GoalSet, bundled_goals, evaluate_goals, read_goals
from DosePredictionLib.dosimetry.tables import format_goals_table, write_dvh_csv, write_goals_csv
from DosePredictionLib.errors import InputError
from DosePredictionLib.inference.options import PredictionOptions
from DosePredictionLib.patient.patient import Patient
from DosePredictionLib.patient.reading import find_cases, read_patient
from DosePredictionLib.patient.writer_openkbp_csv import write_openkbp_dose
from DosePredictionLib.whole_file import whole_file
from DosePredictionLib.worker.predictor import Prediction, PredictionFailed, Predictor

FORMATS = {"nrrd": ".nrrd", "nifti": ".nii.gz", "openkbp": ".nrrd"}


def add_parser(commands: Any) -> None:
    """Add the command to the command line."""
    parser = commands.add_parser(
        "predict",
        help="predict the dose of one or more cases",
        description="Predicts the dose of each CASE on its own CT grid. A CASE is a folder with ct.nrrd, structures "
        "(*.seg.nrrd or one mask a file) and prescription.json, an OpenKBP patient folder of CSV files, a packed "
        "OpenKBP .npz, or a folder that holds such cases. Several cases share one warm process; each then gets a "
        "folder of its own in OUT. Research use, not for clinical decisions.",
    )
    parser.add_argument("cases", nargs="+", metavar="CASE", type=Path, help="a case, or a folder of cases")
    parser.add_argument("-o", "--output", required=True, metavar="OUT", type=Path, help="folder for the results")
    add_model_options(parser)
    parser.add_argument("--goals", default="head-and-neck", metavar="FILE",
                        help="goals for goals.csv: a JSON file or a bundled set (default: head-and-neck)")  # fmt: skip
    parser.add_argument("--format", choices=sorted(FORMATS), default="nrrd",
                        help="of the dose; openkbp adds PATIENT.csv in the challenge's submission layout")  # fmt: skip
    parser.set_defaults(run=run)


def add_model_options(parser: argparse.ArgumentParser) -> None:
    """The options that choose and steer a model."""
    parser.add_argument("--system", default="default", metavar="NAME", help="which system predicts (default: default)")
    parser.add_argument("--weights", metavar="FILE", type=Path, help="weights file instead of the one that ships")
    parser.add_argument("--samples", type=int, metavar="K",
                        help="doses drawn; their mean is the prediction, their spread the uncertainty "
                        "(default: as the weights recommend)")  # fmt: skip
    parser.add_argument("--steps", type=int, metavar="N", help="denoising steps a sample (default: likewise)")
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="seed of the noise (default: 0)")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or mps (default: auto)")


def run(arguments: argparse.Namespace) -> int:
    """Carry the command out."""
    options = PredictionOptions(arguments.samples, arguments.steps, arguments.seed)
    cases = [case for given in arguments.cases for case in find_cases(given)]
    goals = read_goals(arguments.goals) if arguments.goals.endswith(".json") else bundled_goals(arguments.goals)
    output: Path = arguments.output
    check_writable(output)
    failures = 0
    with Predictor(arguments.system, arguments.weights, arguments.device) as predictor:
        predictor.start()
        for case in cases:
            try:
                patient = read_patient(case)
                prediction = predict_with_bar(predictor, patient, options)
            except (InputError, PredictionFailed) as error:
                if len(cases) == 1:
                    raise InputError(str(error)) from error
                failures += 1
                print(f"dose-predict: {case.name}: {error}", file=sys.stderr)
                continue
            folder = output if len(cases) == 1 else output / patient.identifier
            write_outputs(prediction, folder, goals, arguments.format)
            if arguments.format == "openkbp":
                write_openkbp_dose(prediction.dose, output / f"{patient.identifier}.csv")
            if len(cases) == 1:
                print(format_goals_table(evaluate_goals(goals, patient, prediction.dose, prediction.dvhs)))
            for warning in prediction.provenance.warnings:
                print(f"Warning: {warning}", file=sys.stderr)
            print(f"{patient.identifier}: {folder} ({prediction.provenance.seconds['total']:.1f} s)")
    if failures:
        raise InputError(f"{failures} of {len(cases)} cases could not be predicted; the reasons stand above.")
    return 0


def predict_with_bar(predictor: Predictor, patient: Patient, options: PredictionOptions) -> Prediction:
    """Predict one patient with a progress bar."""
    bar = ProgressBar(patient.identifier)
    try:
        return predictor.predict(
            patient, samples=options.samples, steps=options.steps, seed=options.seed, on_progress=bar.show,
            on_message=lambda text: print(text, file=sys.stderr),
        )  # fmt: skip
    finally:
        bar.close()


def write_outputs(prediction: Prediction, folder: Path, goals: GoalSet, dose_format: str = "nrrd") -> None:
    """Write dose, its standard deviation, DVHs, goals and provenance of a prediction."""
    suffix = FORMATS[dose_format]
    prediction.dose.write(folder / f"dose{suffix}")
    if prediction.dose_std is not None:
        prediction.dose_std.write(folder / f"dose_std{suffix}")
    write_dvh_csv(prediction.dvhs, folder / "dvh.csv")
    write_goals_csv(evaluate_goals(goals, prediction.patient, prediction.dose, prediction.dvhs), folder / "goals.csv")
    prediction.write_provenance(folder / "prediction.json")


def check_writable(folder: Path) -> None:
    """Fail before the work rather than after it when a folder can't be written to.

    Raises:
        InputError: it can't.
    """
    probe = folder / ".writable"
    with whole_file(probe) as temporary:
        temporary.write_bytes(b"")
    probe.unlink()
