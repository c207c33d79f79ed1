"""Warnings about the CT and the contours."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from functools import partial
from operator import gt, le

from DosePredictionLib.patient.patient import Patient
from DosePredictionLib.patient.structure import Structure, StructureRole
from DosePredictionLib.review.measures import (
    DoseOutline,
    body_of,
    cut_off_slices_percent,
    dose_outline,
    near_skin_percent,
    outside_percent,
    target_to_ct_end_mm,
    volume_above_hu_cc,
)
from DosePredictionLib.review.review_warning import ReviewWarning
from DosePredictionLib.review.thresholds import Thresholds
from DosePredictionLib.rounding import rounded


def anatomy_warnings(patient: Patient, thresholds: Thresholds) -> Iterator[ReviewWarning]:
    """Structures outside the patient, targets at the skin, metal, a CT that ends too early."""
    body = body_of(patient)
    yield from _structures_outside(patient, dose_outline(patient, body), thresholds.by_id["structure-outside"])
    if body is not None:
        skin = thresholds.by_id["target-near-skin"]
        for target in patient.targets:
            percent = near_skin_percent(target, body, skin["within_mm"])
            if percent >= skin["at_least_percent"]:
                yield ReviewWarning(
                    "target-near-skin",
                    f"{percent:.0f} % of {target.name} lies within {skin['within_mm']:g} mm of the skin.",
                    "Dose builds up below the skin: a plan either underdoses this part or forces fluence into it. Crop "
                    "the target, plan a bolus, or read its coverage with that in mind.",
                    {"target": target.name, "near_skin_percent": round(percent, 1), "within_mm": skin["within_mm"],
                     "threshold_percent": skin["at_least_percent"]},
                )  # fmt: skip
    metal = thresholds.by_id["ct-metal"]
    if patient.ct is not None:
        volume_cc = volume_above_hu_cc(patient.ct, metal["from_hu"])
        if volume_cc >= metal["at_least_cc"]:
            yield ReviewWarning(
                "ct-metal",
                f"The CT shows {volume_cc:.1f} cc at {metal['from_hu']:g} HU or more, metal by its look.",
                "Streaks falsify the HU around metal, and contours drawn in them. The dose behind it may be wrong.",
                {"volume_cc": round(volume_cc, 2), "from_hu": metal["from_hu"], "threshold_cc": metal["at_least_cc"]},
            )
    edges = thresholds.by_id["ct-truncated"]
    cut_percent = 0.0 if body is None else cut_off_slices_percent(patient, body, edges["touching_mm"])
    end_mm = target_to_ct_end_mm(patient) if patient.ct is not None else math.inf
    near = partial(gt, edges["ends_within_mm"])
    odd = []
    if cut_percent >= edges["at_least_percent"]:
        odd.append(f"the body runs into the image's edge in {cut_percent:.0f} % of the slices through targets")
    if near(end_mm):
        odd.append(f"the CT ends {max(end_mm, 0.0):.0f} mm from a target")
    if odd:
        yield ReviewWarning(
            "ct-truncated",
            f"The CT is cut off: {'; '.join(odd)}.",
            "Beams enter through tissue that the image does not show, and scatter from beyond it is missing: doses "
            "near the cut are not to be relied on.",
            {"cut_off_slices_percent": rounded(cut_percent, 1, partial(le, edges["at_least_percent"])),
             "threshold_percent": edges["at_least_percent"],
             **({"target_to_ct_end_mm": rounded(end_mm, 1, near)} if math.isfinite(end_mm) else {}),
             "threshold_mm": edges["ends_within_mm"]},
        )  # fmt: skip


def _structures_outside(
    patient: Patient, outline: DoseOutline | None, outside: Mapping[str, float]
) -> Iterator[ReviewWarning]:
    if outline is None:
        return
    odd: dict[str, float] = {}
    for structure in filter(_should_lie_inside, patient.structures):
        percent = outside_percent(structure, outline, outside["region_ends_within_mm"])
        strict = structure.role is StructureRole.TARGET and not outline.coarse
        if percent >= outside["target_at_least_percent" if strict else "at_least_percent"]:
            odd[structure.name] = percent
    if odd:
        listed = ", ".join(f"{percent:.0f} % of {name}" for name, percent in odd.items())
        evidence = {f"{name}_outside_percent": round(percent, 1) for name, percent in odd.items()}
        yield ReviewWarning(
            "structure-outside",
            f"Outside {outline.name} lie {listed}.",
            "A predicted dose is 0 there, whatever a plan would give, and the structures' figures are too low by that. "
            "Correct the external contour (or draw one) or the structures, and predict again.",
            {**evidence, "threshold_percent": outside["at_least_percent"],
             **({} if outline.coarse else {"threshold_of_targets_percent": outside["target_at_least_percent"]})},
        )  # fmt: skip


def _should_lie_inside(structure: Structure) -> bool:
    """Whether it is a target or an organ; helping structures and couches may lie anywhere."""
    if structure.role in (StructureRole.TARGET, StructureRole.OAR):
        return True
    return structure.role is StructureRole.OTHER and structure.standard_name is not None
