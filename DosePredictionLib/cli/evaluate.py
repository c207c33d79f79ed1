"""``evaluate``: predicted doses against reference doses, as the OpenKBP challenge scores them."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from DosePredictionLib.cli.dose_options import tell_warnings
from DosePredictionLib.cli.each_case import each_case
from DosePredictionLib.cli.evaluated_dose import EvaluatedDose, predict_dose, read_predicted_dose
from DosePredictionLib.cli.model_options import MODEL_DEFAULTS, add_model_options, chosen_calibration, chosen_system
from DosePredictionLib.cli.options_apart import check_apart
from DosePredictionLib.cli.result_folders import check_writable, remove_left_file
from DosePredictionLib.cli.score_tables import mean_gdp_hmm, mean_of_patients, write_score_tables
from DosePredictionLib.cli.structure_tables import (
    StructureScores,
    score_structures,
    structure_summary,
    write_structure_tables,
)
from DosePredictionLib.cli.validation_case import validation_case
from DosePredictionLib.dosimetry.goals import GoalSet, goals_of
from DosePredictionLib.dosimetry.openkbp_score import dvh_score
from DosePredictionLib.dosimetry.patient_scores import PatientScores, challenge_masks, score_gdp_hmm, score_patient
from DosePredictionLib.dosimetry.plan_figures import PlanFigure, plan_figures, write_plan_figures, write_summary
from DosePredictionLib.dosimetry.scorecard import Scorecard
from DosePredictionLib.dosimetry.scorecard_reading import find_scorecard
from DosePredictionLib.dosimetry.scorecard_table import PATIENT_TABLE, PatientTotal, format_mean, write_patient_totals
from DosePredictionLib.errors import InputError
from DosePredictionLib.inference.options import PredictionOptions, Provenance
from DosePredictionLib.inference.patients_seen import PATIENTS_TRAINED_ON, PatientsSeen
from DosePredictionLib.inference.shipped_weights import default_weights, shipped_calibration
from DosePredictionLib.inference.uncertainty import (
    UncertaintyCalibration,
    ValidationCase,
    coverage,
    cross_validated_coverage,
    fit_calibration,
)
from DosePredictionLib.inference.weights_header import companion_path, read_weights_header
from DosePredictionLib.patient.cases import Case, named_cases
from DosePredictionLib.patient.patient import Patient
from DosePredictionLib.patient.patient_digest import patient_digest
from DosePredictionLib.patient.reader_gdp_hmm import is_gdp_hmm
from DosePredictionLib.whole_file import check_replaceable
from DosePredictionLib.worker.predictor import Predictor

#: What is always written, and what --plan-figures adds; what --scorecard adds is `PATIENT_TABLE`.
_TABLES = ("scores.csv", "structures.csv", "slices.csv", "summary.json")
_PLAN_TABLES = ("plan_figures.csv", "plan_figures.json")
#: How a patient's dose is got.
DoseOf = Callable[[Patient], EvaluatedDose]


@dataclass(frozen=True)
class CaseResult:
    """All that was found of one case.

    Attributes:
        scores: the challenge's.
        structures: errors by structure.
        figures: of the plan; empty where nobody asked.
        total: on the scorecard; None where nobody asked.
        uncertain: what it tells of the uncertainty; None where the dose came without one.
        made: how the dose was predicted; None for a file.
        digest: who the patient is (`patient_digest`); None where nothing tells.
    """

    scores: PatientScores
    structures: StructureScores
    figures: tuple[PlanFigure, ...]
    total: PatientTotal | None
    uncertain: ValidationCase | None
    made: Provenance | None
    digest: str | None


def add_parser(commands: Any) -> None:
    """Add the command to the command line."""
    parser = commands.add_parser(
        "evaluate",
        help="score predictions against reference doses",
        description="Scores predicted against reference doses for every case of DATASET that has one: dose score and "
        "DVH score as the OpenKBP challenge defines them (Babier et al., Med. Phys. 48, 2021); for patients of the "
        "GDP-HMM challenge its mean absolute error, too. Without --predictions the doses are predicted first. "
        "Writes scores.csv (a row a patient, and the means; the DVH score's is the challenge's, over all criteria of "
        "all patients, not the mean of the patients'), structures.csv (mean absolute error and DVH criteria of "
        "every target and organ), slices.csv (changes from slice to slice against the clinical dose's own) and "
        "summary.json. With --calibrate the figures of structures and slices stand there with and without it.",
    )
    parser.add_argument("dataset", type=Path, metavar="DATASET", help="folder of cases")
    parser.add_argument("--predictions", type=Path, metavar="DIR",
                        help="folder with PATIENT.csv, PATIENT/dose.nrrd or PATIENT.nrrd (or .nii.gz) for each case; "
                        "of a single case also dose.nrrd")  # fmt: skip
    parser.add_argument("-o", "--output", required=True, type=Path, metavar="OUT", help="folder for the tables")
    parser.add_argument("--plan-figures", metavar="GOALS",
                        help="write plan_figures.csv and plan_figures.json, too: MAE, Dice and HD95 of isodoses, D98 "
                        "to CI of the highest target, organ doses, and compliance with GOALS (a bundled set or a JSON "
                        "file)")  # fmt: skip
    parser.add_argument("--scorecard", metavar="NAME_OR_FILE",
                        help="score the doses on a scorecard (head-and-neck, lung, or a JSON file) and write "
                        "scorecard.csv, too: percents of the dose and of the reference")  # fmt: skip
    add_model_options(parser)
    parser.set_defaults(run=run)


def tables_of(arguments: argparse.Namespace) -> tuple[str, ...]:
    """The names of the files that are written."""
    plan = _PLAN_TABLES if arguments.plan_figures is not None else ()
    return (*_TABLES, *plan, *((PATIENT_TABLE,) if arguments.scorecard is not None else ()))


def run(arguments: argparse.Namespace) -> int:
    """Carry the command out."""
    if arguments.predictions is not None:
        check_apart("--predictions", MODEL_DEFAULTS, arguments)
    check_writable(arguments.output)
    for name in (*_TABLES, *_PLAN_TABLES, PATIENT_TABLE):  # those that it does not write, it removes
        check_replaceable(arguments.output / name)
    options = PredictionOptions(arguments.samples, arguments.steps, arguments.seed)
    goals = None if arguments.plan_figures is None else goals_of(arguments.plan_figures)
    card = None if arguments.scorecard is None else find_scorecard(arguments.scorecard)
    seen = PatientsSeen(complete=False)
    cases = named_cases([arguments.dataset])
    dose_of: DoseOf
    if arguments.predictions is None:
        calibrate = chosen_calibration(arguments)
        seen = _patients_seen(_weights_files(arguments))
        with Predictor(chosen_system(arguments), arguments.weights, arguments.device, calibrate=calibrate) as predictor:
            dose_of = partial(predict_dose, predictor, options=options)
            results, failures = _score_all(cases, arguments, dose_of, goals, card)
    elif arguments.predictions.is_dir():
        dose_of = partial(read_predicted_dose, arguments.predictions, len(cases) == 1)
        results, failures = _score_all(cases, arguments, dose_of, goals, card)
    else:
        raise InputError(f"There is no folder {arguments.predictions}; give the folder that holds the predictions.")
    _write(results, failures, arguments, card, seen)
    if failures:
        raise InputError(
            f"{len(failures)} of {len(failures) + len(results)} cases could not be scored ({', '.join(failures)}); the "
            f"reasons stand above, and the tables in {arguments.output} are of the others."
        )
    return 0


def _score_all(
    cases: Sequence[Case], arguments: argparse.Namespace, dose_of: DoseOf, goals: GoalSet | None, card: Scorecard | None
) -> tuple[list[CaseResult], list[str]]:
    """What was found of the cases with a reference dose, and the names of those that could not be scored.

    Why not is told on standard error, so that one case does not cost the others their scores.

    Raises:
        InputError: no case could be scored.
    """
    results: list[CaseResult] = []
    failures: list[str] = []
    for _, result in each_case(cases, partial(_score_case, dose_of=dose_of, goals=goals, card=card), failures):
        if result is not None:
            results.append(result)
    if failures and not results:
        raise InputError(f"No case in {arguments.dataset} could be scored; the reasons stand above.")
    if not results:
        raise InputError(f"No case in {arguments.dataset} has a reference dose; add dose.nrrd to the cases to score.")
    return results, failures


def _score_case(case: Case, dose_of: DoseOf, goals: GoalSet | None, card: Scorecard | None) -> CaseResult | None:
    """Score one case; None where it has no reference dose."""
    patient = case.read()
    tell_warnings(patient.warnings, f"{patient.identifier}: ")
    if patient.reference_dose is None:
        print(f"{patient.identifier} has no reference dose; passed over.", file=sys.stderr)
        return None
    # What a case lacks for its scores is told before its dose is predicted, not after.
    _, region = challenge_masks(patient)
    of_gdp_hmm = is_gdp_hmm(case.path)
    if of_gdp_hmm:
        score_gdp_hmm(patient, patient.reference_dose)
    evaluated = dose_of(patient)
    dose = evaluated.dose
    scores = score_patient(patient, dose, evaluated.seconds)
    if of_gdp_hmm:
        scores = replace(scores, gdp_hmm_mae=score_gdp_hmm(patient, dose))
    return CaseResult(
        scores,
        score_structures(patient, region, dose, evaluated.uncalibrated),
        () if goals is None else tuple(plan_figures(patient, dose, goals)),
        None if card is None else PatientTotal.of(card, patient, dose),
        None if evaluated.std is None else validation_case(patient, dose, evaluated.std),
        evaluated.made,
        patient_digest(patient),
    )


def _write(
    results: Sequence[CaseResult],
    failures: Sequence[str],
    arguments: argparse.Namespace,
    card: Scorecard | None,
    seen: PatientsSeen,
) -> None:
    """Write the tables and print the means."""
    scores = [one.scores for one in results]
    structures = [one.structures for one in results]
    settings = _settings(results, arguments, seen)
    if failures:
        settings["not_scored"] = list(failures)
    figures = [figure for one in results for figure in one.figures]
    # An earlier run's would be taken for this one's, by `significance` too.
    for name in (*(() if figures else _PLAN_TABLES), *((PATIENT_TABLE,) if card is None else ())):
        remove_left_file(arguments.output / name, "evaluation")
    dataset = Path(os.path.abspath(arguments.dataset)).name  # "." has none
    write_score_tables(scores, structure_summary(structures) | settings, dataset, arguments.output)
    if figures:
        write_plan_figures(figures, arguments.output / _PLAN_TABLES[0])
        write_summary(figures, arguments.output / _PLAN_TABLES[1])
    write_structure_tables(structures, arguments.output)
    if card is not None:
        totals = [one.total for one in results if one.total is not None]
        write_patient_totals(totals, arguments.output / PATIENT_TABLE)
        print(format_mean(totals, card))
    if "coverage" in settings:
        covered = settings["coverage"]
        print(f"truth within the 68 % interval: {covered['voxel_68']} % of the voxels, {covered['dvh_68']} % of the "
              f"DVH points; within the 95 % interval: {covered['voxel_95']} %, {covered['dvh_95']} %")  # fmt: skip
    error = mean_gdp_hmm(scores)
    if error is not None:
        print(f"GDP-HMM: mean absolute error {error:.3f} Gy, as that challenge defines it")
    print(f"{len(scores)} patients: dose score {np.mean([s.dose_score for s in scores]):.3f} Gy, "
          f"DVH score {dvh_score([s.differences for s in scores]):.3f} Gy over all criteria "
          f"(mean of the patients' own {mean_of_patients(scores):.3f} Gy) ({arguments.output})")  # fmt: skip


def _settings(results: Sequence[CaseResult], arguments: argparse.Namespace, seen: PatientsSeen) -> dict[str, Any]:
    """What the summary says of how the doses were made, and of their uncertainty."""
    made = results[-1].made
    if made is None:
        return {"predictions": str(arguments.predictions)}
    settings: dict[str, Any] = {
        "system": made.system, "weights": made.weights, "weights_sha256": made.weights_sha256,
        "uncertainty_said": made.uncertainty, "samples": made.samples, "steps": made.steps, "seed": made.seed,
        "device": made.device_name, **_calibration(made),
    }  # fmt: skip
    settings |= _of_training_patients(results, seen)
    uncertain = [one.uncertain for one in results if one.uncertain is not None]
    if len(uncertain) == 1 and made.uncertainty.startswith("not calibrated"):
        print("One patient alone says nothing of the uncertainty, so it is not calibrated.", file=sys.stderr)
    elif uncertain and made.uncertainty.startswith("not calibrated"):
        # Fitted on these patients, looked at on each with a table that had not seen it.
        settings["uncertainty"] = asdict(fit_calibration(uncertain))
        settings["coverage"] = asdict(cross_validated_coverage(uncertain))
    elif uncertain:
        fitted: dict[str, Any] = read_weights_header(_weights_files(arguments)[0]).uncertainty
        settings["coverage"] = asdict(coverage(uncertain, UncertaintyCalibration(**fitted)))
    return settings


def _weights_files(arguments: argparse.Namespace) -> list[Path]:
    """The weights that predict, and the dose calibration after them, if any."""
    weights: Path = arguments.weights or default_weights(chosen_system(arguments))
    if not chosen_calibration(arguments):
        return [weights]
    return [weights, arguments.calibration_weights or shipped_calibration(read_weights_header(weights).system)]


def _patients_seen(files: Sequence[Path]) -> PatientsSeen:
    """Whom any of these weights and their companions were trained on.

    Raises:
        InputError: one of the files, or a companion, can't be read.
    """
    seen = PatientsSeen()
    for weights in files:
        header = read_weights_header(weights)
        others = [read_weights_header(companion_path(one["name"], weights)) for one in header.companions]
        for one in (header, *others):
            seen = seen.with_others(PatientsSeen.of_header(one.training))
    return seen


def _of_training_patients(results: Sequence[CaseResult], seen: PatientsSeen) -> dict[str, int]:
    """How many of the patients the weights were trained on; nothing where that can't be told."""
    known = [(one.scores.identifier, seen.knows(one.digest)) for one in results]
    trained_on = [name for name, was in known if was]
    if trained_on:
        names = ", ".join(trained_on[:5]) + (" ..." if len(trained_on) > 5 else "")
        print(f"Warning: the weights were trained on {len(trained_on)} of the {len(known)} patients ({names}): these "
              "scores don't hold for new ones.", file=sys.stderr)  # fmt: skip
    told = trained_on or all(was is False for _, was in known)
    return {PATIENTS_TRAINED_ON: len(trained_on)} if told else {}


def _calibration(made: Provenance) -> dict[str, str]:
    """What the summary says of the dose calibration, where there was one."""
    if not made.dose_calibration:
        return {}
    return {"dose_calibration": made.dose_calibration, "dose_calibration_sha256": made.dose_calibration_sha256}
