"""Which plan a review is of: eight hexadecimal digits of all that a review reads of a patient."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from DosePredictionLib.patient.geometry import Geometry, index3
from DosePredictionLib.patient.patient import Patient
from DosePredictionLib.patient.patient_digest import DIGITS, ct_digest
from DosePredictionLib.patient.structure import Structure


def plan_digest(patient: Patient) -> str:
    """Eight hexadecimal digits of CT, structures (names, roles, prescriptions, voxels), fractions, site and beams.

    What the patient is called, the reference dose and colours do not count, nor how a mask is cut out of its grid. Two
    plans have the same digest by chance in one of 4 billion cases.

    Args:
        patient: as `check_patient` leaves it; not resampled.
    """
    beams = patient.beams
    known = {
        "ct": ct_digest(patient),
        "fractions": patient.fractions,
        "technique": patient.technique,
        "site": patient.site,
        "beams": None if beams is None else [[_rounded(b.gantry_deg), _rounded(b.couch_deg)] for b in beams.beams],
        "isocentre_mm": None if beams is None or beams.isocentre_mm is None else [*map(_rounded, beams.isocentre_mm)],
        "structures": sorted(_described(structure, patient.geometry) for structure in patient.structures),
    }
    return hashlib.sha256(json.dumps(known).encode()).hexdigest()[:DIGITS]


def is_of_another_plan(made: Mapping[str, Any], patient: Patient) -> bool:
    """Whether the content of a prediction.json is of another plan than a patient's now, as far as it tells."""
    predicted_for = made.get("plan_digest")
    return bool(predicted_for) and predicted_for != plan_digest(patient)


def _described(structure: Structure, geometry: Geometry) -> tuple[str, str, str, float, str]:
    return (
        structure.name, structure.role.value, structure.standard_name or "", _rounded(structure.prescription_gy or 0.0),
        _mask_digest(structure, geometry),
    )  # fmt: skip


def _mask_digest(structure: Structure, geometry: Geometry) -> str:
    """Of the mask on the patient's grid, as scenes keep it: DICOM contours of small organs come on a finer one."""
    mask = structure.mask.cropped_to_nonzero()
    corners = np.rint(geometry.index_of_lps(mask.geometry.lps_of_index(mask.geometry.corners()))).astype(int)
    low, high = corners.min(axis=0), corners.max(axis=0) + 1
    mask = mask.on_grid(geometry.cropped(index3(low), index3(high - low)), nearest=True).cropped_to_nonzero()
    start = np.rint(geometry.index_of_lps(np.asarray(mask.geometry.origin_mm))).astype(int)
    digest = hashlib.sha256(f"{mask.array.shape}{start.tolist()}".encode())
    for part in mask.array:
        digest.update(np.packbits(part != 0).data)
    return digest.hexdigest()


def _rounded(value: float) -> float:
    return round(float(value), 3) + 0.0  # no minus before a zero
