"""Biologically effective dose and the equivalent dose in fractions of 2 Gy, by the linear-quadratic model.

BED = D (1 + d / (alpha/beta)) and EQD2 = BED / (1 + 2 / (alpha/beta)) for a total dose D in fractions of d (Fowler,
Br. J. Radiol. 62, 1989, 679-694; Bentzen et al., Radiother. Oncol. 105, 2012, 266-268). No correction for overall
time. The model is not well founded above 6 to 10 Gy a fraction; a limit converted to or from there is a rough guide.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from DosePredictionLib.dosimetry.goal import FractionRange, Goal
from DosePredictionLib.dosimetry.metric import PERCENT_OF_PRESCRIPTION, MetricKind
from DosePredictionLib.patient.naming import match_structure_name

REFERENCE_DOSE_PER_FRACTION_GY = 2.0


def bed_gy(total_dose_gy: float, fractions: float, alpha_beta_gy: float) -> float:
    """Biologically effective dose, Gy.

    Args:
        total_dose_gy: of the whole course.
        fractions: in which it is given in equal parts; more than 0.
        alpha_beta_gy: of the tissue; more than 0.
    """
    _check(fractions, alpha_beta_gy)
    return total_dose_gy * (1.0 + total_dose_gy / fractions / alpha_beta_gy)


def eqd2_gy(total_dose_gy: float, fractions: float, alpha_beta_gy: float) -> float:
    """The dose in fractions of 2 Gy that has the same effect, Gy; arguments as of `bed_gy`."""
    return bed_gy(total_dose_gy, fractions, alpha_beta_gy) / (1.0 + REFERENCE_DOSE_PER_FRACTION_GY / alpha_beta_gy)


def total_dose_of_bed_gy(bed: float, fractions: float, alpha_beta_gy: float) -> float:
    """The total dose in so many fractions that has a given BED, Gy: `bed_gy` turned round."""
    _check(fractions, alpha_beta_gy)
    half = fractions * alpha_beta_gy / 2.0
    return half * (math.sqrt(1.0 + 2.0 * bed / half) - 1.0)


def total_dose_of_eqd2_gy(eqd2: float, fractions: float, alpha_beta_gy: float) -> float:
    """The total dose in so many fractions that has a given EQD2, Gy: `eqd2_gy` turned round."""
    return total_dose_of_bed_gy(eqd2 * (1.0 + REFERENCE_DOSE_PER_FRACTION_GY / alpha_beta_gy), fractions, alpha_beta_gy)


def _check(fractions: float, alpha_beta_gy: float) -> None:
    if not fractions > 0.0 or not alpha_beta_gy > 0.0:
        raise ValueError(f"fractions and alpha/beta are above 0, not {fractions} and {alpha_beta_gy}")


@dataclass(frozen=True)
class AlphaBeta:
    """The alpha/beta ratio of a structure.

    Attributes:
        gy: the ratio.
        source: where it was taken from, with the year.
        assumed: whether it is the value for late effects in general, because the table has none for the structure.
    """

    gy: float
    source: str
    assumed: bool = False


@cache
def _table() -> dict[str, AlphaBeta]:
    path = Path(__file__).with_name("alpha_beta.json")
    entries = json.loads(path.read_text(encoding="utf-8"))["structures"]
    return {name: AlphaBeta(e["alpha_beta_gy"], e["source"]) for e in entries for name in e["names"]}


def alpha_beta_of(structure: str, *, target: bool = False) -> AlphaBeta:
    """The alpha/beta ratio for a structure's TG-263 name, another name of it, or one made from it.

    Args:
        structure: "SpinalCord", "SpinalCord_PRV05", "Lungs-GTV", "Lens_L".
        target: whether it is a target.
    """
    table = _table()
    if target:
        return table["target"]
    base = structure.split("-")[0].split(" minus ")[0].strip().removeprefix("each ")
    base = base.removeprefix("ipsilateral ").removeprefix("contralateral ").split("_PRV")[0]
    standard = match_structure_name(base).standard_name or base
    for name in (base, standard):
        for candidate in (name, name.removesuffix("_L").removesuffix("_R"), name.removesuffix("s")):
            if candidate in table:
                return table[candidate]
    general = table["late effects"]
    return AlphaBeta(general.gy, general.source, assumed=True)


@dataclass(frozen=True)
class Conversion:
    """How a goal was carried over to another fractionation.

    Attributes:
        original: the goal as its source has it.
        from_fractions: which the original's doses were taken to be given in.
        fractions: of the plan.
        alpha_beta: with which it was done.
    """

    original: Goal
    from_fractions: int
    fractions: int
    alpha_beta: AlphaBeta

    @property
    def text(self) -> str:
        """A sentence's part for tables and reports."""
        goal = self.original
        metric = f"{goal.metric.text} {goal.comparator} {goal.limit:g} {goal.unit}".strip()
        assumed = " (assumed)" if self.alpha_beta.assumed else ""
        span = goal.fractions
        given = f", given for {span.text}" if span is not None and span.fewest != span.most else ""
        return (
            f"converted from {metric} at {_fractions_text(self.from_fractions)}{given} to "
            f"{_fractions_text(self.fractions)} by EQD2 with alpha/beta {self.alpha_beta.gy:g} Gy{assumed}"
        )


def _fractions_text(count: int) -> str:
    return f"{count} fraction" if count == 1 else f"{count} fractions"


def converted(goal: Goal, given_for: FractionRange, fractions: int, alpha_beta: AlphaBeta) -> tuple[Goal, Conversion]:
    """A goal's doses carried over to another number of fractions, so that their effect stays the same.

    Converted are limit and tolerance in Gy and the dose of a V or CV; percentages of the prescription stay as they are.
    A mean dose is converted as if it were uniform. What is given for a range of fractions holds at its ends, so it is
    carried over from the nearer end (45 Gy for 25 to 45 fractions to 20: from 25 fractions of 1.8 Gy); it neither
    jumps there nor becomes more lenient in fewer fractions, as it would if organs were taken to receive 2 Gy a
    fraction whatever the limit.

    Args:
        goal: see `can_be_converted`.
        given_for: the fractions that the goal holds for.
        fractions: of the plan.
        alpha_beta: of the structure.

    Returns:
        The goal with doses rounded to 0.01 Gy, and how they came about.
    """
    from_fractions = given_for.nearest(fractions)

    def dose(total_gy: float) -> float:
        eqd2 = eqd2_gy(total_gy, from_fractions, alpha_beta.gy)
        return round(total_dose_of_eqd2_gy(eqd2, fractions, alpha_beta.gy), 2)

    metric, limit, tolerance = goal.metric, goal.limit, goal.tolerance
    if metric.unit == "Gy":
        limit = dose(limit)
        tolerance = None if tolerance is None else dose(tolerance)
    if metric.amount_unit == "Gy" and metric.amount is not None:
        metric = replace(metric, amount=dose(metric.amount))
    given = replace(goal, fractions=given_for)
    carried = replace(
        goal, metric=metric, limit=limit, tolerance=tolerance, fractions=FractionRange(fractions, fractions)
    )
    return carried, Conversion(given, from_fractions, fractions, alpha_beta)


def can_be_converted(goal: Goal) -> bool:
    """Whether a goal speaks of doses in Gy, which depend on the fractionation."""
    metric = goal.metric
    if metric.kind in (MetricKind.HOMOGENEITY, MetricKind.CONFORMITY):
        return False
    return PERCENT_OF_PRESCRIPTION not in (metric.unit, metric.amount_unit) and "Gy" in (
        metric.unit,
        metric.amount_unit,
    )
