"""Goals: how they are written, how a dose is judged by them, how bad files are refused."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from DosePredictionLib.dosimetry import goals as goals_module
from DosePredictionLib.dosimetry.dvh import compute_dvh
from DosePredictionLib.dosimetry.goal_reading import bundled_goals, read_goals
from DosePredictionLib.dosimetry.goals import (
    Goal,
    GoalResult,
    GoalSet,
    GoalStructures,
    Metric,
    Verdict,
    evaluate_goals,
)
from DosePredictionLib.dosimetry.metric import MetricKind
from DosePredictionLib.dosimetry.structure_expression import structures_named
from DosePredictionLib.errors import InputError
from DosePredictionLib.patient.geometry import Geometry
from DosePredictionLib.patient.patient import Patient
from DosePredictionLib.patient.structure import Structure, StructureRole
from DosePredictionLib.patient.volume import Volume

GRID = Geometry((20, 100, 100), (1.0, 1.0, 1.0))

#: Slabs along z, in voxels; each has 10 cc a slice, enough voxels to be read voxel by voxel.
SLABS = {
    "PTV70": (0, 5),
    "PTV56": (0, 10),
    "cord": (10, 12),
    "Lt parotid": (12, 16),
    "Rt parotid": (16, 20),
}


def slab(name: str, **details: object) -> Structure:
    inside = np.zeros(GRID.shape, np.uint8)
    first, last = SLABS.get(name, (0, 0))
    inside[first:last] = 1
    return Structure(name, Volume(inside, GRID), **{"role": StructureRole.OAR, **details})  # type: ignore[arg-type]


def patient(*more: Structure) -> Patient:
    target = StructureRole.TARGET
    return Patient(
        identifier="slabs",
        geometry=GRID,
        ct=None,
        structures=(
            slab("PTV56", role=target, prescription_gy=56.0),
            slab("PTV70", role=target, prescription_gy=70.0),
            slab("cord", standard_name="SpinalCord"),
            slab("Lt parotid", standard_name="Parotid_L"),
            slab("Rt parotid", standard_name="Parotid_R"),
            *more,
        ),
    )


def dose() -> Volume:
    """Uniform in each slab: 70 Gy, 56 Gy, 47 Gy, 24 Gy, 31 Gy from the first to the last."""
    array = np.empty(GRID.shape, np.float32)
    for first, last, gray in ((0, 5, 70.0), (5, 10, 56.0), (10, 12, 47.0), (12, 16, 24.0), (16, 20, 31.0)):
        array[first:last] = gray
    return Volume(array, GRID)


def judge(goal: Goal, who: Patient | None = None, what: Volume | None = None) -> list[GoalResult]:
    who, what = who or patient(), what or dose()
    dvhs = {s.name: compute_dvh(what, s) for s in who.structures}
    return evaluate_goals(GoalSet("test", "", "", (goal,)), who, what, dvhs)


def goal(
    structure: str, metric: str, comparator: str, limit: float, tolerance: float | None = None, unit: str | None = None
) -> Goal:
    return Goal(structure, Metric.parse(metric, unit), comparator, limit, tolerance)


# How metrics are written


@pytest.mark.parametrize(
    ("text", "unit", "expected"),
    [
        ("D95%", None, Metric(MetricKind.DOSE_AT_VOLUME, "Gy", 95.0, "%")),
        ("D95%", "%Rx", Metric(MetricKind.DOSE_AT_VOLUME, "%Rx", 95.0, "%")),
        ("d0.03 CC", None, Metric(MetricKind.DOSE_AT_VOLUME, "Gy", 0.03, "cc")),
        ("D2cm3[Gy]", None, Metric(MetricKind.DOSE_AT_VOLUME, "Gy", 2.0, "cc")),
        ("V20Gy", None, Metric(MetricKind.VOLUME_AT_DOSE, "%", 20.0, "Gy")),
        ("V20Gy[cc]", None, Metric(MetricKind.VOLUME_AT_DOSE, "cc", 20.0, "Gy")),
        ("V20Gy", "cc", Metric(MetricKind.VOLUME_AT_DOSE, "cc", 20.0, "Gy")),
        ("V95%Rx", None, Metric(MetricKind.VOLUME_AT_DOSE, "%", 95.0, "%Rx")),
        ("V 107.5 %Rx [%]", "%", Metric(MetricKind.VOLUME_AT_DOSE, "%", 107.5, "%Rx")),
        ("Dmean", None, Metric(MetricKind.MEAN_DOSE, "Gy")),
        ("DMAX[%Rx]", None, Metric(MetricKind.MAXIMUM_DOSE, "%Rx")),
        ("Dmin", "Gy", Metric(MetricKind.MINIMUM_DOSE, "Gy")),
        ("HI", None, Metric(MetricKind.HOMOGENEITY, "")),
        ("CI", "", Metric(MetricKind.CONFORMITY, "")),
    ],
)
def test_metric_text(text: str, unit: str | None, expected: Metric) -> None:
    metric = Metric.parse(text, unit)
    assert metric == expected
    assert Metric.parse(metric.text, metric.unit) == metric


@pytest.mark.parametrize(
    ("text", "unit", "sentence"),
    [
        ("D95", None, "does not say what 95 is; write D95% or D95cc"),
        ("V20", None, "does not say what 20 is; write V20Gy or V20%Rx"),
        ("V95%", None, "does not say what 95 is; write V95Gy or V95%Rx"),
        ("D20Gy", None, "does not say what 20 is; write D20% or D20cc"),
        ("D150%", None, "more than the whole structure"),
        ("D-5%", None, "is not known"),
        ("mean", None, "is not known; write it like one of D95%"),
        ("", None, "is not known"),
        ("Dmean", "cc", "cannot be given in 'cc'; use 'Gy' or '%Rx'"),
        ("V20Gy", "Gy", "cannot be given in 'Gy'; use '%' or 'cc'"),
        ("HI", "%", "cannot be given in '%'"),
        ("Dmean", "cGy", "cannot be given in 'cGy'"),
        ("V20Gy[cc]", "%", "make them the same"),
    ],
)
def test_metric_text_that_is_refused(text: str, unit: str | None, sentence: str) -> None:
    with pytest.raises(InputError) as caught:
        Metric.parse(text, unit)
    assert sentence in str(caught.value)


# How a dose is judged


@pytest.mark.parametrize(
    ("asked", "value", "verdict"),
    [
        (goal("SpinalCord", "D0.03cc", "<=", 48.0, 50.0), 47.0, Verdict.PASS),
        (goal("SpinalCord", "D0.03cc", "<=", 47.0), 47.0, Verdict.PASS),
        (goal("SpinalCord", "D0.03cc", "<", 47.0), 47.0, Verdict.FAIL),
        (goal("SpinalCord", "D0.03cc", "<=", 45.0, 50.0), 47.0, Verdict.TOLERANCE),
        (goal("SpinalCord", "D0.03cc", "<=", 45.0, 47.0), 47.0, Verdict.TOLERANCE),
        (goal("SpinalCord", "D0.03cc", "<=", 45.0, 46.0), 47.0, Verdict.FAIL),
        (goal("SpinalCord", "D0.03cc", "<=", 45.0), 47.0, Verdict.FAIL),
        (goal("SpinalCord", "Dmax", ">=", 45.0), 47.0, Verdict.PASS),
        (goal("SpinalCord", "Dmin", ">=", 50.0, 46.0), 47.0, Verdict.TOLERANCE),
        (goal("SpinalCord", "V40Gy", "<=", 50.0), 100.0, Verdict.FAIL),
        (goal("SpinalCord", "V40Gy[cc]", "<=", 20.0), 20.0, Verdict.PASS),
        (goal("SpinalCord", "Dmean", "<=", 60.0, None, "%Rx"), 100.0 * 47.0 / 70.0, Verdict.FAIL),
        (goal("spinalcord", "V50%Rx", "<=", 50.0), 100.0, Verdict.FAIL),
        (goal("highest target", "D95%", ">=", 100.0, None, "%Rx"), 100.0, Verdict.PASS),
        (goal("PTV_High", "Dmax", "<=", 107.0, None, "%Rx"), 100.0, Verdict.PASS),
        (goal("highest target", "HI", "<=", 0.1), 0.0, Verdict.PASS),
    ],
)
def test_verdicts(asked: Goal, value: float, verdict: Verdict) -> None:
    (result,) = judge(asked)
    assert result.value == pytest.approx(value, rel=1e-5)
    assert result.verdict is verdict
    assert result.unit == asked.unit


def test_each_target_is_held_to_its_own_prescription() -> None:
    """In nested targets 66.5 Gy covers PTV70 at 95 %; PTV56 holds PTV70 and is judged by 53.2 Gy."""
    cooler = Volume(dose().array.copy(), GRID)
    cooler.array[0:5] = 66.0
    results = judge(goal("each target", "D95%", ">=", 95.0, 93.0, "%Rx"), what=cooler)
    assert [r.structure_label for r in results] == ["PTV70", "PTV56"]
    assert results[0].value == pytest.approx(100 * 66 / 70)
    assert results[0].verdict is Verdict.TOLERANCE
    assert results[1].value == pytest.approx(100.0)
    assert results[1].verdict is Verdict.PASS


def test_conformity_goal_uses_the_targets_own_isodose() -> None:
    """The 70 Gy isodose is PTV70's slab, the 56 Gy isodose PTV56's: judged by the other's, one would fall to 0.5."""
    results = judge(goal("each target", "CI", ">=", 0.9))
    assert [r.verdict for r in results] == [Verdict.PASS, Verdict.PASS]
    assert [r.value for r in results] == [pytest.approx(1.0), pytest.approx(1.0)]


def test_one_of_two_structures_is_enough() -> None:
    (result,) = judge(goal("Parotid_L or Parotid_R", "Dmean", "<=", 26.0))
    assert (result.structure_label, result.verdict) == ("Lt parotid", Verdict.PASS)
    (result,) = judge(goal("Parotid_L or Parotid_R", "Dmin", ">=", 30.0))
    assert (result.structure_label, result.verdict) == ("Rt parotid", Verdict.PASS)
    alone = patient().with_structures(s for s in patient().structures if s.name != "Lt parotid")
    (result,) = judge(goal("Parotid_L or Parotid_R", "Dmean", "<=", 26.0), alone)
    assert (result.structure_label, result.verdict) == ("Rt parotid", Verdict.FAIL)


def test_structures_are_found_by_standard_name_then_by_their_own() -> None:
    unknown = slab("Larynx")
    (result,) = judge(goal("larynx", "Dmean", "<=", 44.0), patient(unknown))
    assert "Larynx is empty" in result.reason
    (result,) = judge(goal("Myelon", "Dmean", "<=", 44.0))
    assert (result.structure_label, result.verdict) == ("cord", Verdict.FAIL)  # another name of SpinalCord
    (result,) = judge(goal("Medulla", "Dmean", "<=", 44.0))
    assert result.verdict is Verdict.NOT_APPLICABLE


@pytest.mark.parametrize(
    ("asked", "who", "reason"),
    [
        (goal("Cochlea_L", "Dmean", "<=", 45.0), patient(), "the patient has no Cochlea_L"),
        (goal("each target", "D95%", ">=", 95.0), patient().with_structures(()), "the patient has no target"),
        (goal("highest target", "D95%", ">=", 95.0), patient().with_structures(()), "the patient has no target"),
        (goal("Lips", "Dmean", "<=", 20.0), patient(slab("Lips", standard_name="Lips")), "Lips is empty"),
        (
            goal("Lips", "Dmean", "<=", 20.0),
            patient(slab("Lips", standard_name="Lips", role=StructureRole.IGNORED)),
            "the patient has no Lips",
        ),
        (
            goal("SpinalCord", "Dmean", "<=", 50.0, None, "%Rx"),
            patient().with_structures([slab("cord", standard_name="SpinalCord")]),
            "no prescription is known for cord",
        ),
        (
            goal("each target", "CI", ">=", 0.8),
            patient().with_structures([slab("PTV70", role=StructureRole.TARGET)]),
            "no prescription is known for PTV70",
        ),
    ],
)
def test_not_applicable_says_why(asked: Goal, who: Patient, reason: str) -> None:
    (result,) = judge(asked, who)
    assert result.verdict is Verdict.NOT_APPLICABLE
    assert math.isnan(result.value)
    assert reason in result.reason


def test_index_without_a_value_is_not_applicable() -> None:
    nothing = Volume(np.zeros(GRID.shape, np.float32), GRID)
    (result,) = judge(goal("SpinalCord", "HI", "<=", 0.1), what=nothing)
    assert result.verdict is Verdict.NOT_APPLICABLE


def test_a_structure_that_the_dose_does_not_reach_is_not_judged() -> None:
    """As beyond a planning system's dose grid: its dose is not 0 there, but not known."""
    short = Volume(dose().array[:8], GRID.cropped((0, 0, 0), (8, 100, 100)))
    (result,) = judge(goal("SpinalCord", "D0.03cc", "<=", 45.0), what=short)
    assert result.verdict is Verdict.NOT_APPLICABLE and math.isnan(result.value)
    assert result.reason == "Not judged because cord lies wholly outside the dose's grid."


def test_reason_tells_what_the_value_hides() -> None:
    (result,) = judge(goal("SpinalCord", "D30cc", "<=", 50.0))
    assert "only 20 cc, so this is its minimum dose" in result.reason
    shorter = Volume(dose().array[:11], GRID.cropped((0, 0, 0), (11, 100, 100)))
    (result,) = judge(goal("SpinalCord", "Dmean", "<=", 50.0), what=shorter)
    assert result.value == pytest.approx(23.5)
    assert "50.0 % of the structure lies outside the dose" in result.reason


def test_missing_dvhs_are_computed() -> None:
    asked = GoalSet("test", "", "", (goal("SpinalCord", "Dmean", "<=", 50.0),))
    (result,) = evaluate_goals(asked, patient(), dose(), {})
    assert result.value == pytest.approx(47.0)


# The bundled goals


def test_bundled_head_and_neck_goals() -> None:
    goals = bundled_goals("head-and-neck")
    assert goals.name == "head-and-neck"
    by_structure = {(g.structure, g.metric.text): g for g in goals.goals}
    assert len(by_structure) == len(goals.goals), "two goals for the same metric of a structure"
    cord = by_structure["SpinalCord", "D0.03cc"]
    assert (cord.comparator, cord.limit, cord.tolerance, cord.unit, cord.priority) == ("<=", 45.0, 50.0, "Gy", 1)
    assert by_structure["Brainstem", "D0.03cc"].limit == 54.0
    assert by_structure["Bone_Mandible", "D0.03cc"].limit == 70.0
    assert by_structure["Larynx", "Dmean"].limit == 44.0
    for item in goals.goals:
        assert any(str(year) in item.source for year in range(1990, 2030)), f"{item.structure}: source without a year"
        assert " or " in item.structure or not item.structure.endswith(("_L", "_R")), "pairs are written as each"


def test_bundled_goals_judge_a_patient() -> None:
    results = evaluate_goals(bundled_goals("head-and-neck"), patient(), dose(), {})
    verdicts = {(r.structure_label, r.goal.metric.text): r.verdict for r in results}
    assert verdicts["cord", "D0.03cc"] is Verdict.TOLERANCE
    assert verdicts["PTV70", "D95%"] is Verdict.PASS
    assert verdicts["Rt parotid", "Dmean"] is Verdict.FAIL
    assert verdicts["Lt parotid", "Dmean"] is Verdict.PASS
    assert verdicts["each Cochlea", "Dmean"] is Verdict.NOT_APPLICABLE


def test_bundled_goals_of_another_name_are_refused_with_the_names_there_are() -> None:
    with pytest.raises(InputError, match="no goals called 'lung'; choose one of .*head-and-neck"):
        bundled_goals("lung")


# Files

GOOD = {"structure": "SpinalCord", "metric": "D0.03cc", "comparator": "<=", "limit": 45, "source": "somewhere 2010"}


def test_goals_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.json"
    more = {**GOOD, "unit": "Gy", "tolerance": 50, "priority": 1}
    path.write_text(json.dumps({"title": "Mine", "goals": [GOOD, more]}), encoding="utf-8")
    goals = read_goals(str(path))
    assert (goals.name, goals.title, goals.description) == ("mine", "Mine", "")
    plain, full = goals.goals
    assert (plain.priority, plain.tolerance, plain.unit) == (2, None, "Gy")
    assert (full.priority, full.tolerance, full.unit, full.limit) == (1, 50.0, "Gy", 45.0)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"comparator": "=<"}, "Goal 1 (SpinalCord) of {path} compares with '=<'; use one of <=, >=, <, >."),
        ({"limit": "45"}, "has 'limit' = '45'; give a number that is not negative."),
        ({"limit": -1}, "has 'limit' = -1; give a number that is not negative."),
        ({"limit": True}, "has 'limit' = True; give a number"),
        ({"tolerance": 40}, "has a tolerance of 40 that is stricter than its limit <= 45; give a tolerance above"),
        (
            {"comparator": ">=", "tolerance": 50},
            "has a tolerance of 50 that is stricter than its limit >= 45; give a tolerance below",
        ),
        ({"tolerence": 50}, "has an unknown entry 'tolerence'; use only active, checked, comparator"),
        ({"metric": "D95"}, "Goal 1 (SpinalCord) of {path}: Metric 'D95' does not say what 95 is"),
        ({"metric": 95}, "has 'metric' = 95; give a text."),
        ({"unit": "cc"}, "Metric 'D0.03cc' cannot be given in 'cc'; use 'Gy' or '%Rx'."),
        ({"priority": 0}, "has priority 0; give a whole number from 1"),
        ({"priority": 1.5}, "has priority 1.5; give a whole number"),
        ({"structure": " "}, "Goal 1 of {path} has 'structure' = ' '; give a text."),
        ({"source": ""}, "has 'source' = ''; give a text."),
        ({"limit": None}, "has 'limit' = None; give a number"),
    ],
)
def test_bad_goal_is_refused_in_one_sentence(tmp_path: Path, change: dict[str, object], sentence: str) -> None:
    path = tmp_path / "bad.json"
    path.write_text(json.dumps({"name": "bad", "goals": [{**GOOD, **change}]}), encoding="utf-8")
    with pytest.raises(InputError) as caught:
        read_goals(path)
    message = str(caught.value)
    assert sentence.format(path=path) in message
    assert message.endswith(".") and "\n" not in message


@pytest.mark.parametrize("missing", ["structure", "metric", "comparator", "limit", "source"])
def test_goal_without_a_needed_entry(tmp_path: Path, missing: str) -> None:
    path = tmp_path / "bad.json"
    path.write_text(json.dumps({"goals": [GOOD, {k: v for k, v in GOOD.items() if k != missing}]}), encoding="utf-8")
    with pytest.raises(InputError, match=f"Goal 2 .*has no '{missing}'; add it"):
        read_goals(path)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("[]", "holds no set of goals"),
        ("{}", "has no goals"),
        ('{"goals": []}', "has no goals"),
        ('{"goals": {"SpinalCord": 45}}', "has no goals"),
        ('{"goals": ["SpinalCord < 45"]}', "Goal 1 of .* is no object"),
        ('{"goals": [], "version": 2}', "unknown entry 'version'"),
        ('{"name": 3, "goals": []}', "has 'name' = 3"),
        ('{"goals": [\n  {"structure": "A",}\n]}', "not valid JSON at line 2"),
        ("", "not valid JSON at line 1, column 1"),
        ('{"goals": [{"limit": NaN}]}', "holds NaN, which is no number"),
    ],
)
def test_bad_goals_file_is_refused(tmp_path: Path, content: str, sentence: str) -> None:
    path = tmp_path / "bad.json"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(InputError, match=sentence):
        read_goals(path)


def test_goals_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="Cannot read goals from .*nowhere.json: No such file"):
        read_goals(tmp_path / "nowhere.json")
    binary = tmp_path / "binary.json"
    binary.write_bytes(b"\xff\xfe\x00{")
    with pytest.raises(InputError, match="not text in UTF-8"):
        read_goals(binary)


def test_several_doses_are_judged_with_structures_that_are_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[tuple[str, bool]] = []

    def counted(expression: str, of: Patient, *, for_maximum: bool = False) -> list[Structure]:
        made.append((expression, for_maximum))
        return structures_named(expression, of, for_maximum=for_maximum)

    set_ = bundled_goals("addiff-dose")
    whole, half = dose(), Volume(dose().array * np.float32(0.5), GRID)
    alone = [evaluate_goals(set_, patient(), one, {}) for one in (whole, half)]
    monkeypatch.setattr(goals_module, "structures_named", counted)
    one = patient()
    named = GoalStructures(one)
    together = [evaluate_goals(set_, one, each, {}, named) for each in (whole, half)]
    assert len(made) == len(set(made)) > 20 and ("SpinalCord_PRV05", False) in made
    for ours, theirs in zip(together, alone, strict=True):
        assert [(r.structure_label, r.verdict, r.value) for r in ours if r.verdict is not Verdict.NOT_APPLICABLE] == [
            (r.structure_label, r.verdict, r.value) for r in theirs if r.verdict is not Verdict.NOT_APPLICABLE
        ]
    assert [r.verdict for r in together[0]] != [r.verdict for r in together[1]]
