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
class FractionRange:
    """Numbers of fractions that a limit was given for.

    Attributes:
        fewest: at least 1.
        most: not less than ``fewest``; None for no upper end.
    """

    fewest: int
    most: int | None

    def holds(self, fractions: int) -> bool:
        """Whether a plan of so many fractions lies in the range."""
        return fractions >= self.fewest and (self.most is None or fractions <= self.most)

    def distance(self, fractions: int) -> int:
        """By how many fractions a plan misses the range; 0 inside."""
        if self.holds(fractions):
            return 0
        return self.fewest - fractions if fractions < self.fewest else fractions - (self.most or 0)

    def nearest(self, fractions: int) -> int:
        """The number in the range that is nearest to a plan's."""
        if fractions < self.fewest:
            return self.fewest
        return fractions if self.most is None else min(fractions, self.most)

    @property
    def text(self) -> str:
        """``3``, ``25-35``, ``25 or more``; said of fractions."""
        if self.most is None:
            return f"{self.fewest} or more"
        return str(self.fewest) if self.fewest == self.most else f"{self.fewest}-{self.most}"


@dataclass(frozen=True)
class Goal:
    """One planning goal.

    Attributes:
        structure: a TG-263 name ("Parotid_L") or another name of it; several joined by " or ", of which the best
            counts; "each target", each with its own prescription; "highest target"; or a structure made from others,
            see `structure_expression.py` ("Lungs-GTV", "ring 5-10 mm around highest target", "each Lens").
        metric: what is measured, and in which unit.
        comparator: "<=", ">=", "<" or ">".
        limit: in the metric's unit.
        tolerance: the limit of what is still acceptable, in the metric's unit, on the lenient side of ``limit``; None
            when there is no such margin.
        priority: 1 for what must hold, 2 for what should, 3 for what is good to have.
        source: publication or protocol with its year.
        year: of the source; None when only the source's text tells.
        fractions: which plans the limit was given for; None takes the set's.
        note: what to mind, for example that another row of the same source says otherwise.
        checked: whether the limit was compared with the source or a second publication of it.
        endpoint: the harm that the limit is for, and how often it was seen.
        active: whether the goal is judged; others are kept as data only, such as rows of a source that contradict
            others.
        in_loss: whether a training loss made of the set pulls doses towards it; others are judged only.
    """

    structure: str
    metric: Metric
    comparator: str
    limit: float
    tolerance: float | None = None
    priority: int = 2
    source: str = ""
    year: int | None = None
    fractions: FractionRange | None = None
    note: str = ""
    checked: bool = False
    endpoint: str = ""
    active: bool = True
    in_loss: bool = True

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
        sites: sites that the goals are for ("head-and-neck", "thorax", ...); empty for any.
        techniques: techniques that they are for ("IMRT", "VMAT", "SBRT", ...); empty for any.
        fractions: numbers of fractions that they are for, where a goal doesn't say; None for any, and then no limit is
            converted to another fractionation.
    """

    name: str
    title: str
    description: str
    goals: tuple[Goal, ...]
    sites: tuple[str, ...] = ()
    techniques: tuple[str, ...] = ()
    fractions: FractionRange | None = None
