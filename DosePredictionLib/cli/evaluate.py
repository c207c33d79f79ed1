"""``evaluate``: predicted doses against reference doses, as the OpenKBP challenge scores them."""

from __future__ import annotations

import argparse
import csv
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from DosePredictionLib.cli.predict import add_model_options, check_writable, predict_with_bar
from DosePredictionLib.dosimetry.openkbp_score import (
    CRITERION_NAMES,
    OAR_NAMES,
    dose_score,
    dvh_differences,
    dvh_score,
)
from DosePredictionLib.errors import InputError
from DosePredictionLib.inference.options import PredictionOptions
from DosePredictionLib.patient.patient import Patient
from DosePredictionLib.patient.reader_openkbp_csv import read_openkbp_dose
from DosePredictionLib.patient.reading import find_cases, read_patient
from DosePredictionLib.patient.structure import Structure, StructureRole
from DosePredictionLib.patient.volume import Volume
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


@dataclass(frozen=True)
class PatientScores:
    """One patient's scores in Gy; ``differences`` by criterion, NaN where a structure is missing."""

    identifier: str
    dose_score: float
    differences: dict[str, float]
    seconds: float

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
        "DVH score as the OpenKBP challenge defines them (Babier et al., Med. Phys. 48, 2021). Without --predictions "
        "the doses are predicted first. Writes scores.csv (a row a patient and the means) and summary.json.",
    )
    parser.add_argument("dataset", type=Path, metavar="DATASET", help="folder of cases")
    parser.add_argument("--predictions", type=Path, metavar="DIR",
                        help="folder with PATIENT.csv, PATIENT/dose.nrrd or PATIENT.nrrd for each case")  # fmt: skip
    parser.add_argument("-o", "--output", required=True, type=Path, metavar="OUT", help="folder for the tables")
    add_model_options(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Carry the command out."""
    check_writable(arguments.output)
    options = PredictionOptions(arguments.samples, arguments.steps, arguments.seed)
    predictor = None
    if arguments.predictions is None:
        predictor = Predictor(arguments.system, arguments.weights, arguments.device)
    elif not arguments.predictions.is_dir():
        raise InputError(f"There is no folder {arguments.predictions}; give the folder that holds the predictions.")
    scores: list[PatientScores] = []
    settings: dict[str, Any] = {"predictions": str(arguments.predictions)} if predictor is None else {}
    try:
        for case in find_cases(arguments.dataset):
            patient = read_patient(case)
            if patient.reference_dose is None:
                print(f"{patient.identifier} has no reference dose; passed over.", file=sys.stderr)
                continue
            if predictor is not None:
                prediction = predict_with_bar(predictor, patient, options)
                dose, made = prediction.dose, prediction.provenance
                seconds = made.seconds["total"]
                settings = {"system": made.system, "weights": made.weights, "weights_sha256": made.weights_sha256,
                            "samples": made.samples, "steps": made.steps, "seed": made.seed,
                            "device": made.device_name}  # fmt: skip
            else:
                dose, seconds = _read_prediction(arguments.predictions, patient), float("nan")
            scores.append(score_patient(patient, dose, seconds))
    finally:
        if predictor is not None:
            predictor.close()
    if not scores:
        raise InputError(f"No case in {arguments.dataset} has a reference dose; add dose.nrrd to the cases to score.")
    _write_tables(scores, settings, arguments.dataset.name, arguments.output)
    print(f"{len(scores)} patients: dose score {np.mean([s.dose_score for s in scores]):.3f} Gy, "
          f"DVH score {dvh_score([s.differences for s in scores]):.3f} Gy ({arguments.output})")  # fmt: skip
    return 0


def score_patient(patient: Patient, dose: Volume, seconds: float = float("nan")) -> PatientScores:
    """Score a dose on the patient's grid against the patient's reference dose.

    Raises:
        InputError: the patient has no reference dose or no region where dose can be.
    """
    if patient.reference_dose is None:
        raise InputError(f"{patient.identifier} has no reference dose to score against.")
    reference = patient.reference_dose.on_grid(patient.geometry).array
    predicted = dose.on_grid(patient.geometry).array
    region = patient.with_role(StructureRole.DOSE_REGION) or patient.with_role(StructureRole.EXTERNAL)
    if not region:
        raise InputError(
            f"{patient.identifier} has neither a dose region nor an external structure, over which the dose score is "
            "defined; add one."
        )
    masks = {_openkbp_name(s): s.mask.on_grid(patient.geometry, nearest=True).array != 0 for s in patient.structures}
    inside = np.logical_or.reduce([masks[_openkbp_name(structure)] for structure in region])
    differences = dvh_differences(predicted, reference, masks, patient.geometry.spacing_mm)
    return PatientScores(patient.identifier, dose_score(predicted, reference, inside), differences, seconds)


def _openkbp_name(structure: Structure) -> str:
    if structure.role is StructureRole.TARGET:
        return f"PTV{structure.prescription_gy:g}"
    return _OPENKBP_NAMES.get(structure.standard_name or "", structure.name)


def _read_prediction(folder: Path, patient: Patient) -> Volume:
    table = folder / f"{patient.identifier}.csv"
    if table.exists():
        return read_openkbp_dose(table, patient.geometry)
    for path in (folder / patient.identifier / "dose.nrrd", folder / patient.identifier / "dose.nii.gz",
                 folder / f"{patient.identifier}.nrrd", folder / f"{patient.identifier}.nii.gz"):  # fmt: skip
        if path.exists():
            import SimpleITK as sitk

            try:
                return Volume.of_image(sitk.ReadImage(str(path)))
            except RuntimeError as error:
                raise InputError(f"Cannot read the predicted dose {path}; it is damaged or not an image.") from error
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
        writer.writerow(["patient", "dose_score_gy", "dvh_score_gy", *CRITERION_NAMES, "seconds"])
        for one in scores:
            cells = ["" if np.isnan(one.differences[name]) else f"{one.differences[name]:.4f}"
                     for name in CRITERION_NAMES]  # fmt: skip
            writer.writerow([one.identifier, f"{one.dose_score:.6f}", f"{one.dvh_score:.6f}", *cells,
                             "" if np.isnan(one.seconds) else f"{one.seconds:.3f}"])  # fmt: skip
        means = [f"{np.mean(values):.4f}" if values else "" for values in by_criterion.values()]
        timed = [one.seconds for one in scores if not np.isnan(one.seconds)]
        writer.writerow(["mean", f"{np.mean([s.dose_score for s in scores]):.6f}", f"{dvh_score(everything):.6f}",
                         *means, f"{np.mean(timed):.3f}" if timed else ""])  # fmt: skip
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
        **settings,
    }
    with whole_file(output / "summary.json") as path:
        path.write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")
