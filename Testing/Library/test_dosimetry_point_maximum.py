"""Limits on a point's dose (D0.03cc) in structures that are smaller than the point: their maximum counts."""

from __future__ import annotations

import numpy as np
import pytest

from DosePredictionLib.dosimetry.dvh import compute_dvh
from DosePredictionLib.dosimetry.goal import Goal, GoalSet
from DosePredictionLib.dosimetry.goals import GoalResult, Verdict, evaluate_goals
from DosePredictionLib.dosimetry.metric import Metric
from DosePredictionLib.dosimetry.scorecard import Scorecard, ScoreMetric, ScorePoint, ScoreTemplate
from DosePredictionLib.dosimetry.scorecard_scoring import score_dose
from DosePredictionLib.patient.geometry import Geometry
from DosePredictionLib.patient.patient import Patient
from DosePredictionLib.patient.structure import Structure, StructureRole
from DosePredictionLib.patient.volume import Volume

GRID = Geometry((8, 8, 8), (2.0, 2.0, 2.0))


def cochlea(voxels: int) -> Patient:
    """A cochlea of so many voxels of 8 mm3 in a row along x."""
    mask = np.zeros(GRID.shape, np.uint8)
    mask[4, 4, 1 : 1 + voxels] = 1
    organ = Structure("Cochlea_L", Volume(mask, GRID), StructureRole.OAR, "Cochlea_L")
    return Patient("ear", GRID, None, (organ,), fractions=1)


def ramp() -> Volume:
    """0 to 35 Gy, 5 Gy more a voxel along x."""
    return Volume(np.broadcast_to(5.0 * np.arange(8, dtype=np.float32), GRID.shape).copy(), GRID)


def judged(metric: str, comparator: str, limit: float, voxels: int) -> GoalResult:
    goal = Goal("Cochlea_L", Metric.parse(metric), comparator, limit)
    (result,) = evaluate_goals(GoalSet("set", "", "", (goal,)), cochlea(voxels), ramp(), {})
    return result


@pytest.mark.parametrize("metric", ["D0.03cc", "D0.035cc"])
def test_an_upper_limit_on_a_point_is_held_against_the_maximum_of_less_than_a_point(metric: str) -> None:
    """0.024 cc of 5 to 15 Gy: TG-101's 9 Gy to a point of 0.035 cc or less are broken, though the minimum is below."""
    result = judged(metric, "<=", 9.0, voxels=3)
    dvh = compute_dvh(ramp(), cochlea(3).structures[0])
    assert dvh.min_gy < 9.0 < dvh.max_gy
    assert (result.value, result.verdict) == (dvh.max_gy, Verdict.FAIL)
    assert result.reason.startswith(f"Dmax is {dvh.max_gy:.2f} Gy and misses the goal of <= 9; the structure has only ")
    assert result.reason.endswith(f"so this is its maximum dose in place of {metric}.")


def test_in_a_structure_larger_than_the_point_it_stays_what_it_is() -> None:
    dvh = compute_dvh(ramp(), cochlea(6).structures[0])
    result = judged("D0.035cc", "<=", 9.0, voxels=6)
    assert result.value == dvh.dose_at_volume_cc(0.035) < dvh.max_gy
    assert result.reason.startswith("D0.035cc is ") and "only" not in result.reason


@pytest.mark.parametrize(("metric", "comparator"), [("D0.2cc", "<="), ("D0.03cc", ">=")])
def test_threshold_volumes_and_lower_limits_keep_the_definition(metric: str, comparator: str) -> None:
    result = judged(metric, comparator, 9.0, voxels=3)
    assert result.value == compute_dvh(ramp(), cochlea(3).structures[0]).min_gy
    assert "so this is its minimum dose." in result.reason


def scored(metric: ScoreMetric, amount: float, points: tuple[ScorePoint, ...]) -> tuple[float, tuple[str, ...]]:
    row = ScoreTemplate("Cochlea_L", "", "", metric, metric.value, amount, "cc", "Gy", points)
    result = score_dose(Scorecard("card", "", "", 2.0, 35, (row,)), cochlea(3), ramp())
    return result.rows[0].value, result.remarks


def test_a_scorecard_reads_a_point_alike_and_says_so() -> None:
    """Points that fall with D0.03cc are lost by the maximum; those that rise with it, or are for 0.2 cc, aren't."""
    dvh = compute_dvh(ramp(), cochlea(3).structures[0])
    falling, rising = (ScorePoint(5.0, 4.0), ScorePoint(20.0, 0.0)), (ScorePoint(5.0, 0.0), ScorePoint(20.0, 4.0))
    value, remarks = scored(ScoreMetric.DOSE_AT_VOLUME, 0.03, falling)
    assert value == dvh.max_gy
    assert remarks == ("Cochlea_L has only 0.024 cc, so D0.03cc [Gy] is scored by its maximum dose.",)
    assert scored(ScoreMetric.DOSE_AT_VOLUME, 0.03, rising) == (dvh.min_gy, ())
    assert scored(ScoreMetric.DOSE_AT_VOLUME, 0.2, falling) == (dvh.min_gy, ())
