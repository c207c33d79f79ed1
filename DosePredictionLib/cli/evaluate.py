"""``evaluate``: predicted doses against reference doses, as the OpenKBP challenge scores them."""

from __future__ import annotations

import argparse
import csv
import json
import sys
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from DosePredictionLib.cli.dose_options import checked_dose, tell_warnings
from DosePredictionLib.cli.predict import add_model_options, check_writable, chosen_calibration, predict_with_bar
from DosePredictionLib.cli.scorecard import print_mean
from DosePredictionLib.cli.structure_tables import (
    StructureScores,
    score_structures,
    structure_summary,
    write_structure_tables,
)
from DosePredictionLib.dosimetry.gdp_hmm_score import gdp_hmm_mae
from DosePredictionLib.dosimetry.goals import goals_of
from DosePredictionLib.dosimetry.openkbp_score import (
    CRITERION_NAMES,
    OAR_NAMES,
    dose_score,
    dvh_differences,
    dvh_score,
)
from DosePredictionLib.dosimetry.plan_figures import PlanFigure, plan_figures, write_plan_figures, write_summary
from DosePredictionLib.dosimetry.scorecard_reading import find_scorecard
from DosePredictionLib.dosimetry.scorecard_table import PATIENT_TABLE, PatientTotal, write_patient_totals
from DosePredictionLib.errors import InputError
from DosePredictionLib.inference.options import PredictionOptions, Provenance
from DosePredictionLib.inference.uncertainty import (
    UncertaintyCalibration,
    ValidationCase,
    coverage,
    cross_validated_coverage,
    fit_calibration,
)
from DosePredictionLib.inference.weights_header import read_weights_header
from DosePredictionLib.patient.cases import named_cases
from DosePredictionLib.patient.patient import Patient
from DosePredictionLib.patient.reader_gdp_hmm import is_gdp_hmm
from DosePredictionLib.patient.reader_openkbp_csv import read_openkbp_dose
from DosePredictionLib.patient.structure import Structure, StructureRole
from DosePredictionLib.patient.volume import Volume
from DosePredictionLib.resources import resource_path
from DosePredictionLib.whole_file import whole_file
from DosePredictionLib.worker.predictor import Predictor

#: OpenKBP's names for the organs that we call by TG-263.
_OPENKBP_NAMES = {
    "Brainstem": "Brainstem",
    "SpinalCord": "SpinalCord",
    "Parotid_R": "RightParotid",
    "Parotid_L": "LeftParotid",
    "Esophagus": "Esophagus",
    "Larynx": "Larynx",
    "Bone_Mandible": "Mandible",
}


#: So many patients with the worst dose scores are described in the summary.
HARDEST = 5


@dataclass(frozen=True)
class PatientScores:
    """One patient's scores in Gy.

    ``differences`` by criterion, NaN where a structure is missing; the GDP-HMM challenge's error for its patients only;
    ``facts`` that may explain them.
    """

    identifier: str
    dose_score: float
    differences: dict[str, float]
    seconds: float
    gdp_hmm_mae: float | None = None
    facts: str = ""

    @property
    def dvh_score(self) -> float:
        """Mean over the patient's own criteria."""
        return dvh_score([self.differences])


def add_parser(commands: Any) -> None:
    """Add the command to the command line."""
    parser = commands.add_parser(
        "evaluate",
        help="score predictions against reference doses",
        description="Scores predicted against reference doses for every case of DATASET that has one: dose score and "
        "DVH score as the OpenKBP challenge defines them (Babier et al., Med. Phys. 48, 2021); for patients of the "
        "GDP-HMM challenge its mean absolute error, too. Without --predictions the doses are predicted first. "
        "Writes scores.csv (a row a patient and the means), structures.csv (mean absolute error and DVH criteria of "
        "every target and organ), slices.csv (changes from slice to slice against the clinical dose's own) and "
        "summary.json. With --calibrate the figures of structures and slices stand there with and without it.",
    )
    parser.add_argument("dataset", type=Path, metavar="DATASET", help="folder of cases")
    parser.add_argument("--predictions", type=Path, metavar="DIR",
                        help="folder with PATIENT.csv, PATIENT/dose.nrrd or PATIENT.nrrd for each case")  # fmt: skip
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


def run(arguments: argparse.Namespace) -> int:
    """Carry the command out."""
    check_writable(arguments.output)
    options = PredictionOptions(arguments.samples, arguments.steps, arguments.seed)
    goals = None if arguments.plan_figures is None else goals_of(arguments.plan_figures)
    card = None if arguments.scorecard is None else find_scorecard(arguments.scorecard)
    predictor = None
    if arguments.predictions is None:
        calibrate = chosen_calibration(arguments)
        predictor = Predictor(arguments.system, arguments.weights, arguments.device, calibrate=calibrate)
    elif not arguments.predictions.is_dir():
        raise InputError(f"There is no folder {arguments.predictions}; give the folder that holds the predictions.")
    totals: list[PatientTotal] = []
    figures: list[PlanFigure] = []
    scores: list[PatientScores] = []
    structures: list[StructureScores] = []
    uncertain: list[ValidationCase] = []
    settings: dict[str, Any] = {"predictions": str(arguments.predictions)} if predictor is None else {}
    try:
        for case in named_cases([arguments.dataset]):
            patient = case.read()
            tell_warnings(patient.warnings, f"{patient.identifier}: ")
            if patient.reference_dose is None:
                print(f"{patient.identifier} has no reference dose; passed over.", file=sys.stderr)
                continue
            if predictor is not None:
                prediction = predict_with_bar(predictor, patient, options)
                dose, made = prediction.dose, prediction.provenance
                uncalibrated = prediction.uncalibrated
                seconds = made.seconds["total"]
                if prediction.dose_std is not None:
                    uncertain.append(validation_case(patient, dose, prediction.dose_std))
                settings = {"system": made.system, "weights": made.weights, "weights_sha256": made.weights_sha256,
                            "uncertainty_said": made.uncertainty, "samples": made.samples,
                            "steps": made.steps, "seed": made.seed, "device": made.device_name,
                            **_calibration(made)}  # fmt: skip
            else:
                dose, seconds = _read_prediction(arguments.predictions, patient), float("nan")
                uncalibrated = None
            scored = score_patient(patient, dose, seconds)
            if is_gdp_hmm(case.path):
                scored = replace(scored, gdp_hmm_mae=score_gdp_hmm(patient, dose))
            scores.append(scored)
            if goals is not None:
                figures += plan_figures(patient, dose, goals)
            if card is not None:
                totals.append(PatientTotal.of(card, patient, dose))
            structures.append(score_structures(patient, _masks(patient)[1], dose, uncalibrated))
    finally:
        if predictor is not None:
            predictor.close()
    if not scores:
        raise InputError(f"No case in {arguments.dataset} has a reference dose; add dose.nrrd to the cases to score.")
    if uncertain and settings["uncertainty_said"].startswith("not calibrated"):
        # Fitted on these patients, looked at on each with a table that had not seen it.
        settings["uncertainty"] = asdict(fit_calibration(uncertain))
        settings["coverage"] = asdict(cross_validated_coverage(uncertain))
    elif uncertain:
        weights = arguments.weights or resource_path("Models", f"{arguments.system}.safetensors")
        fitted: dict[str, Any] = read_weights_header(weights).uncertainty
        settings["coverage"] = asdict(coverage(uncertain, UncertaintyCalibration(**fitted)))
    _write_tables(scores, structure_summary(structures) | settings, arguments.dataset.name, arguments.output)
    if figures:
        write_plan_figures(figures, arguments.output / "plan_figures.csv")
        write_summary(figures, arguments.output / "plan_figures.json")
    write_structure_tables(structures, arguments.output)
    if card is not None:
        write_patient_totals(totals, arguments.output / PATIENT_TABLE)
        print_mean(totals, card)
    if "coverage" in settings:
        covered = settings["coverage"]
        print(f"truth within the 68 % interval: {covered['voxel_68']} % of the voxels, {covered['dvh_68']} % of the "
              f"DVH points; within the 95 % interval: {covered['voxel_95']} %, {covered['dvh_95']} %")  # fmt: skip
    error = _mean_gdp_hmm(scores)
    if error is not None:
        print(f"GDP-HMM: mean absolute error {error:.3f} Gy, as that challenge defines it")
    print(f"{len(scores)} patients: dose score {np.mean([s.dose_score for s in scores]):.3f} Gy, "
          f"DVH score {dvh_score([s.differences for s in scores]):.3f} Gy ({arguments.output})")  # fmt: skip
    return 0


def _calibration(made: Provenance) -> dict[str, str]:
    """What the summary says of the dose calibration, where there was one."""
    if not made.dose_calibration:
        return {}
    return {"dose_calibration": made.dose_calibration, "dose_calibration_sha256": made.dose_calibration_sha256}


def score_patient(patient: Patient, dose: Volume, seconds: float = float("nan")) -> PatientScores:
    """Score a dose on the patient's grid against the patient's reference dose.

    Raises:
        InputError: the patient has no reference dose or no region where dose can be.
    """
    if patient.reference_dose is None:
        raise InputError(f"{patient.identifier} has no reference dose to score against.")
    reference = patient.reference_dose.on_grid(patient.geometry).array
    predicted = dose.on_grid(patient.geometry).array
    masks, inside = _masks(patient)
    differences = dvh_differences(predicted, reference, masks, patient.geometry.spacing_mm)
    error = dose_score(predicted, reference, inside)
    return PatientScores(
        patient.identifier, error, differences, seconds, facts=_facts(patient, predicted - reference, masks)
    )


def _facts(patient: Patient, error_gy: np.ndarray, masks: dict[str, np.ndarray]) -> str:
    """What may explain a patient's scores: the data, the targets, and whether the dose is off as a whole."""
    targets = [name for name in masks if name.startswith("PTV")]
    volume_cc = float(np.logical_or.reduce([masks[name] for name in targets]).sum()) * patient.geometry.voxel_volume_cc
    bath = [error_gy[mask].mean() for name, mask in masks.items() if name in OAR_NAMES and mask.any()]
    said = "no CT" if patient.ct is None else "CT"
    return (f"{said}; targets {volume_cc:.0f} cc at {', '.join(name[3:] for name in sorted(targets))} Gy; organs "
            f"predicted {np.mean(bath) if bath else 0.0:+.1f} Gy on average")  # fmt: skip


def _in_words(scores: PatientScores) -> str:
    """One patient's scores and what may explain them."""
    present = {name: gy for name, gy in scores.differences.items() if not np.isnan(gy)}
    worst = max(present, key=lambda name: present[name]) if present else None
    return (f"{scores.identifier}: dose score {scores.dose_score:.2f} Gy, DVH score {scores.dvh_score:.2f} Gy"
            + (f", most off in {worst} ({present[worst]:.1f} Gy)" if worst else "") + f"; {scores.facts}")  # fmt: skip


def score_gdp_hmm(patient: Patient, dose: Volume) -> float:
    """The GDP-HMM challenge's error of a dose, Gy.

    Raises:
        InputError: the patient has no body, no reference dose or no prescriptions to scale that with.
    """
    body = patient.with_role(StructureRole.EXTERNAL)
    if patient.reference_dose is None or not body or not patient.prescription_gy:
        raise InputError(
            f"{patient.identifier} lacks a body, a reference dose or its prescriptions (PTV_DICT.json), without which "
            "the GDP-HMM challenge's error is not defined; add what is missing."
        )
    inside = body[0].mask.on_grid(patient.geometry, nearest=True).array
    reference = patient.reference_dose.on_grid(patient.geometry).array
    return gdp_hmm_mae(dose.on_grid(patient.geometry).array, reference, inside)


def validation_case(patient: Patient, dose: Volume, dose_std: Volume) -> ValidationCase:
    """What a patient with a clinical dose tells of a prediction's uncertainty; ``patient`` has been scored before."""
    assert patient.reference_dose is not None
    masks, inside = _masks(patient)
    reference = patient.reference_dose.on_grid(patient.geometry).array
    mean, spread, clinical = (
        np.asarray(array[inside], dtype=np.float32)
        for array in (dose.on_grid(patient.geometry).array, dose_std.on_grid(patient.geometry).array, reference)
    )
    return ValidationCase(mean, spread, clinical, patient.prescription_gy, {name: mask[inside] for name, mask in
                          masks.items()}, patient.geometry.spacing_mm)  # fmt: skip


def _masks(patient: Patient) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Structures by OpenKBP's names on the patient's grid, and the region that the dose score is defined over."""
    region = patient.with_role(StructureRole.DOSE_REGION) or patient.with_role(StructureRole.EXTERNAL)
    if not region:
        raise InputError(
            f"{patient.identifier} has neither a dose region nor an external structure, over which the dose score is "
            "defined; add one."
        )
    masks: dict[str, np.ndarray] = {}
    for structure in patient.structures:
        mask = structure.mask.on_grid(patient.geometry, nearest=True).array != 0
        name = _openkbp_name(structure)
        # Targets of one dose level (a primary tumour's and the nodes') are one to the challenge, as to the models.
        masks[name] = masks[name] | mask if name in masks else mask
    return masks, np.logical_or.reduce([masks[_openkbp_name(structure)] for structure in region])


def _openkbp_name(structure: Structure) -> str:
    if structure.role is StructureRole.TARGET and structure.prescription_gy is not None:
        return f"PTV{structure.prescription_gy:g}"
    return _OPENKBP_NAMES.get(structure.standard_name or "", structure.name)


def _read_prediction(folder: Path, patient: Patient) -> Volume:
    table = folder / f"{patient.identifier}.csv"
    if table.exists():
        return read_openkbp_dose(table, patient.geometry)
    for path in (folder / patient.identifier / "dose.nrrd", folder / patient.identifier / "dose.nii.gz",
                 folder / f"{patient.identifier}.nrrd", folder / f"{patient.identifier}.nii.gz"):  # fmt: skip
        if path.exists():
            return checked_dose(path, patient, f"{patient.identifier}: ")
    raise InputError(
        f"There is no prediction for {patient.identifier} in {folder}; expected {table.name} or "
        f"{patient.identifier}/dose.nrrd."
    )


def _write_tables(scores: list[PatientScores], settings: dict[str, Any], dataset: str, output: Path) -> None:
    everything = [s.differences for s in scores]
    by_criterion = {
        name: [values[name] for values in everything if not np.isnan(values[name])] for name in CRITERION_NAMES
    }
    with whole_file(output / "scores.csv") as path, open(path, "w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        gdp_hmm = any(one.gdp_hmm_mae is not None for one in scores)
        extra = ["gdp_hmm_mae_gy"] if gdp_hmm else []
        writer.writerow(["patient", "dose_score_gy", "dvh_score_gy", *CRITERION_NAMES, "seconds", *extra])
        for one in scores:
            cells = ["" if np.isnan(one.differences[name]) else f"{one.differences[name]:.4f}"
                     for name in CRITERION_NAMES]  # fmt: skip
            writer.writerow([one.identifier, f"{one.dose_score:.6f}", f"{one.dvh_score:.6f}", *cells,
                             "" if np.isnan(one.seconds) else f"{one.seconds:.3f}",
                             *([_cell(one.gdp_hmm_mae)] if gdp_hmm else [])])  # fmt: skip
        means = [f"{np.mean(values):.4f}" if values else "" for values in by_criterion.values()]
        timed = [one.seconds for one in scores if not np.isnan(one.seconds)]
        writer.writerow(["mean", f"{np.mean([s.dose_score for s in scores]):.6f}", f"{dvh_score(everything):.6f}",
                         *means, f"{np.mean(timed):.3f}" if timed else "",
                         *([_cell(_mean_gdp_hmm(scores))] if gdp_hmm else [])])  # fmt: skip
    organs = [{n: v for n, v in values.items() if n.split()[0] in OAR_NAMES} for values in everything]
    targets = [{n: v for n, v in values.items() if n.split()[0] not in OAR_NAMES} for values in everything]
    summary = {
        "dataset": dataset,
        "patients": len(scores),
        "dose_score_gy": round(float(np.mean([s.dose_score for s in scores])), 4),
        "dvh_score_gy": round(dvh_score(everything), 4),
        "dvh_score_organs_gy": round(dvh_score(organs), 4),
        "dvh_score_targets_gy": round(dvh_score(targets), 4),
        "criteria_gy": {name: round(float(np.mean(values)), 4) for name, values in by_criterion.items() if values},
        "hardest": [_in_words(one) for one in sorted(scores, key=lambda one: -one.dose_score)[:HARDEST]],
        **({"gdp_hmm_mae_gy": round(mean_error, 4)} if (mean_error := _mean_gdp_hmm(scores)) is not None else {}),
        **settings,
    }
    with whole_file(output / "summary.json") as path:
        path.write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")


def _mean_gdp_hmm(scores: list[PatientScores]) -> float | None:
    errors = [one.gdp_hmm_mae for one in scores if one.gdp_hmm_mae is not None]
    return float(np.mean(errors)) if errors else None


def _cell(value: float | None) -> str:
    return "" if value is None else f"{value:.6f}"
