"""BED and EQD2 against worked examples, and goals carried over to other fractionations."""

from __future__ import annotations

import numpy as np
import pytest

from DosePredictionLib.dosimetry.equivalent_dose import (
    alpha_beta_of,
    bed_gy,
    can_be_converted,
    converted,
    eqd2_gy,
    total_dose_of_bed_gy,
    total_dose_of_eqd2_gy,
)
from DosePredictionLib.dosimetry.goal import FractionRange, Goal, GoalSet
from DosePredictionLib.dosimetry.goal_fractions import UnknownFractions, goals_for_fractions
from DosePredictionLib.dosimetry.goals import Verdict, evaluate_goals
from DosePredictionLib.dosimetry.metric import Metric
from DosePredictionLib.dosimetry.tables import format_goals_table
from DosePredictionLib.patient.geometry import Geometry
from DosePredictionLib.patient.patient import Patient
from DosePredictionLib.patient.structure import Structure, StructureRole
from DosePredictionLib.patient.volume import Volume


@pytest.mark.parametrize(
    ("total_gy", "fractions", "alpha_beta_gy", "bed", "eqd2"),
    [
        (54.0, 3, 10.0, 151.2, 126.0),  # lung SBRT: 3 x 18 Gy
        (48.0, 4, 10.0, 105.6, 88.0),
        (50.0, 5, 10.0, 100.0, 83.333),
        (60.0, 30, 10.0, 72.0, 60.0),  # 2 Gy a fraction is its own EQD2
        (70.0, 35, 3.0, 116.667, 70.0),
        (30.0, 10, 3.0, 60.0, 36.0),
        (8.0, 1, 2.0, 40.0, 20.0),
    ],
)
def test_worked_examples(total_gy: float, fractions: int, alpha_beta_gy: float, bed: float, eqd2: float) -> None:
    assert bed_gy(total_gy, fractions, alpha_beta_gy) == pytest.approx(bed, rel=1e-5)
    assert eqd2_gy(total_gy, fractions, alpha_beta_gy) == pytest.approx(eqd2, rel=1e-5)
    assert total_dose_of_bed_gy(bed, fractions, alpha_beta_gy) == pytest.approx(total_gy, rel=1e-5)
    assert total_dose_of_eqd2_gy(eqd2, fractions, alpha_beta_gy) == pytest.approx(total_gy, rel=1e-5)


def test_no_dose_and_no_fractions() -> None:
    assert bed_gy(0.0, 5, 3.0) == total_dose_of_bed_gy(0.0, 5, 3.0) == 0.0
    for fractions, ratio in ((0, 3.0), (5, 0.0), (-1, 3.0)):
        with pytest.raises(ValueError, match="are above 0"):
            bed_gy(10.0, fractions, ratio)


@pytest.mark.parametrize(
    ("name", "gray", "assumed"),
    [
        ("SpinalCord", 2.0, False), ("Cord", 2.0, False), ("SpinalCord_PRV05", 2.0, False), ("Lens_L", 1.0, False),
        ("each Lens", 1.0, False), ("OpticNrv_PRV03_L", 2.0, False), ("Lungs-GTV", 3.0, False), ("Lung_R", 3.0, False),
        ("ipsilateral BrachialPlex", 2.0, False), ("Bone_Mandible", 3.0, True), ("nobody's organ", 3.0, True),
    ],
)  # fmt: skip
def test_alpha_beta_of_structures(name: str, gray: float, assumed: bool) -> None:
    ratio = alpha_beta_of(name)
    assert (ratio.gy, ratio.assumed) == (gray, assumed)
    assert any(str(year) in ratio.source for year in range(1980, 2030))
    assert alpha_beta_of(name, target=True).gy == 10.0


def goal(structure: str, metric: str, limit: float, fractions: object = None, comparator: str = "<=", **more) -> Goal:
    given = None
    if isinstance(fractions, int):
        given = FractionRange(fractions, fractions)
    elif isinstance(fractions, tuple):
        given = FractionRange(*fractions)
    return Goal(structure, Metric.parse(metric), comparator, limit, fractions=given, **more)


def test_limit_and_tolerance_are_carried_over() -> None:
    """45 Gy in 25 fractions of 1.8 Gy to the cord, tolerance 50 Gy: in 15 fractions, by hand."""
    carried, how = converted(
        goal("SpinalCord", "D0.03cc", 45.0, tolerance=50.0), FractionRange(25, 45), 15, alpha_beta_of("SpinalCord")
    )
    for total_gy, given in ((carried.limit, 45.0), (carried.tolerance, 50.0)):
        assert total_gy is not None
        assert total_gy * (1 + total_gy / 15 / 2) == pytest.approx(given * (1 + given / 25 / 2), abs=0.05)
    assert carried.limit == pytest.approx(37.82, abs=0.01)
    assert how.text == (
        "converted from D0.03cc <= 45 Gy at 25 fractions, given for 25-45 to 15 fractions by EQD2 with alpha/beta 2 Gy"
    )


def test_dose_of_a_volume_is_carried_over_and_the_volume_stays() -> None:
    carried, how = converted(goal("Lungs", "V20Gy", 30.0), FractionRange(25, None), 5, alpha_beta_of("Lungs"))
    assert (carried.limit, carried.unit) == (30.0, "%")
    assert carried.metric.amount == pytest.approx(total_dose_of_eqd2_gy(eqd2_gy(20.0, 25, 3.0), 5, 3.0), abs=0.01)
    assert carried.metric.text == "V13.39Gy"
    assert "given for 25 or more" in how.text


@pytest.mark.parametrize("gray", [5.0, 20.0, 45.0, 66.0])
def test_fewer_fractions_never_allow_more(gray: float) -> None:
    limits = [
        converted(goal("Heart", "Dmean", gray), FractionRange(25, 45), n, alpha_beta_of("Heart"))[0].limit
        for n in (1, 3, 5, 10, 20, 24)
    ]
    assert limits == sorted(limits) and limits[-1] < gray
    assert limits[-1] == pytest.approx(gray, rel=0.02), "no jump where the range begins"


def test_what_has_no_gray_is_not_carried_over() -> None:
    for metric, expected in (
        ("D95%", True), ("V20Gy", True), ("V20Gy[cc]", True), ("CV12.5Gy[cc]", True), ("Dmean", True),
        ("D95%[%Rx]", False), ("V95%Rx", False), ("HI", False), ("CI", False), ("Dmax[%Rx]", False),
    ):  # fmt: skip
        assert can_be_converted(goal("A", metric, 1.0)) is expected, metric


# Sets with limits for several numbers of fractions

BY_FRACTIONS = GoalSet(
    "sbrt", "", "",
    (
        goal("SpinalCord", "D0.35cc", 10.0, 1), goal("SpinalCord", "D0.35cc", 18.0, 3),
        goal("SpinalCord", "D0.35cc", 23.0, 5),
        goal("Lungs", "CV7Gy[cc]", 1500.0, 1, ">="), goal("Lungs", "CV11.6Gy[cc]", 1500.0, 3, ">="),
        goal("SpinalCord", "D1.2cc", 7.0, 1), goal("each target", "V100%Rx", 95.0, None, ">="),
    ),
)  # fmt: skip


def chosen(fractions: int | None) -> list[str]:
    out = []
    for item in goals_for_fractions(BY_FRACTIONS, fractions):
        mark = "?" if isinstance(item, UnknownFractions) else "*" if item.convert_from is not None else ""
        out.append(f"{item.goal.metric.text} {item.goal.limit:g}{mark}")
    return out


def test_limits_for_the_plans_fractions_count() -> None:
    assert chosen(3) == ["D0.35cc 18", "CV11.6Gy 1500", "D1.2cc 7*", "V100%Rx 95"]
    assert chosen(1) == ["D0.35cc 10", "CV7Gy 1500", "D1.2cc 7", "V100%Rx 95"]


def test_other_fractions_take_the_nearest_and_of_two_the_stricter() -> None:
    """Four fractions: 18 Gy in 3 is 20.3 Gy, 23 Gy in 5 is 21.0 Gy."""
    assert chosen(4) == ["D0.35cc 18*", "CV11.6Gy 1500*", "D1.2cc 7*", "V100%Rx 95"]
    assert chosen(8)[0] == "D0.35cc 23*"


def test_unknown_fractions_leave_limits_with_variants_open() -> None:
    assert chosen(None) == ["D0.35cc 10?", "CV7Gy 1500?", "D1.2cc 7", "V100%Rx 95"]


# In the evaluation

GRID = Geometry((10, 20, 20), (2.0, 2.0, 2.0))
DOSE = Volume(np.full(GRID.shape, 40.0, np.float32), GRID)


def patient(fractions: int | None) -> Patient:
    mask = Volume(np.ones(GRID.shape, np.uint8), GRID)
    cord = Structure("cord", mask, StructureRole.OAR, "SpinalCord")
    return Patient("p", GRID, None, (cord,), fractions=fractions)


def test_results_say_what_was_converted() -> None:
    """40 Gy to the cord passes 45 Gy in 25 fractions, and fails in 15, where the limit is 37.8 Gy."""
    goals = GoalSet("set", "", "", (goal("SpinalCord", "Dmax", 45.0),), fractions=FractionRange(25, 45))
    for fractions in (25, 30, None):
        (result,) = evaluate_goals(goals, patient(fractions), DOSE, {})
        assert (result.verdict, result.goal.limit, result.conversion) == (Verdict.PASS, 45.0, None)
    (result,) = evaluate_goals(goals, patient(15), DOSE, {})
    assert result.verdict is Verdict.FAIL
    assert result.goal.limit == pytest.approx(37.82, abs=0.01)
    assert result.conversion is not None and result.conversion.original.limit == 45.0
    assert "; converted from Dmax <= 45 Gy at 25 fractions" in result.reason
    table = format_goals_table([result])
    assert "<= 37.82 Gy *" in table
    assert "* Converted to this plan's fractions by EQD2" in table


def test_unknown_fractions_are_told() -> None:
    (first, *_) = evaluate_goals(BY_FRACTIONS, patient(None), DOSE, {})
    assert first.verdict is Verdict.NOT_APPLICABLE
    assert first.reason == "Not judged because the number of fractions is not known, and its limits are for 1, 3, 5."
