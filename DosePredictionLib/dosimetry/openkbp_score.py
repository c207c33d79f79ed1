"""The OpenKBP challenge's two scores, to the letter of its published definition.

Babier et al., "OpenKBP: The open-access knowledge-based planning grand challenge and dataset", Medical Physics 48
(2021), 5549-5561. The challenge counts voxels of its 128-cube and does not interpolate: figures here differ a
little from those of `dvh.py`, which are for plans, not for the ranking.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from DosePredictionLib.errors import InputError
from DosePredictionLib.patient.openkbp_patient import OPENKBP_ORGANS, OPENKBP_STRUCTURES, OPENKBP_TARGETS

OAR_CRITERIA = ("D_0.1_cc", "mean")
TARGET_CRITERIA = ("D_99", "D_95", "D_1")
#: "Brainstem D_0.1_cc", ... in the order in which results are listed: 14 cells for organs, 9 for targets.
CRITERION_NAMES = tuple(
    [f"{name} {criterion}" for name in OPENKBP_ORGANS for criterion in OAR_CRITERIA]
    + [f"{name} {criterion}" for name in OPENKBP_TARGETS for criterion in TARGET_CRITERIA]
)
#: The percentile of the voxel doses that each target criterion is.
_TARGET_PERCENTILES = {"D_99": 1.0, "D_95": 5.0, "D_1": 99.0}


def dose_score(predicted_gy: np.ndarray, reference_gy: np.ndarray, possible_dose_mask: np.ndarray) -> float:
    """One patient's dose score in Gy: the absolute error summed over the whole grid, divided by the mask's voxels.

    The challenge's dose score is the mean of this over the patients.

    Args:
        predicted_gy: Gy, any shape.
        reference_gy: Gy, of the same shape.
        possible_dose_mask: non-zero where dose can be; of the same shape. Error outside of it counts too.

    Raises:
        InputError: shapes differ, a dose is not a number, or the mask is empty.
    """
    predicted = _checked(predicted_gy, "predicted dose", np.shape(reference_gy))
    reference = _checked(reference_gy, "reference dose", np.shape(reference_gy))
    if np.shape(possible_dose_mask) != reference.shape:
        raise InputError(
            f"The possible-dose mask is {np.shape(possible_dose_mask)} but the dose is {reference.shape}; "
            "give both on the same grid."
        )
    voxels = int(np.count_nonzero(possible_dose_mask))
    if voxels == 0:
        raise InputError("The possible-dose mask is empty, so there is no dose score; check the patient's files.")
    return float(np.abs(reference - predicted).sum() / voxels)


def dvh_criteria(
    dose_gy: np.ndarray, masks: Mapping[str, np.ndarray], spacing_mm: tuple[float, float, float] | np.ndarray
) -> dict[str, float]:
    """The challenge's DVH criteria of one dose, Gy, by criterion name (`CRITERION_NAMES`).

    Organs: D_0.1_cc, the percentile 100 - 100 n / N of the N voxel doses with n = max(1, round(100 mm3 / voxel
    volume)), and the mean. Targets: D_99, D_95, D_1, the percentiles 1, 5 and 99. All as numpy's default percentile.
    An organ of less than 0.1 cc, where the challenge's percentile would be below 0, gives its minimum.

    Args:
        dose_gy: Gy, any shape.
        masks: by OpenKBP's structure names, non-zero inside, of the dose's shape; other names are passed over.
        spacing_mm: the voxel's three edges, in any order.

    Returns:
        All `CRITERION_NAMES`; NaN for structures that are missing or empty.

    Raises:
        InputError: a mask's shape differs from the dose's, or the dose is not a number somewhere.
    """
    dose = _checked(dose_gy, "dose", np.shape(dose_gy))
    criteria = dict.fromkeys(CRITERION_NAMES, float("nan"))
    for name in OPENKBP_STRUCTURES:
        if name not in masks:
            continue
        inside = np.asarray(masks[name]) != 0
        if inside.shape != dose.shape:
            raise InputError(f"The mask of {name} is {inside.shape} but the dose is {dose.shape}; give the same grid.")
        doses = dose[inside]
        if doses.size == 0:
            continue
        own = organ_criteria(doses, spacing_mm) if name in OPENKBP_ORGANS else target_criteria(doses)
        criteria |= {f"{name} {criterion}": value for criterion, value in own.items()}
    return criteria


def organ_criteria(doses_gy: np.ndarray, spacing_mm: tuple[float, float, float] | np.ndarray) -> dict[str, float]:
    """`OAR_CRITERIA` of an organ's voxel doses, (V,) Gy, of which there is at least one; see `dvh_criteria`."""
    voxels_in_tenth_cc = max(1.0, float(np.round(100.0 / np.prod(np.asarray(spacing_mm, dtype=float)))))
    percentile = max(0.0, 100.0 - voxels_in_tenth_cc / doses_gy.size * 100.0)
    return {"D_0.1_cc": float(np.percentile(doses_gy, percentile)), "mean": float(doses_gy.mean())}


def target_criteria(doses_gy: np.ndarray) -> dict[str, float]:
    """`TARGET_CRITERIA` of a target's voxel doses, (V,) Gy, of which there is at least one."""
    return {name: float(np.percentile(doses_gy, percentile)) for name, percentile in _TARGET_PERCENTILES.items()}


def dvh_differences(
    predicted_gy: np.ndarray,
    reference_gy: np.ndarray,
    masks: Mapping[str, np.ndarray],
    spacing_mm: tuple[float, float, float] | np.ndarray,
) -> dict[str, float]:
    """Absolute differences of one patient's criteria, Gy, by criterion name; NaN where the structure is missing.

    Raises:
        InputError: as `dvh_criteria`.
    """
    predicted = dvh_criteria(predicted_gy, masks, spacing_mm)
    reference = dvh_criteria(reference_gy, masks, spacing_mm)
    return {name: abs(reference[name] - predicted[name]) for name in CRITERION_NAMES}


def dvh_score(differences: Iterable[Mapping[str, float]]) -> float:
    """The DVH score in Gy: the mean over all cells (patient x criterion) that are there, not a mean of patients' means.

    Args:
        differences: one mapping a patient, from `dvh_differences`.

    Returns:
        NaN when there is no cell at all.
    """
    cells = np.array([value for patient in differences for value in patient.values()], dtype=float)
    present = cells[~np.isnan(cells)]
    return float(present.mean()) if present.size else float("nan")


def _checked(dose_gy: np.ndarray, what: str, shape: tuple[int, ...]) -> np.ndarray:
    """The dose as float64, as the challenge's own arrays are."""
    dose = np.asarray(dose_gy, dtype=np.float64)
    if dose.shape != shape:
        raise InputError(f"The {what} is {dose.shape} but the reference dose is {shape}; give both on the same grid.")
    if not np.isfinite(dose).all():
        raise InputError(f"The {what} holds values that are not numbers; predict this patient again.")
    return dose
