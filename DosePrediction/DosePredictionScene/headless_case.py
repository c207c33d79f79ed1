"""From a case folder to a scene, pictures, tables and the dose."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

import slicer

from DosePredictionLib.cli.goal_options import goals_for, named_goals
from DosePredictionLib.cli.model_options import chosen_calibration, chosen_system
from DosePredictionLib.cli.prediction_files import write_outputs
from DosePredictionLib.cli.progress_bar import ProgressBar
from DosePredictionLib.cli.result_folders import (
    check_earlier_predictions,
    check_writable,
    result_folders,
)
from DosePredictionLib.cli.results_at_once import results_at_once
from DosePredictionLib.dosimetry.goals import evaluate_goals
from DosePredictionLib.dosimetry.tables import format_goals_table
from DosePredictionLib.errors import InputError
from DosePredictionLib.patient.cases import Case
from DosePredictionLib.patient.reading import read_patient
from DosePredictionLib.whole_file import move_onto, partial_folder
from DosePredictionLib.worker.predictor import PredictionFailed, Predictor
from DosePredictionScene.nodes_from_patient import PatientNodes, nodes_from_patient
from DosePredictionScene.offscreen.chart_picture import chart_picture
from DosePredictionScene.offscreen.png_file import write_png
from DosePredictionScene.offscreen.render_window import require_drawing
from DosePredictionScene.offscreen.views_picture import views_picture
from DosePredictionScene.patient_from_nodes import PlanContext
from DosePredictionScene.prediction_request import ModelChoice, Request
from DosePredictionScene.prediction_run import PredictionRun, Shown

CONTENTS = {
    "scene.mrb": "open it in Slicer: CT, structures, dose, isodoses, DVH, goals",
    "views.png": "axial, coronal and sagittal slices, rendered by slicer-core",
    "dvh.png": "dose-volume histograms",
    "goals.csv": "the goals above",
    "dvh.csv": "dose-volume histograms as numbers",
    "dose.nrrd": "dose in Gy on the CT's grid",
    "dose_uncalibrated.nrrd": "the dose before its calibration, Gy",
    "dose_std.nrrd": "by how much the dose may be off (68 %), from the samples' spread, Gy",
    "prediction.json": "how the dose was made",
}


def predict_case(options: argparse.Namespace, make_predictor: Callable[[], Predictor] | None = None) -> Shown:
    """Predict ``options.case`` into ``options.output`` and tell what came of it.

    Args:
        options: as `headless.argument_parser` gives them.
        make_predictor: replaces the prediction process (tests).

    Raises:
        InputError: the case, the weights or the output can't be used.
    """
    check_earlier_predictions(result_folders([Case(options.case, options.case.name)], options.output))
    check_writable(options.output)
    require_drawing()
    named = named_goals(options)  # a goal file that can't be read is told of before the work, not after it
    run = PredictionRun(make_predictor)
    run.use_model(ModelChoice(chosen_system(options), options.weights, options.device, chosen_calibration(options)))
    patient = read_patient(options.case)
    taken = goals_for(patient, named)
    run.use_goals(options.goals or taken.goals.name)
    nodes = nodes_from_patient(patient)
    bar = ProgressBar(patient.identifier)
    try:
        request = Request(
            nodes.ct, nodes.segmentation, nodes.reference_dose, plan=PlanContext.of_patient(patient),
            samples=options.samples, steps=options.steps, seed=options.seed, source=patient,
        )  # fmt: skip
        shown = run.predict(request, on_progress=bar.show, on_message=lambda text: print(text, file=sys.stderr))
    except PredictionFailed as error:
        raise InputError(str(error)) from error
    finally:
        bar.close()
        run.close()
    prediction = shown.prediction
    with results_at_once(options.output) as folder:
        write_outputs(prediction, folder, taken.goals)
        write_pictures(nodes, shown, folder)
        write_scene(folder / "scene.mrb")
    print(taken.sentence)
    print(format_goals_table(evaluate_goals(taken.goals, prediction.patient, prediction.dose, prediction.dvhs)))
    for warning in prediction.provenance.warnings:
        print(f"Warning: {warning}", file=sys.stderr)
    print(f"\nIn {options.output.resolve()}:")
    optional = {"dose_std.nrrd": prediction.dose_std, "dose_uncalibrated.nrrd": prediction.uncalibrated}
    lacking = {name for name, volume in optional.items() if volume is None}
    for name, content in CONTENTS.items():
        if name not in lacking:
            print(f"  {name:<22} {content}")
    return shown


def write_pictures(nodes: PatientNodes, shown: Shown, folder: Path) -> None:
    """Write views.png and dvh.png.

    Raises:
        InputError: nothing can be drawn here, or the folder can't be written to.
    """
    write_png(views_picture(nodes.ct, nodes.segmentation, shown.nodes.dose, shown.prediction), folder / "views.png")
    write_png(chart_picture(shown.nodes.chart), folder / "dvh.png")


def write_scene(path: Path) -> None:
    """Write the scene with all its data as one file; it appears whole or not at all.

    Raises:
        InputError: it can't be written.
    """
    # The bundle's inner folder is called as the file is, so it is written under its own name and moved.
    try:
        with partial_folder(path.parent.resolve()) as folder:
            bundle = folder / path.name
            if not slicer.mrmlScene.WriteToMRB(str(bundle)):
                raise InputError(f"Cannot write {path}; choose a folder that you may write to and that has room.")
            move_onto(bundle, path)
    except OSError as error:
        raise InputError(f"Cannot write {path}: {error.strerror}; choose a folder that you may write to.") from error
