"""What a dose earns on a scorecard."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

from DosePredictionLib.dosimetry.dvh import Dvh, compute_dvh
from DosePredictionLib.dosimetry.indices import isodose_volume_cc
from DosePredictionLib.dosimetry.scorecard import Scorecard, ScoreMetric, ScoreTemplate
from DosePredictionLib.dosimetry.scorecard_structure import structure_of
from DosePredictionLib.dosimetry.structure_expression import NotThereError
from DosePredictionLib.patient.patient import Patient
from DosePredictionLib.patient.structure import Structure, StructureRole
from DosePredictionLib.patient.volume import Volume


@dataclass(frozen=True)
class TemplateScore:
    """One row's result.

    Attributes:
        template: the row.
        structure_label: the structure as the user's data call it; as the card calls it where there is none.
        value: in the template's unit; NaN when it was left out.
        score: points earned; 0 when it was left out.
        reason: why it was left out, one sentence; "" when it wasn't.
    """

    template: ScoreTemplate
    structure_label: str
    value: float
    score: float
    reason: str = ""

    @property
    def counts(self) -> bool:
        """Whether the row was scored."""
        return not self.reason


@dataclass(frozen=True)
class ScorecardResult:
    """A dose on a scorecard.

    Attributes:
        scorecard: the card.
        rows: one a template, in the card's order.
        remarks: what to mind, one sentence each.
    """

    scorecard: Scorecard
    rows: tuple[TemplateScore, ...]
    remarks: tuple[str, ...] = ()

    @property
    def score(self) -> float:
        """Points earned."""
        return sum(row.score for row in self.rows if row.counts)

    @property
    def maximum(self) -> float:
        """The most that could have been earned in the rows that were scored."""
        return sum(row.template.maximum for row in self.rows if row.counts)

    @property
    def percent(self) -> float:
        """Points in % of the most that could have been earned; NaN when nothing was scored."""
        return 100.0 * self.score / self.maximum if self.maximum > 0 else float("nan")

    def in_rows_of(self, other: ScorecardResult) -> ScorecardResult:
        """The same without the rows that another dose of the patient on this card was not scored in."""
        rows = (mine if theirs.counts else theirs for mine, theirs in zip(self.rows, other.rows, strict=True))
        return replace(self, rows=tuple(rows))


def score_dose(
    scorecard: Scorecard, patient: Patient, dose: Volume, dvh_of: Callable[[Volume, Structure], Dvh] = compute_dvh
) -> ScorecardResult:
    """Score a dose. Rows whose structure the patient lacks, or whose metric isn't known, are left out and say why.

    A percentage of dose is one of the patient's highest prescription; of the card's own where the patient has none.

    Args:
        scorecard: the card.
        patient: its structures.
        dose: Gy, the dose of the whole course.
        dvh_of: how DVHs are computed.

    Raises:
        InputError: the dose inside a structure is not a number somewhere.
    """
    prescription_gy = patient.prescription_gy or scorecard.prescription_gy
    known: dict[str, tuple[Structure, Dvh]] = {}
    rows = []
    remarks = _remarks(scorecard, patient)
    for template in scorecard.templates:
        if template.metric is None:
            rows.append(_left_out(template, f"the metric {template.metric_name} is not known here"))
            continue
        key = f"{template.structure}\n{template.template_structure}\n{template.formula}"
        try:
            if key not in known:
                structure = structure_of(template, patient)
                known[key] = structure, dvh_of(dose, structure)
        except NotThereError as missing:
            rows.append(_left_out(template, f"the patient has {missing}"))
            continue
        structure, dvh = known[key]
        if not dvh.volume_cc > 0.0:
            rows.append(_left_out(template, f"{structure.label} is empty", structure.label))
            continue
        if dvh.lies_outside_dose:
            rows.append(_left_out(template, f"{structure.label} lies wholly outside the dose's grid", structure.label))
            continue
        value = _value(template, dvh, dose, patient, prescription_gy, dvh_of)
        if math.isnan(value):
            reason = "no prescription is known" if not prescription_gy else f"{template.text} has no value"
            rows.append(_left_out(template, reason, structure.label))
            continue
        if _scored_by_maximum(template, dvh):
            remarks.append(
                f"{structure.label} has only {dvh.volume_cc:.3g} cc, so {template.text} is scored by its maximum dose."
            )
        rows.append(TemplateScore(template, structure.label, value, template.score(value)))
    for structure, dvh in known.values():
        part = dvh.outside_dose_percent
        if part >= 0.05 and not dvh.lies_outside_dose:
            remarks.append(f"{part:.1f} % of {structure.label} lies outside the dose and counts as 0 Gy.")
    return ScorecardResult(scorecard, tuple(rows), tuple(dict.fromkeys(remarks)))


def _left_out(template: ScoreTemplate, reason: str, label: str = "") -> TemplateScore:
    return TemplateScore(template, label or template.structure, float("nan"), 0.0, f"Left out because {reason}.")


def _scored_by_maximum(template: ScoreTemplate, dvh: Dvh) -> bool:
    """Whether the structure is smaller than the point whose dose is limited: its D0.03cc would be its minimum."""
    return template.limits_a_point and template.amount > dvh.volume_cc


def _remarks(scorecard: Scorecard, patient: Patient) -> list[str]:
    made_for, has = scorecard.prescription_gy, patient.prescription_gy
    if made_for and has and abs(made_for - has) > 0.1:
        return [f"The card was made for a prescription of {made_for:g} Gy, and this patient's is {has:g} Gy."]
    return []


def _value(
    template: ScoreTemplate, dvh: Dvh, dose: Volume, patient: Patient, prescription_gy: float,
    dvh_of: Callable[[Volume, Structure], Dvh],
) -> float:  # fmt: skip
    prescribed = prescription_gy or float("nan")

    def in_unit(dose_gy: float) -> float:
        return dose_gy if template.unit == "Gy" else 100.0 * dose_gy / prescribed

    amount = template.amount
    threshold_gy = amount if template.amount_unit == "Gy" else amount * prescribed / 100.0
    metric = template.metric
    if metric is ScoreMetric.MEAN_DOSE:
        return in_unit(dvh.mean_gy)
    if metric is ScoreMetric.MAXIMUM_DOSE:
        return in_unit(dvh.max_gy)
    if metric is ScoreMetric.MINIMUM_DOSE:
        return in_unit(dvh.min_gy)
    if metric is ScoreMetric.DOSE_AT_VOLUME:
        if _scored_by_maximum(template, dvh):
            return in_unit(dvh.max_gy)
        if template.amount_unit == "cc":
            return in_unit(dvh.dose_at_volume_cc(amount))
        return in_unit(dvh.dose_at_volume_percent(amount)) if 0.0 <= amount <= 100.0 else float("nan")
    if metric is ScoreMetric.DOSE_AT_SUB_VOLUME:
        # What all but the coldest so many cc receive at least.
        return in_unit(dvh.complement_dose_cc(amount))
    if metric is ScoreMetric.HOMOGENEITY_INDEX:
        return _homogeneity(template, dvh, prescribed)
    if math.isnan(threshold_gy):
        return float("nan")
    if metric is ScoreMetric.VOLUME_AT_DOSE:
        read = dvh.volume_at_dose_cc if template.unit == "cc" else dvh.volume_at_dose_percent
        return read(threshold_gy)
    body = next((s for s in patient.structures if s.role is StructureRole.EXTERNAL), None)
    if metric is ScoreMetric.VOLUME_OF_REGRET and template.unit == "%":
        # As the original has it: each volume in percent of its own whole. Cards in cc say more.
        whole = float("nan") if body is None else dvh_of(dose, body).volume_at_dose_percent(threshold_gy)
        return whole - dvh.volume_at_dose_percent(threshold_gy)
    # Without an external contour all of the dose grid counts.
    if body is None:
        body_cc = isodose_volume_cc(dose, threshold_gy)
    else:
        body_cc = dvh_of(dose, body).volume_at_dose_cc(threshold_gy)
    inside_cc = dvh.volume_at_dose_cc(threshold_gy)
    if metric is ScoreMetric.VOLUME_OF_REGRET:
        return max(0.0, body_cc - inside_cc)
    # van't Riet et al., IJROBP 37(3), 1997, 731-736.
    return inside_cc**2 / (body_cc * dvh.volume_cc) if body_cc > 0.0 else 0.0


def _homogeneity(template: ScoreTemplate, dvh: Dvh, prescribed: float) -> float:
    """(D_high - D_low) / target dose."""
    target_gy = template.index_target
    if template.index_target_unit == "%":
        target_gy = template.index_target * prescribed / 100.0
    volumes = (template.high_volume_percent, template.low_volume_percent)
    if not target_gy > 0.0 or not all(0.0 <= volume <= 100.0 for volume in volumes):
        return float("nan")
    high, low = (dvh.dose_at_volume_percent(volume) for volume in volumes)
    return (high - low) / target_gy
