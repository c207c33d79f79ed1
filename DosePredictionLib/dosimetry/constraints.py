"""Goals as bare numbers, for losses and optimisers: kind, dose or volume, comparator, limit, weight.

Nothing here computes; a differentiable loss reads these and puts soft thresholds and quantiles in place of hard ones.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from DosePredictionLib.dosimetry.goal import Goal
from DosePredictionLib.dosimetry.metric import PERCENT_OF_PRESCRIPTION, MetricKind

#: Weight of a goal by its priority; less important ones share the last.
WEIGHT_OF_PRIORITY = {1: 1.0, 2: 0.5, 3: 0.25}


class ConstraintKind(Enum):
    """What is limited; the value is how papers write it."""

    MAXIMUM_DOSE = "Dmax"
    MINIMUM_DOSE = "Dmin"
    MEAN_DOSE = "Dmean"
    VOLUME_PERCENT_AT_DOSE = "VxGy[%]"
    VOLUME_CC_AT_DOSE = "VxGy[cc]"
    DOSE_AT_VOLUME_PERCENT = "Dx%"
    DOSE_AT_VOLUME_CC = "Dxcc"


@dataclass(frozen=True)
class Constraint:
    """One constraint.

    Attributes:
        structure: as the goal names it (`structures_named` finds it).
        kind: what is limited.
        amount: the x: Gy of a V, % or cc of a D; None for maximum, minimum, mean.
        amount_of_prescription: whether the amount is in percent of the prescription rather than in Gy.
        limit: Gy for doses, % or cc for volumes.
        limit_of_prescription: whether the limit is in percent of the prescription rather than in Gy.
        upper: whether the value should stay below the limit.
        priority: from 1.
        in_loss: whether a loss uses it; others are judged only.
    """

    structure: str
    kind: ConstraintKind
    amount: float | None
    amount_of_prescription: bool
    limit: float
    limit_of_prescription: bool
    upper: bool
    priority: int
    in_loss: bool = True

    @property
    def weight(self) -> float:
        """1 for the most important, less for others."""
        return WEIGHT_OF_PRIORITY.get(self.priority, min(WEIGHT_OF_PRIORITY.values()))


def constraints_of(goals: Iterable[Goal]) -> list[Constraint]:
    """The active goals that can be constraints, in their order; homogeneity and conformity cannot.

    Complements are turned round: at least 1500 cc below 12.5 Gy of a structure of unknown volume stays out, 70 % below
    20 Gy becomes at most 30 % at 20 Gy, and DC40% <= 20 Gy becomes D60% <= 20 Gy.
    """
    found = (_constraint(goal) for goal in goals if goal.active)
    return [constraint for constraint in found if constraint is not None]


def _constraint(goal: Goal) -> Constraint | None:
    metric = goal.metric
    amount, limit, upper, kind = metric.amount, goal.limit, goal.is_upper_limit, metric.kind
    if kind is MetricKind.COMPLEMENT_VOLUME and metric.unit == "%":
        kind, limit, upper = MetricKind.VOLUME_AT_DOSE, 100.0 - limit, not upper
    if kind is MetricKind.COMPLEMENT_DOSE and metric.amount_unit == "%":
        kind, amount = MetricKind.DOSE_AT_VOLUME, 100.0 - (amount or 0.0)
    known = _kind(kind, metric.unit, metric.amount_unit)
    if known is None:
        return None
    return Constraint(
        structure=goal.structure,
        kind=known,
        amount=amount,
        amount_of_prescription=metric.amount_unit == PERCENT_OF_PRESCRIPTION,
        limit=limit,
        limit_of_prescription=metric.unit == PERCENT_OF_PRESCRIPTION,
        upper=upper,
        priority=goal.priority,
        in_loss=goal.in_loss,
    )


def _kind(kind: MetricKind, unit: str, amount_unit: str) -> ConstraintKind | None:
    if kind is MetricKind.VOLUME_AT_DOSE:
        in_cc = unit == "cc"
        return ConstraintKind.VOLUME_CC_AT_DOSE if in_cc else ConstraintKind.VOLUME_PERCENT_AT_DOSE
    if kind is MetricKind.DOSE_AT_VOLUME:
        in_cc = amount_unit == "cc"
        return ConstraintKind.DOSE_AT_VOLUME_CC if in_cc else ConstraintKind.DOSE_AT_VOLUME_PERCENT
    return {
        MetricKind.MAXIMUM_DOSE: ConstraintKind.MAXIMUM_DOSE,
        MetricKind.MINIMUM_DOSE: ConstraintKind.MINIMUM_DOSE,
        MetricKind.MEAN_DOSE: ConstraintKind.MEAN_DOSE,
    }.get(kind)
