"""Warnings about a plan that the weights have not seen the like of."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from DosePredictionLib.conditioning.channels import OAR_CHANNELS
from DosePredictionLib.patient.patient import Patient
from DosePredictionLib.patient.plan_words import is_one_of
from DosePredictionLib.review.review_warning import ReviewWarning
from DosePredictionLib.review.thresholds import Thresholds, TrainedOn

_EXTRAPOLATES = "The weights have seen no such plan; the dose may look plausible and still mean nothing."
_NOT_SPARED = (
    "The model takes an organ that is not contoured for one that is not there, and spares nothing in its place. "
    "Contour it, or check what its structure was taken for."
)


def plan_warnings(
    patient: Patient, trained: TrainedOn, thresholds: Thresholds, channels: Sequence[str]
) -> Iterator[ReviewWarning]:
    """What sets the plan apart from those that the weights were trained on."""
    yield from _prescription(patient, trained)
    yield from _fractionation(patient, trained)
    yield from _site(patient, trained, channels)
    yield from _technique(patient, trained)
    yield from _organs(patient, trained, thresholds.by_id["organs-missing"]["expected_from_percent"], channels)


def _prescription(patient: Patient, trained: TrainedOn) -> Iterator[ReviewWarning]:
    highest_gy = patient.prescription_gy
    if not highest_gy > 0.0:
        return
    low, high = trained.highest_prescription_gy
    slack = trained.highest_prescription_tolerance_percent / 100.0
    evidence: dict[str, float | str] = {
        "highest_prescription_gy": highest_gy, "trained_from_gy": low, "trained_to_gy": high,
        "tolerance_percent": trained.highest_prescription_tolerance_percent, "targets": len(patient.targets),
    }  # fmt: skip
    odd = []
    if not low * (1.0 - slack) <= highest_gy <= high * (1.0 + slack):
        odd.append(f"the highest prescription is {highest_gy:g} Gy, trained were {_range(low, high, 'Gy')}")
    low_percent, high_percent = trained.lower_prescription_percent
    for target in patient.targets:
        percent = 100.0 * (target.prescription_gy or 0.0) / highest_gy
        beyond = trained.lower_prescription_tolerance_percent
        if percent < 99.9 and not low_percent - beyond <= percent <= high_percent + beyond:
            seen = _range(low_percent, high_percent, "%")
            odd.append(f"{target.name} has {percent:.0f} % of the highest, trained were {seen}")
            evidence[f"{target.name}_percent_of_highest"] = round(percent, 1)
    levels = len({round(target.prescription_gy or 0.0, 2) for target in patient.targets})
    if levels > trained.most_targets:
        odd.append(f"there are {levels} dose levels, trained were up to {trained.most_targets}")
    if odd:
        text = f"Prescription outside the training range: {'; '.join(odd)}."
        yield ReviewWarning("prescription-unseen", text, _EXTRAPOLATES, evidence)


def _fractionation(patient: Patient, trained: TrainedOn) -> Iterator[ReviewWarning]:
    if not patient.fractions or not patient.prescription_gy > 0.0:
        return
    dose_gy = patient.prescription_gy / patient.fractions
    low, high = trained.dose_per_fraction_gy
    slack = trained.dose_per_fraction_tolerance_percent / 100.0
    if low * (1.0 - slack) <= dose_gy <= high * (1.0 + slack):
        return
    yield ReviewWarning(
        "fractionation-unseen",
        f"{dose_gy:.2f} Gy a fraction; trained were {_range(low, high, 'Gy')}.",
        "Plans of another fractionation spare organs to other limits. The goals, too, may be meant for another one.",
        {"dose_per_fraction_gy": round(dose_gy, 3), "fractions": patient.fractions, "trained_from_gy": low,
         "trained_to_gy": high},
    )  # fmt: skip


def _site(patient: Patient, trained: TrainedOn, channels: Sequence[str]) -> Iterator[ReviewWarning]:
    seen = ", ".join(trained.sites)
    if patient.site is not None:
        if not is_one_of(patient.site, trained.sites):
            yield ReviewWarning(
                "site-unseen", f"The weights have not seen the site {patient.site}, only {seen}.", _EXTRAPOLATES,
                {"site": patient.site, "trained_sites": seen},
            )  # fmt: skip
        return
    organs = [name for name in trained.site_organs if not channels or name in channels]
    if organs and not any(patient.standard(name) for name in organs):
        yield ReviewWarning(
            "site-unseen",
            f"None of the organs of {seen} that the weights know is there; the site may not be {seen}.",
            f"{_EXTRAPOLATES} If the site is right, check the structures' names.",
            {"organs_known": len(organs), "organs_found": 0, "trained_sites": seen},
        )


def _technique(patient: Patient, trained: TrainedOn) -> Iterator[ReviewWarning]:
    seen = ", ".join(trained.techniques)
    fewest, most = trained.static_fields
    odd = []
    evidence: dict[str, float | str] = {"trained_techniques": seen, "trained_fields_from": fewest,
                                        "trained_fields_to": most}  # fmt: skip
    if patient.technique is not None and not is_one_of(patient.technique, trained.techniques):
        odd.append(f"technique {patient.technique} instead of {seen}")
        evidence["technique"] = patient.technique
    if patient.beams is not None:
        angles = len({(round(b.gantry_deg % 360.0, 1), round(b.couch_deg, 1)) for b in patient.beams.beams})
        turned = sum(abs((b.couch_deg + 180.0) % 360.0 - 180.0) > 0.5 for b in patient.beams.beams)
        if not fewest <= angles <= most:
            odd.append(f"{angles} beam directions instead of {_range(fewest, most, '')}".rstrip())
        if trained.coplanar and turned:
            odd.append(f"{turned} beams with a turned couch")
        evidence["beam_directions"], evidence["noncoplanar_beams"] = angles, turned
    if odd:
        text = f"The weights have not seen this technique: {'; '.join(odd)}."
        yield ReviewWarning("technique-unseen", text, _EXTRAPOLATES, evidence)


def organs_looked_for(patient: Patient, channels: Sequence[str]) -> Iterator[ReviewWarning]:
    """Organs that the weights have a channel for and the patient lacks, where nobody knows which are usual."""
    missing = [name for name in OAR_CHANNELS if name in channels and patient.standard(name) is None]
    if missing:
        text = f"Missing organs that the weights look for: {', '.join(missing)}."
        yield ReviewWarning("organs-missing", text, _NOT_SPARED, {"organs_missing": len(missing)})


def _organs(
    patient: Patient, trained: TrainedOn, expected_from_percent: float, channels: Sequence[str]
) -> Iterator[ReviewWarning]:
    known = {name: share for name, share in trained.organs_percent.items() if not channels or name in channels}
    missing = [name for name in known if patient.standard(name) is None]
    expected = [name for name in missing if known[name] >= expected_from_percent]
    if not expected:
        return
    shares = ", ".join(f"{name} ({known[name]:g} %)" for name in expected)
    evidence: dict[str, float | str] = {f"{name}_in_training_percent": known[name] for name in missing}
    yield ReviewWarning(
        "organs-missing",
        f"Missing organs that nearly every training patient had: {shares}.",
        _NOT_SPARED,
        {**evidence, "expected_from_percent": expected_from_percent},
    )


def _range(low: float, high: float, unit: str) -> str:
    return (f"{low:g} {unit}" if low == high else f"{low:g} to {high:g} {unit}").strip()
