"""Warnings about the predicted dose itself."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from operator import gt, le

from DosePredictionLib.patient.patient import Patient
from DosePredictionLib.patient.volume import Volume
from DosePredictionLib.review.measures import hot_spot_outside_targets, mean_std_percent, median_dose_gy
from DosePredictionLib.review.review_warning import ReviewWarning
from DosePredictionLib.review.thresholds import Thresholds
from DosePredictionLib.rounding import rounded, rounded_text


def dose_warnings(
    patient: Patient,
    dose: Volume,
    dose_std: Volume | None,
    thresholds: Thresholds,
    unusual_percent: float | None = None,
) -> Iterator[ReviewWarning]:
    """A hot spot outside the targets; an overlooked target; less certainty than usual, see `review_prediction`."""
    prescription_gy = patient.prescription_gy
    if not prescription_gy > 0.0:
        return
    hot = thresholds.by_id["hot-spot-outside-targets"]
    level_gy = hot["prescription_percent"] / 100.0 * prescription_gy
    spot = hot_spot_outside_targets(patient, dose, level_gy, hot["margin_mm"])
    if spot.centre_mm is not None and spot.volume_cc >= hot["at_least_cc"]:
        x, y, z = spot.centre_mm
        maximum_gy, reached = spot.maximum_gy, partial(le, level_gy)
        yield ReviewWarning(
            "hot-spot-outside-targets",
            f"A hot spot of {spot.volume_cc:.1f} cc at {level_gy:g} Gy or more lies outside the targets.",
            f"Its maximum is {rounded_text(maximum_gy, 1, reached)} Gy. ICRU 62 calls more than 1.77 cc (15 mm across) "
            "significant. Look which tissue gets it, and whether a target is missing there.",
            {"volume_cc": round(spot.volume_cc, 2), "threshold_cc": hot["at_least_cc"], "from_gy": round(level_gy, 2),
             "maximum_gy": rounded(maximum_gy, 2, reached), "margin_mm": hot["margin_mm"],
             "x_lps_mm": round(x, 1), "y_lps_mm": round(y, 1), "z_lps_mm": round(z, 1)},
        )  # fmt: skip
    share = thresholds.by_id["target-underdosed"]["median_below_percent"] / 100.0
    told = []
    evidence = {}
    for target in patient.targets:
        if not target.prescription_gy:
            continue
        # As goals take a dose off by no more than rounding for the limit itself.
        too_low = partial(gt, (1.0 - 1e-6) * share * target.prescription_gy)
        median_gy = median_dose_gy(dose, target)
        if too_low(median_gy):
            told.append(f"{target.name} {rounded_text(median_gy, 1, too_low)} of {target.prescription_gy:g} Gy")
            evidence[f"{target.name}_median_gy"] = rounded(median_gy, 2, too_low)
    if told:
        yield ReviewWarning(
            "target-underdosed",
            f"Half of a target gets less than {100.0 * share:g} % of its prescription: {', '.join(told)}.",
            "A prediction that does so has overlooked the target, which may be too small, too far from the others, or "
            "outside what the dose ends at. Its figures then say nothing of what a plan can reach.",
            {**evidence, "threshold_percent": 100.0 * share},
        )
    if dose_std is None:
        return
    high = thresholds.by_id["uncertainty-high"]
    percent = mean_std_percent(dose, dose_std, prescription_gy, high["dose_from_percent"])
    limit_percent = high["at_least_percent"] if unusual_percent is None else unusual_percent
    if percent >= limit_percent:
        yield ReviewWarning(
            "uncertainty-high",
            f"The prediction is less certain than usual: {percent:.1f} % of the prescription on average.",
            "The model is less sure of this patient than of most it was validated on. Look at the map of the standard "
            "deviation before believing a figure.",
            {"mean_std_percent": rounded(percent, 2, partial(le, limit_percent)),
             "threshold_percent": limit_percent, "where_dose_from_percent": high["dose_from_percent"]},
        )  # fmt: skip
