"""Which goals of a set count for a plan of so many fractions, and which have to be carried over to it."""

from __future__ import annotations

from dataclasses import dataclass

from DosePredictionLib.dosimetry.equivalent_dose import alpha_beta_of, can_be_converted, converted
from DosePredictionLib.dosimetry.goal import FractionRange, Goal, GoalSet


@dataclass(frozen=True)
class GoalForPlan:
    """A goal that counts.

    Attributes:
        goal: as its source has it.
        convert_from: the fractions that its doses are given for, when the plan has others; None to take it as it is.
    """

    goal: Goal
    convert_from: FractionRange | None = None


@dataclass(frozen=True)
class UnknownFractions:
    """A goal that depends on the number of fractions, which the plan doesn't tell; the reason follows "because"."""

    goal: Goal
    reason: str


def goals_for_fractions(goals: GoalSet, fractions: int | None) -> list[GoalForPlan | UnknownFractions]:
    """The active goals that count for a plan, in the set's order.

    Args:
        goals: the set.
        fractions: of the plan; None when unknown, which takes each goal as it is, save those with variants.
    """
    variants: dict[tuple[object, ...], list[Goal]] = {}
    active = [goal for goal in goals.goals if goal.active]
    for goal in active:
        variants.setdefault(_variant_key(goal), []).append(goal)
    chosen: list[GoalForPlan | UnknownFractions] = []
    settled: set[tuple[object, ...]] = set()
    for goal in active:
        if goal.fractions is None:
            chosen.append(GoalForPlan(goal, _range_to_leave(goal, goals.fractions, fractions)))
            continue
        key = _variant_key(goal)
        if fractions is not None and goal.fractions.holds(fractions):
            chosen.append(GoalForPlan(goal))
        elif key not in settled and not (fractions is not None and _some_hold(variants[key], fractions)):
            settled.add(key)
            chosen.append(_instead(variants[key], fractions))
    return chosen


def _variant_key(goal: Goal) -> tuple[object, ...]:
    """What goals have in common that differ only in doses and the fractions these are for."""
    metric = goal.metric
    if goal.fractions is None:
        return (goal,)
    if metric.amount_unit in ("%", "cc"):
        return goal.structure, metric.kind, metric.amount, metric.amount_unit, metric.unit, goal.comparator
    # Of V20Gy <= 30 % the dose varies with the fractions, and the volume is what stays.
    same_volume = goal.limit if metric.amount_unit else None
    return goal.structure, metric.kind, same_volume, metric.amount_unit, metric.unit, goal.comparator


def _some_hold(variants: list[Goal], fractions: int) -> bool:
    return any(goal.fractions is not None and goal.fractions.holds(fractions) for goal in variants)


def _range_to_leave(goal: Goal, given_for: FractionRange | None, fractions: int | None) -> FractionRange | None:
    if fractions is None or given_for is None or given_for.holds(fractions) or not can_be_converted(goal):
        return None
    return given_for


def _instead(variants: list[Goal], fractions: int | None) -> GoalForPlan | UnknownFractions:
    """The variant that stands in for the one that there isn't."""
    if fractions is None:
        if len(variants) == 1:
            return GoalForPlan(variants[0])
        ranges = ", ".join(goal.fractions.text for goal in variants if goal.fractions is not None)
        return UnknownFractions(variants[0], f"the number of fractions is not known, and its limits are for {ranges}")
    nearest = min(_distance(goal, fractions) for goal in variants)
    near = [goal for goal in variants if _distance(goal, fractions) == nearest]
    best = min(near, key=lambda goal: _leniency(goal, fractions))
    return GoalForPlan(best, _range_to_leave(best, best.fractions, fractions))


def _distance(goal: Goal, fractions: int) -> int:
    return goal.fractions.distance(fractions) if goal.fractions is not None else 0


def _leniency(goal: Goal, fractions: int) -> float:
    """Rises with how much dose a goal allows once it is carried over."""
    if goal.fractions is None or not can_be_converted(goal):
        return goal.limit if goal.is_upper_limit else -goal.limit
    carried, _ = converted(goal, goal.fractions, fractions, alpha_beta_of(goal.structure))
    if carried.metric.amount_unit == "Gy":
        return carried.metric.amount or 0.0
    return carried.limit if carried.is_upper_limit else -carried.limit
