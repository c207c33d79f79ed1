"""One patient's predicted dose against the clinical one, as the challenges score it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from DosePredictionLib.dosimetry.gdp_hmm_score import gdp_hmm_mae
from DosePredictionLib.dosimetry.openkbp_score import dose_score, dvh_differences, dvh_score
from DosePredictionLib.errors import InputError
from DosePredictionLib.patient.openkbp_patient import OPENKBP_ORGANS
from DosePredictionLib.patient.patient import Patient
from DosePredictionLib.patient.structure import Structure, StructureRole
from DosePredictionLib.patient.volume import Volume

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


def score_patient(patient: Patient, dose: Volume, seconds: float = float("nan")) -> PatientScores:
    """Score a dose on the patient's grid against the patient's reference dose, as far as that one's grid reaches.

    Raises:
        InputError: the patient has no reference dose, or none where dose can be.
    """
    if patient.reference_dose is None:
        raise InputError(f"{patient.identifier} has no reference dose to score against.")
    reference = patient.reference_dose.on_grid(patient.geometry).array
    known = patient.reference_dose.geometry.covers(patient.geometry)
    predicted = np.where(known, dose.on_grid(patient.geometry).array, np.float32(0.0))
    masks, inside = challenge_masks(patient)
    differences = dvh_differences(predicted, reference, masks, patient.geometry.spacing_mm)
    error = dose_score(predicted, reference, inside)
    return PatientScores(
        patient.identifier, error, differences, seconds, facts=_facts(patient, predicted - reference, masks)
    )


def _facts(patient: Patient, error_gy: np.ndarray, masks: dict[str, np.ndarray]) -> str:
    """What may explain a patient's scores: the data, the targets, and whether the dose is off as a whole."""
    targets = [name for name in masks if name.startswith("PTV")]
    volume_cc = float(np.logical_or.reduce([masks[name] for name in targets]).sum()) * patient.geometry.voxel_volume_cc
    bath = [error_gy[mask].mean() for name, mask in masks.items() if name in OPENKBP_ORGANS and mask.any()]
    said = "no CT" if patient.ct is None else "CT"
    return (f"{said}; targets {volume_cc:.0f} cc at {', '.join(name[3:] for name in sorted(targets))} Gy; organs "
            f"predicted {np.mean(bath) if bath else 0.0:+.1f} Gy on average")  # fmt: skip


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
    inside = structure_mask(body[0], patient)
    reference = patient.reference_dose.on_grid(patient.geometry).array
    return gdp_hmm_mae(dose.on_grid(patient.geometry).array, reference, inside)


def challenge_masks(patient: Patient) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Targets and organs by OpenKBP's names on the patient's grid, and the region that the dose score is defined over.

    Of each what lies on the reference dose's grid, where there is one: beyond it there is nothing to score against.
    Targets are named by their dose level; what was put aside, or is none of the challenge's organs, is left out.

    Raises:
        InputError: the patient has neither a dose region nor an external structure, or the reference dose's grid
            reaches none of it.
    """
    region = patient.with_role(StructureRole.DOSE_REGION) or patient.with_role(StructureRole.EXTERNAL)
    if not region:
        raise InputError(
            f"{patient.identifier} has neither a dose region nor an external structure, over which the dose score is "
            "defined; add one."
        )
    masks: dict[str, np.ndarray] = {}
    for target in patient.targets:
        if target.prescription_gy is None:
            continue
        name = f"PTV{target.prescription_gy:g}"
        mask = structure_mask(target, patient)
        # Targets of one dose level (a primary tumour's and the nodes') are one to the challenge, as to the models.
        masks[name] = masks[name] | mask if name in masks else mask
    for standard_name, name in _OPENKBP_NAMES.items():
        organ = patient.standard(standard_name)
        if organ is not None:
            masks[name] = structure_mask(organ, patient)
    inside = np.logical_or.reduce([structure_mask(structure, patient) for structure in region])
    if patient.reference_dose is not None and not inside.any():
        raise InputError(
            f"No voxel of the reference dose of {patient.identifier} lies in "
            f"{' or '.join(structure.label for structure in region)}, over which the dose score is defined; check that "
            "the dose belongs to this patient."
        )
    return masks, inside


def structure_mask(structure: Structure, patient: Patient) -> np.ndarray:
    """A structure's mask on the patient's grid, as far as a reference dose reaches, boolean."""
    inside: np.ndarray = structure.mask.on_grid(patient.geometry, nearest=True).array != 0
    if patient.reference_dose is not None:
        inside &= patient.reference_dose.geometry.covers(patient.geometry)
    return inside
