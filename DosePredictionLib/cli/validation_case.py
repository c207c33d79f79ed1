"""What a scored patient tells of the uncertainty of its predicted dose."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from DosePredictionLib.dosimetry.patient_scores import challenge_masks, structure_mask
from DosePredictionLib.inference.uncertainty import ValidationCase
from DosePredictionLib.patient.openkbp_patient import OPENKBP_ORGANS
from DosePredictionLib.patient.patient import Patient
from DosePredictionLib.patient.structure import StructureRole
from DosePredictionLib.patient.volume import Volume


def validation_case(patient: Patient, dose: Volume, dose_std: Volume) -> ValidationCase:
    """The voxels of a patient's dose region, and its targets (those of a dose level together) and organs there.

    Args:
        patient: with a clinical dose; has been scored before.
        dose, dose_std: Gy, as predicted.
    """
    assert patient.reference_dose is not None
    masks, inside = challenge_masks(patient)
    mean, spread, clinical = (
        np.asarray(volume.on_grid(patient.geometry).array[inside], dtype=np.float32)
        for volume in (dose, dose_std, patient.reference_dose)
    )
    targets = (mask for name, mask in masks.items() if name not in OPENKBP_ORGANS)
    organs = (structure_mask(organ, patient) for organ in patient.with_role(StructureRole.OAR))
    return ValidationCase(
        mean, spread, clinical, patient.prescription_gy,
        _voxels(targets, inside), _voxels(organs, inside), patient.geometry.spacing_mm,
    )  # fmt: skip


def _voxels(masks: Iterable[np.ndarray], inside: np.ndarray) -> list[np.ndarray]:
    """Indices among the voxels inside, of structures that have some. Cases wait for each other: masks fill memory."""
    return [voxels for mask in masks if (voxels := np.flatnonzero(mask[inside])).size]
