"""Planning goals: a limit on a metric of a structure, with its tolerance, priority and source."""

from __future__ import annotations

from dataclasses import dataclass

from DosePredictionLib.dosimetry.metric import Metric

#: Written in place of a structure's name: every target, each with its own prescription.
EACH_TARGET = "each target"
#: Written in place of a structure's name: the target with the highest prescription. PTV_High says the same.
HIGHEST_TARGET = "highest target"
#: Between names: the goal is for whichever of these structures comes off best ("Parotid_L or Parotid_R").
OR = " or "
COMPARATORS = ("<=", ">=", "<", ">")


@dataclass(frozen=True)
class Goal:
    """One planning goal.

    Attributes:
        structure: a TG-263 name ("Parotid_L"); several joined by " or ", of which the best counts; "each target", each
            with its own prescription; or "highest target".
        metric: what is measured, and in which unit.
        comparator: "<=", ">=", "<" or ">".
        limit: in the metric's unit.
        tolerance: the limit of what is still acceptable, in the metric's unit, on the lenient side of ``limit``; None
            when there is no such margin.
        priority: 1 for what must hold, 2 for what should, 3 for what is good to have.
        source: publication or protocol with its year.
    """

    structure: str
    metric: Metric
    comparator: str
    limit: float
    tolerance: float | None = None
    priority: int = 2
    source: str = ""

    @property
    def unit(self) -> str:
        """The unit of limit, tolerance and value."""
        return self.metric.unit

    @property
    def is_upper_limit(self) -> bool:
        """Whether the value should stay below the limit."""
        return self.comparator in ("<", "<=")

    def is_met(self, value: float, limit: float | None = None) -> bool:
        """Whether ``value`` satisfies the goal, or the goal with another limit (the tolerance).

        With "<=" and ">=" a value off by no more than rounding (one part in a million) is taken as equal.
        """
        bound = self.limit if limit is None else limit
        rounding = 1e-6 * abs(bound)
        if self.comparator == "<":
            return value < bound
        if self.comparator == ">":
            return value > bound
        return value <= bound + rounding if self.comparator == "<=" else value >= bound - rounding


@dataclass(frozen=True)
class GoalSet:
    """Goals that belong together.

    Attributes:
        name: what the set is asked for by ("head-and-neck").
        title: what it is called in a heading.
        description: for whom the goals are meant, and what to mind.
        goals: in the order in which they are shown.
    """

    name: str
    title: str
    description: str
    goals: tuple[Goal, ...]
