"""Goals for paired organs that are drawn in one structure, or of which one side is drawn only."""

from __future__ import annotations

import numpy as np
import pytest
from phantom import AXIAL, ball

from DosePredictionLib.dosimetry.goal import Goal, GoalSet
from DosePredictionLib.dosimetry.goal_reading import bundled_goals
from DosePredictionLib.dosimetry.goals import GoalResult, Verdict, evaluate_goals
from DosePredictionLib.dosimetry.metric import Metric
from DosePredictionLib.dosimetry.structure_expression import NotThereError, structures_named
from DosePredictionLib.dosimetry.tables import not_applicable
from DosePredictionLib.patient.patient import Patient
from DosePredictionLib.patient.structure import Structure, StructureRole
from DosePredictionLib.patient.volume import Volume

OAR, TARGET, EXTERNAL = StructureRole.OAR, StructureRole.TARGET, StructureRole.EXTERNAL


def at(x: float, y: float, z: float, radius_mm: float) -> Volume:
    return ball(AXIAL, (x, y, z), radius_mm)


def both(x: float, radius_mm: float) -> Volume:
    """Two balls, left and right, in one mask."""
    left, right = at(x, -30, 0, radius_mm), at(-x, -30, 0, radius_mm)
    return Volume(np.maximum(left.array, right.array), AXIAL)


def head(*organs: Structure, fractions: int | None = 33) -> Patient:
    target = Structure("PTV70", at(0, 30, 0, 12.0), TARGET, "PTV_7000", 70.0)
    return Patient("head", AXIAL, None, (target, *organs), fractions=fractions)


def to_left_and_right(left_gy: float, right_gy: float) -> Volume:
    """The one dose in the left half, where LPS x is positive, the other in the right."""
    x = AXIAL.lps_of_index(np.stack(np.indices(AXIAL.shape), -1).astype(float))[..., 0]
    return Volume(np.where(x > 0, left_gy, right_gy).astype(np.float32), AXIAL)


def judged(structure: str, metric: str, limit: float, who: Patient, dose: Volume) -> list[GoalResult]:
    goal = Goal(structure, Metric.parse(metric), "<=", limit)
    return evaluate_goals(GoalSet("set", "", "", (goal,)), who, dose, {})


@pytest.mark.parametrize(
    ("drawn", "standard", "structure"),
    [
        ("Optic nerves", "OpticNrv", "each OpticNrv"),
        ("Eyes", "Eyes", "each Eye"),
        ("Lenses", "Lens", "each Lens"),
        ("Brachial plexuses", "BrachialPlexs", "each BrachialPlex"),
    ],
)
@pytest.mark.parametrize("metric", ["D0.03cc", "D0.035cc", "Dmax"])
def test_a_maximum_in_both_organs_is_that_of_the_worse_one(
    drawn: str, standard: str, structure: str, metric: str
) -> None:
    """50 Gy to the left and 62 Gy to the right one: drawn together they break 55 Gy as the right one does."""
    dose, name = to_left_and_right(50.0, 62.0), structure.removeprefix("each ")
    left, right = at(30, -30, 0, 8.0), at(-30, -30, 0, 8.0)
    apart = head(Structure("left", left, OAR, f"{name}_L"), Structure("right", right, OAR, f"{name}_R"))
    worse = max(judged(structure, metric, 55.0, apart, dose), key=lambda result: result.value)
    (together,) = judged(structure, metric, 55.0, head(Structure(drawn, both(30, 8.0), OAR, standard)), dose)
    assert together.structure_label == drawn
    assert together.verdict is worse.verdict is Verdict.FAIL
    assert together.value == pytest.approx(worse.value) == pytest.approx(62.0)


@pytest.mark.parametrize("metric", ["Dmean", "D1%", "D3cc", "V20Gy"])
def test_what_both_organs_together_cannot_answer_is_not_judged_and_says_why(metric: str) -> None:
    who = head(Structure("Cochleas", both(30, 8.0), OAR, "Cochlea"))
    (result,) = judged("each Cochlea", metric, 45.0, who, to_left_and_right(10.0, 62.0))
    assert result.verdict is Verdict.NOT_APPLICABLE
    assert result.reason == (
        "Not judged because the patient has no separate left and right Cochlea, only Cochleas, which tells no side."
    )


def test_one_side_by_itself_goes_before_both_in_one() -> None:
    who = head(
        Structure("left", at(30, -30, 0, 8.0), OAR, "OpticNrv_L"), Structure("nerves", both(30, 8.0), OAR, "OpticNrv")
    )
    assert [s.name for s in structures_named("each OpticNrv", who, for_maximum=True)] == ["left"]


def test_margins_and_cuts_of_both_in_one() -> None:
    nerves = Structure("Optic nerves", both(30, 8.0), OAR, "OpticNrv")
    (prv,) = structures_named("each OpticNrv_PRV03", head(nerves), for_maximum=True)
    assert prv.mask.array.sum() > nerves.mask.array.sum()
    with pytest.raises(NotThereError, match="no separate left and right OpticNrv, only Optic nerves, which"):
        structures_named("each OpticNrv_PRV03", head(nerves))
    (cut,) = structures_named("each OpticNrv minus targets", head(nerves), for_maximum=True)
    assert cut.name == "OpticNrv minus targets"


@pytest.mark.parametrize("name", ["head-and-neck", "quantec", "rtog-0615"])
def test_bundled_goals_judge_optic_nerves_drawn_together(name: str) -> None:
    who = head(Structure("Optic nerves", both(30, 8.0), OAR, "OpticNrv"))
    results = evaluate_goals(bundled_goals(name), who, to_left_and_right(50.0, 62.0), {})
    (nerves,) = [r for r in results if r.goal.structure == "each OpticNrv"]
    assert (nerves.structure_label, nerves.verdict) == ("Optic nerves", Verdict.FAIL)


@pytest.mark.parametrize(("there", "missing"), [("Parotid_L", "Parotid_R"), ("Parotid_R", "Parotid_L")])
def test_a_side_that_is_missing_is_told(there: str, missing: str) -> None:
    who = head(Structure("gland", at(30, -30, 0, 8.0), OAR, there))
    results = judged("each Parotid", "Dmean", 26.0, who, to_left_and_right(20.0, 20.0))
    assert [(r.structure_label, r.verdict) for r in results] == [
        ("gland", Verdict.PASS), (missing, Verdict.NOT_APPLICABLE),
    ]  # fmt: skip
    assert results[1].reason == f"Not judged because the patient has no {missing}."
    assert not_applicable(results) == f"{missing} (not there)"


def test_a_pair_that_is_missing_is_said_to_be_not_there() -> None:
    results = judged("each Lens", "Dmax", 10.0, head(), to_left_and_right(1.0, 1.0))
    assert results[0].reason == "Not judged because the patient has no Lens."
    assert not_applicable(results) == "each Lens (not there)"


# One side of a pair


def chest(target_x: float, *organs: Structure, body: bool = True) -> Patient:
    outline = [Structure("Body", at(0, 0, 0, 78.0), EXTERNAL)] if body else []
    target = Structure("PTV50", at(target_x, 0, 0, 12.0), TARGET, "PTV_5000", 50.0)
    return Patient("chest", AXIAL, None, (*outline, target, *organs), fractions=5)


RIGHT_PLEXUS = Structure("plexus", at(-40, 20, 20, 8.0), OAR, "BrachialPlex_R")
LEFT_PLEXUS = Structure("plexus", at(40, 20, 20, 8.0), OAR, "BrachialPlex_L")


@pytest.mark.parametrize(("target_x", "only"), [(-40.0, RIGHT_PLEXUS), (40.0, LEFT_PLEXUS)])
def test_the_only_one_drawn_is_ipsilateral_on_the_targets_side(target_x: float, only: Structure) -> None:
    """RTOG 0813 with the plexus on the tumour's side drawn only, as is usual: 35 Gy break the 32 Gy."""
    who, dose = chest(target_x, only), to_left_and_right(35.0, 35.0)
    results = evaluate_goals(bundled_goals("rtog-0813"), who, dose, {})
    plexus = [r for r in results if r.goal.structure == "ipsilateral BrachialPlex"]
    assert [(r.structure_label, r.goal.metric.text) for r in plexus] == [("plexus", "D0.03cc"), ("plexus", "D3cc")]
    assert plexus[0].verdict is Verdict.FAIL and plexus[0].value == pytest.approx(35.0)
    with pytest.raises(NotThereError, match="which would be the contralateral one"):
        structures_named("contralateral BrachialPlex", who)


@pytest.mark.parametrize(("target_x", "only"), [(40.0, RIGHT_PLEXUS), (-40.0, LEFT_PLEXUS)])
def test_the_only_one_drawn_is_contralateral_on_the_other_side(target_x: float, only: Structure) -> None:
    who = chest(target_x, only)
    assert structures_named("contralateral BrachialPlex", who) == [only]
    missing = "BrachialPlex_L" if only is RIGHT_PLEXUS else "BrachialPlex_R"
    with pytest.raises(NotThereError, match=f"no {missing}, which would be the ipsilateral one"):
        structures_named("ipsilateral BrachialPlex", who)


def test_the_middle_is_the_bodys_and_not_the_images() -> None:
    """A patient who lies 50 mm off the image's middle: the target at x = 20 is on the right of a body at 50."""
    off = Structure("Body", at(50, 0, 0, 60.0), EXTERNAL)
    who = chest(20.0, off, RIGHT_PLEXUS, body=False)
    assert structures_named("ipsilateral BrachialPlex", who) == [RIGHT_PLEXUS]


def test_the_region_of_the_dose_stands_in_for_an_outline() -> None:
    """As in OpenKBP, whose data hold no other."""
    region = Structure("possible_dose_mask", at(0, 0, 0, 78.0), StructureRole.DOSE_REGION)
    who = chest(-40.0, region, RIGHT_PLEXUS, body=False)
    assert structures_named("ipsilateral BrachialPlex", who) == [RIGHT_PLEXUS]


@pytest.mark.parametrize("side", ["ipsilateral", "contralateral"])
@pytest.mark.parametrize("target_x", [0.0, -15.0, 15.0])
def test_near_the_middle_the_only_one_drawn_is_on_neither_side(side: str, target_x: float) -> None:
    with pytest.raises(NotThereError, match="only BrachialPlex_R, and its highest target too near the middle to call"):
        structures_named(f"{side} BrachialPlex", chest(target_x, RIGHT_PLEXUS))


def test_without_an_outline_the_only_one_drawn_is_not_judged() -> None:
    with pytest.raises(NotThereError, match="only BrachialPlex_R and no outline of the body to tell"):
        structures_named("ipsilateral BrachialPlex", chest(-40.0, RIGHT_PLEXUS, body=False))


def test_both_in_one_are_not_told_apart_by_side() -> None:
    plexuses = Structure("Plexuses", both(40, 8.0), OAR, "BrachialPlexs")
    with pytest.raises(NotThereError, match="no separate left and right BrachialPlex, only Plexuses, which tells"):
        structures_named("ipsilateral BrachialPlex", chest(-40.0, plexuses))
