"""``predict``: doses for cases on disk."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from DosePredictionLib.cli.each_case import check_all_done, each_case
from DosePredictionLib.cli.goal_options import TakenGoals, add_goals_option, goals_for, named_goals
from DosePredictionLib.cli.model_options import add_model_options, chosen_calibration, chosen_system
from DosePredictionLib.cli.options_apart import check_apart
from DosePredictionLib.cli.prediction_files import (
    FORMATS,
    drawn_levels_gy,
    write_dicom_outputs,
    write_outputs,
    write_prediction_report,
)
from DosePredictionLib.cli.progress_bar import predict_with_bar
from DosePredictionLib.cli.result_folders import (
    OPENKBP,
    check_earlier_predictions,
    check_modality_files,
    check_no_new_case,
    check_openkbp_tables,
    check_writable,
    result_folders,
)
from DosePredictionLib.cli.results_at_once import moved_when_whole, results_at_once
from DosePredictionLib.dosimetry.goals import evaluate_goals
from DosePredictionLib.dosimetry.tables import format_goals_table
from DosePredictionLib.errors import InputError
from DosePredictionLib.inference.options import PredictionOptions
from DosePredictionLib.patient.cases import Case, named_cases
from DosePredictionLib.patient.dicom_reference import DicomReference
from DosePredictionLib.patient.writer_openkbp_csv import check_openkbp_grid, write_openkbp_dose
from DosePredictionLib.worker.predictor import Prediction, Predictor

#: What is done with a dose alone, with the defaults.
DOSE_DEFAULTS = {
    "--calibrate": False, "--calibration-weights": None, "--goals": None, "--format": "nrrd",
    "--isodose-contours": False, "--report": False,
}  # fmt: skip


def add_parser(commands: Any) -> None:
    """Add the command to the command line."""
    parser = commands.add_parser(
        "predict",
        help="predict the dose of one or more cases",
        description="Predicts the dose of each CASE on its own CT grid. A CASE is a folder with ct.nrrd, structures "
        "(*.seg.nrrd or one mask a file) and prescription.json, a folder of DICOM files (CT, RTSTRUCT, RTPLAN, RTDOSE) "
        "or one RTPLAN or RTSTRUCT file of it, an OpenKBP patient folder of CSV files, a packed OpenKBP or a GDP-HMM "
        ".npz, or a folder that holds such cases. Several cases share one warm process; each then gets a "
        "folder of its own in OUT. Research use, not for clinical decisions.",
    )
    parser.add_argument("cases", nargs="+", metavar="CASE", type=Path, help="a case, or a folder of cases")
    parser.add_argument("-o", "--output", required=True, metavar="OUT", type=Path, help="folder for the results")
    add_model_options(parser)
    add_goals_option(parser)
    parser.add_argument("--format", choices=sorted(FORMATS), default="nrrd",
                        help="of the dose; openkbp adds PATIENT.csv in the challenge's submission layout, dicom (for "
                        "DICOM cases) adds dose.dcm, an RTDOSE in the CT's frame of reference")  # fmt: skip
    parser.add_argument("--isodose-contours", action="store_true",
                        help="with --format dicom: also isodoses.dcm, an RTSTRUCT of isodose lines")  # fmt: skip
    parser.add_argument("--report", action="store_true", help="also write report.html, a page to read and print")
    parser.add_argument("--target", default="dose", metavar="MODALITY",
                        help="dose, or with --system diffkt3d another modality (ct, ptv, oar, body, beam, angle), "
                        "which is sampled from the others and written as MODALITY.nrrd, on the model's grid cut to a "
                        "box around the body, and MODALITY.json says how it was made and what its voxels hold "
                        "(default: dose)")  # fmt: skip
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Carry the command out."""
    if arguments.target != "dose":
        check_apart(f"--target {arguments.target}", DOSE_DEFAULTS, arguments)
    options = PredictionOptions(arguments.samples, arguments.steps, arguments.seed)
    cases = named_cases(arguments.cases)
    if arguments.target != "dose":
        return run_modality(arguments, options, cases)
    named = named_goals(arguments)
    output: Path = arguments.output
    if arguments.isodose_contours and arguments.format != "dicom":
        raise InputError("Isodose contours are written as DICOM only; add --format dicom.")
    others = [case for case in cases if arguments.format == "dicom" and not case.is_dicom]
    if others:
        raise InputError(
            f"{others[0].path} is not a DICOM case, so there is no patient and frame of reference for an RTDOSE file; "
            "choose the format nrrd or nifti."
        )
    folders = result_folders(cases, output)
    check_earlier_predictions(folders)
    folder_of = dict(zip(cases, folders, strict=True))
    if arguments.format == OPENKBP:
        check_openkbp_tables(cases, folders, output)
    check_writable(output)
    failures: list[str] = []
    told = ""  # of the goals, said anew where they change from case to case
    calibrate = chosen_calibration(arguments)
    with Predictor(chosen_system(arguments), arguments.weights, arguments.device, calibrate=calibrate) as predictor:
        predictor.start()

        def predicted(case: Case) -> tuple[Prediction, TakenGoals]:
            patient = case.read()
            if arguments.format == OPENKBP:
                check_openkbp_grid(patient.geometry)
            reference = DicomReference.of_case(case.path) if arguments.format == "dicom" else None
            prediction = predict_with_bar(predictor, patient, options)
            levels_gy = drawn_levels_gy(prediction) if arguments.isodose_contours else ()
            patient = prediction.patient  # without the organs that the model did not see
            taken = goals_for(patient, named)
            table = output / f"{patient.identifier}.csv"
            with results_at_once(folder_of[case], table) as folder:
                write_outputs(prediction, folder, taken.goals, arguments.format)
                if reference is not None:
                    write_dicom_outputs(prediction, reference, folder, levels_gy)
                if arguments.report:
                    write_prediction_report(prediction, folder / "report.html", taken.goals, taken.reason)
                if arguments.format == OPENKBP:
                    write_openkbp_dose(prediction.dose, folder / OPENKBP / table.name)
            return prediction, taken

        for case, (prediction, taken) in each_case(cases, predicted, failures):
            patient = prediction.patient
            if taken.sentence != told:
                told = taken.sentence
                print(told)
            if len(cases) == 1:
                print(format_goals_table(evaluate_goals(taken.goals, patient, prediction.dose, prediction.dvhs)))
            for warning in prediction.provenance.warnings:
                print(f"Warning: {warning}", file=sys.stderr)
            print(f"{patient.identifier}: {folder_of[case]} ({prediction.provenance.seconds['total']:.1f} s)")
    check_all_done(cases, failures, "predicted")
    return 0


def run_modality(arguments: argparse.Namespace, options: PredictionOptions, cases: Sequence[Case]) -> int:
    """Sample another modality than the dose. Nothing but this command asks for it, so it runs in this very process."""
    from DosePredictionLib.inference.device import choose_device
    from DosePredictionLib.inference.modality import (
        TARGETS,
        check_restores_modalities,
        modality_provenance,
        modality_warning,
        modality_weights,
        predict_modality,
    )
    from DosePredictionLib.inference.weights import load_weights

    if arguments.target not in TARGETS:
        raise InputError(f"There is no modality {arguments.target!r}; choose dose or one of {', '.join(TARGETS)}.")
    folder_of = dict(zip(cases, result_folders(cases, arguments.output), strict=True))
    check_modality_files(folder_of.values(), arguments.target)
    if arguments.target == "ct":
        check_no_new_case(arguments.cases, cases, folder_of.values())
    check_writable(arguments.output)
    system = chosen_system(arguments)
    loaded = load_weights(arguments.weights or modality_weights(system))
    if warning := modality_warning(loaded):
        print(f"Warning: {warning}", file=sys.stderr)
    # What no case can be sampled with is told once.
    check_restores_modalities(loaded)
    device = choose_device(arguments.device, lambda text: print(text, file=sys.stderr))

    def sampled(case: Case) -> Path:
        patient = case.read()
        made = modality_provenance(loaded, patient, arguments.target, options)
        volume = predict_modality(loaded, patient, arguments.target, options, str(device))
        image = f"{arguments.target}.nrrd"
        with moved_when_whole(folder_of[case]) as folder:
            made.write(folder / f"{arguments.target}.json")
            volume.write(folder / image)
        return folder_of[case] / image

    failures: list[str] = []
    for case, path in each_case(cases, sampled, failures):
        print(f"{case.identifier}: {path} (research use, not for clinical decisions)")
    check_all_done(cases, failures, "sampled")
    return 0
