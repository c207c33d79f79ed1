"""Goals at their borders: a value that is just the limit, percent of whose prescription, fractions between ranges."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from DosePredictionLib.dosimetry.equivalent_dose import alpha_beta_of, converted
from DosePredictionLib.dosimetry.goal import FractionRange, Goal, GoalSet
from DosePredictionLib.dosimetry.goal_fractions import goals_for_fractions
from DosePredictionLib.dosimetry.goals import GoalResult, Verdict, evaluate_goals
from DosePredictionLib.dosimetry.metric import Metric
from DosePredictionLib.dosimetry.tables import format_goals_table
from DosePredictionLib.patient.geometry import Geometry
from DosePredictionLib.patient.patient import Patient
from DosePredictionLib.patient.structure import Structure, StructureRole
from DosePredictionLib.patient.volume import Volume

GRID = Geometry((10, 50, 50), (1.0, 1.0, 1.0))


def uniform(gray: float, columns: int = 50) -> Volume:
    """A dose on the first columns of the grid."""
    return Volume(np.full((10, 50, columns), gray, np.float32), GRID.cropped((0, 0, 0), (10, 50, columns)))


def judge(metric: str, comparator: str, limit: float, dose: Volume, structure: str = "PTV") -> GoalResult:
    whole = Volume(np.ones(GRID.shape, np.uint8), GRID)
    target, other = StructureRole.TARGET, StructureRole.OTHER
    structures = (
        Structure("PTV", whole, target, prescription_gy=66.6),
        Structure("Shell of PTV50", whole, other, prescription_gy=50.0),
        Structure("Bolus", whole, other),
    )
    goals = GoalSet("test", "", "", (Goal(structure, Metric.parse(metric), comparator, limit),))
    (result,) = evaluate_goals(goals, Patient("p", GRID, None, structures), dose, {})
    return result


@pytest.mark.parametrize("gray", [66.6, 50.4, 56.3])
@pytest.mark.parametrize("comparator", ["<=", ">="])
def test_a_dose_of_just_the_limit_meets_it(gray: float, comparator: str) -> None:
    """Doses are stored as float32, which has no 66.6 Gy: the nearest is 1.5e-6 Gy less, that of 50.4 Gy is more."""
    assert judge("D95%", comparator, gray, uniform(gray)).verdict is Verdict.PASS
    assert judge("Dmean", comparator, gray, uniform(gray)).verdict is Verdict.PASS
    beyond = uniform(gray + (0.01 if comparator == "<=" else -0.01))
    assert judge("D95%", comparator, gray, beyond).verdict is Verdict.FAIL


@pytest.mark.parametrize("comparator", ["<", ">"])
def test_more_and_less_than_a_limit_is_not_the_limit(comparator: str) -> None:
    assert judge("Dmean", comparator, 47.0, uniform(47.0)).verdict is Verdict.FAIL


def test_percent_of_what_was_made_from_a_target_are_of_that_target_s_prescription() -> None:
    """25 Gy in a shell of the 50 Gy target are 50 %, whatever the highest target gets; others go by the highest."""
    assert judge("D2%[%Rx]", "<=", 55.0, uniform(25.0), "Shell of PTV50").value == pytest.approx(50.0)
    assert judge("V100%Rx", "<=", 5.0, uniform(50.0), "Shell of PTV50").value == pytest.approx(100.0)
    assert judge("D2%[%Rx]", "<=", 55.0, uniform(33.3), "Bolus").value == pytest.approx(50.0)


def test_a_few_percent_outside_the_dose_are_told() -> None:
    assert "2.0 % of the structure lies outside the dose" in judge("Dmean", "<=", 70.0, uniform(60.0, 49)).reason
    assert "outside the dose" not in judge("Dmean", "<=", 70.0, uniform(60.0)).reason


def test_more_fractions_than_a_range_holds_are_carried_over_from_its_upper_end() -> None:
    """45 Gy for 25 to 30 fractions, in 40: D (1 + D / n / 2) as of 45 Gy in 30; without an upper end it stays."""
    asked = Goal("SpinalCord", Metric.parse("D0.03cc"), "<=", 45.0)
    carried, how = converted(asked, FractionRange(25, 30), 40, alpha_beta_of("SpinalCord"))
    assert how.from_fractions == 30
    assert carried.limit * (1 + carried.limit / 40 / 2) == pytest.approx(45 * (1 + 45 / 30 / 2), abs=0.02)
    stays, _ = converted(asked, FractionRange(25, None), 40, alpha_beta_of("SpinalCord"))
    assert stays.limit == pytest.approx(45.0)


def test_the_nearest_range_is_nearest_by_its_nearer_end() -> None:
    """24 fractions are 4 more than 3 to 20 and 6 fewer than 30."""
    few, many = (
        Goal("Heart", Metric.parse("Dmean"), "<=", gray, fractions=FractionRange(*span))
        for gray, span in ((10.0, (3, 20)), (26.0, (30, 30)))
    )
    (chosen,) = goals_for_fractions(GoalSet("test", "", "", (few, many)), 24)
    assert chosen.goal is few


@pytest.mark.parametrize(
    ("metric", "comparator", "limit", "gray", "shown"),
    [("Dmean", "<=", 45.0, 45.004, "45.004 Gy"), ("Dmean", "<=", 45.0, 44.996, "45.00 Gy"),
     ("Dmean", ">=", 45.0, 44.996, "44.996 Gy"), ("Dmean", "<=", 45.0, 45.3, "45.30 Gy"),
     ("Dmean", "<", 45.0, 44.9999, "44.9999 Gy"), ("Dmean", "<=", 45.0, 45.0001, "45.0001 Gy"),
     ("D2%[%Rx]", "<=", 55.0, 36.632, "55.003 %Rx")],
)  # fmt: skip
def test_a_shown_value_lies_on_the_side_of_its_limit_that_the_verdict_says(metric, comparator, limit, gray, shown):
    result = judge(metric, comparator, limit, uniform(gray))
    assert result.shown_value == shown and f"is {shown} and" in result.reason
    assert result.goal.is_met(float(shown.split()[0])) is (result.verdict is Verdict.PASS)
    assert f"  {shown}  " in format_goals_table([result])


def test_a_value_without_a_unit_is_shown_beside_its_limit_too() -> None:
    goal = Goal("PTV", Metric.parse("HI"), ">=", 0.105)
    result = GoalResult(goal, "PTV", 0.1049, "", Verdict.FAIL, "")
    assert result.shown_value == "0.1049" and replace(result, value=0.2).shown_value == "0.200"
    assert replace(result, value=float("nan")).shown_value == "-"
