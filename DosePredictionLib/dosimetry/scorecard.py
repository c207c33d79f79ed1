"""Scorecards: what a dose earns for each of its figures, after the format of Varian's PlanScoreCard."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import numpy as np

from DosePredictionLib.dosimetry.metric import POINT_CC


class ScoreMetric(Enum):
    """What is measured; the value is the format's own word."""

    DOSE_AT_VOLUME = "DoseAtVolume"
    VOLUME_AT_DOSE = "VolumeAtDose"
    VOLUME_OF_REGRET = "VolumeOfRegret"
    CONFORMATION_NUMBER = "ConformationNumber"
    HOMOGENEITY_INDEX = "HomogeneityIndex"
    MEAN_DOSE = "MeanDose"
    MAXIMUM_DOSE = "MaxDose"
    MINIMUM_DOSE = "MinDose"
    DOSE_AT_SUB_VOLUME = "DoseAtSubVolume"


@dataclass(frozen=True)
class ScorePoint:
    """One corner of a score's broken line.

    Attributes:
        value: of the metric, in the template's output unit.
        score: points at this value.
    """

    value: float
    score: float


@dataclass(frozen=True)
class ScoreTemplate:
    """One row of a scorecard.

    Attributes:
        structure: name of the structure in the patient.
        template_structure: the author's name of it, tried next; "" for none.
        formula: how the structure is made from others when the patient lacks it (``{<PTV>|20} SUB {<PTV>|5}``); "" for
            none.
        metric: what is measured; None for a type that isn't known here.
        metric_name: as the file has it.
        amount: the volume of a dose, the dose of a volume; 0 where the metric has none.
        amount_unit: "%", "cc", "Gy" or "".
        unit: of the value: "Gy", "%", "cc" or "". Percent of dose is percent of the prescription.
        points: ascending in value, at least one.
        high_volume_percent, low_volume_percent: of a homogeneity index, (D_high - D_low) / target.
        index_target: of a homogeneity index, in ``index_target_unit``.
        index_target_unit: "Gy" or "%".
        comment: the author's; where the limit comes from.
    """

    structure: str
    template_structure: str
    formula: str
    metric: ScoreMetric | None
    metric_name: str
    amount: float
    amount_unit: str
    unit: str
    points: tuple[ScorePoint, ...]
    high_volume_percent: float = 0.0
    low_volume_percent: float = 0.0
    index_target: float = 0.0
    index_target_unit: str = "Gy"
    comment: str = ""

    @property
    def maximum(self) -> float:
        """The most that can be earned."""
        return max(point.score for point in self.points)

    @property
    def limits_a_point(self) -> bool:
        """Whether points fall with the dose to a volume so small (D0.03cc) that the maximum is meant."""
        in_a_point = self.metric is ScoreMetric.DOSE_AT_VOLUME and self.amount_unit == "cc" and self.amount <= POINT_CC
        return in_a_point and self.points[0].score > self.points[-1].score

    def score(self, value: float) -> float:
        """Points for a value: linear between the corners, the outermost corner's beyond them."""
        return float(np.interp(value, [p.value for p in self.points], [p.score for p in self.points]))

    @property
    def text(self) -> str:
        """The metric in the notation of AAPM TG-263 as far as it goes, with the value's unit: ``D0.03cc [Gy]``."""
        amount = f"{self.amount:g}{self.amount_unit}"
        words = {
            ScoreMetric.DOSE_AT_VOLUME: f"D{amount}",
            ScoreMetric.VOLUME_AT_DOSE: f"V{amount}",
            ScoreMetric.VOLUME_OF_REGRET: f"V{amount} outside",
            ScoreMetric.CONFORMATION_NUMBER: f"CN{amount}",
            ScoreMetric.HOMOGENEITY_INDEX: f"HI (D{self.high_volume_percent:g}% - D{self.low_volume_percent:g}%)",
            ScoreMetric.MEAN_DOSE: "Dmean",
            ScoreMetric.MAXIMUM_DOSE: "Dmax",
            ScoreMetric.MINIMUM_DOSE: "Dmin",
            ScoreMetric.DOSE_AT_SUB_VOLUME: f"D(V-{self.amount:g}cc)",
        }
        text = words[self.metric] if self.metric is not None else self.metric_name
        return f"{text} [{self.unit}]" if self.unit else text


@dataclass(frozen=True)
class Scorecard:
    """A scorecard.

    Attributes:
        name: what the card is called.
        site: treatment site, as the author names it.
        creator: its author.
        dose_per_fraction_gy, fractions: of the plans it was made for; 0 when it doesn't say.
        templates: in the card's order.
    """

    name: str
    site: str
    creator: str
    dose_per_fraction_gy: float
    fractions: int
    templates: tuple[ScoreTemplate, ...]

    @property
    def prescription_gy(self) -> float:
        """The prescription that the card was made for; 0 when it doesn't say."""
        return self.dose_per_fraction_gy * self.fractions

    @property
    def maximum(self) -> float:
        """The most that a dose can earn when nothing is left out."""
        return sum(template.maximum for template in self.templates)
