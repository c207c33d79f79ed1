"""Warnings about where things lie: organs on the wrong side, an isocentre far from the targets."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from DosePredictionLib.patient.patient import Patient
from DosePredictionLib.patient.structure import Structure, StructureRole
from DosePredictionLib.review.measures import points_of
from DosePredictionLib.review.review_warning import ReviewWarning
from DosePredictionLib.review.thresholds import Thresholds


def position_warnings(patient: Patient, thresholds: Thresholds) -> Iterator[ReviewWarning]:
    """Organs on the wrong side, beams that aim beside the targets, an outline that was guessed."""
    yield from _sides(patient)
    yield from _isocentre(patient, thresholds.by_id["isocentre-far"]["from_mm"])
    outlined = patient.with_role(StructureRole.EXTERNAL) or patient.with_role(StructureRole.DOSE_REGION)
    if patient.ct is not None and not outlined:
        yield ReviewWarning(
            "outline-guessed",
            "There is no external contour; the outline that the dose ends at was found on the CT.",
            "A couch, a mask or a cushion that touches the skin may count as body and get dose. Contour the body.",
        )


def _sides(patient: Patient) -> Iterator[ReviewWarning]:
    organs = {s.standard_name: s for s in patient.with_role(StructureRole.OAR) if s.standard_name}
    for name, left in organs.items():
        right = organs.get(f"{name[:-2]}_R") if name.endswith("_L") else None
        if right is None:
            continue
        left_mm, right_mm = _middle_mm(left), _middle_mm(right)
        if left_mm is not None and right_mm is not None and left_mm[0] < right_mm[0]:
            yield ReviewWarning(
                "sides-swapped",
                f"{left.name}, taken for the left one of its pair, lies to the right of {right.name}.",
                "Left and right are the patient's. Check the structures' names, and that the image is not mirrored.",
                {"left_x_lps_mm": round(float(left_mm[0]), 1), "right_x_lps_mm": round(float(right_mm[0]), 1)},
            )


def _isocentre(patient: Patient, from_mm: float) -> Iterator[ReviewWarning]:
    isocentre_mm = None if patient.beams is None else patient.beams.isocentre_mm
    points = [points_of(target) for target in patient.targets]
    if isocentre_mm is None or not sum(map(len, points)):
        return
    apart_mm = float(np.linalg.norm(np.concatenate(points) - np.asarray(isocentre_mm), axis=1).min())
    if apart_mm >= from_mm:
        yield ReviewWarning(
            "isocentre-far",
            f"The isocentre lies {apart_mm:.0f} mm from the nearest target.",
            "The model sees beams that miss the targets. Check that it is given in LPS millimetres of this CT.",
            {"apart_mm": round(apart_mm, 1), "threshold_mm": from_mm},
        )


def _middle_mm(structure: Structure) -> np.ndarray | None:
    points = points_of(structure)
    return np.asarray(points.mean(axis=0)) if len(points) else None
