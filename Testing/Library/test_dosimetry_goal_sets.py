"""The goals that ship: valid by schema and reader, complete, sourced."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import jsonschema
import pytest

from DosePredictionLib.dosimetry.goal import OR, Goal
from DosePredictionLib.dosimetry.goal_fractions import GoalForPlan, goals_for_fractions
from DosePredictionLib.dosimetry.goal_reading import bundled_goal_names, bundled_goals, read_goals
from DosePredictionLib.dosimetry.goal_writing import write_goals
from DosePredictionLib.dosimetry.metric import MetricKind
from DosePredictionLib.dosimetry.scorecard_reading import find_scorecard
from DosePredictionLib.patient.naming import match_structure_name, role_of_standard_name
from DosePredictionLib.resources import resource_path

NAMES = (
    "addiff-dose", "head-and-neck", "nrg-hn004", "quantec", "rtog-0615", "rtog-0617", "rtog-0813", "rtog-0915",
    "rtog-1016", "tg-101",
)  # fmt: skip


def plain_names(text: str) -> list[str]:
    """The names of structures in what a goal asks for, without what is made of them."""
    names = []
    for part in text.split(OR):
        bare = re.sub(r"^(ring [\d.]+-[\d.]+ mm (around|inside)|ipsilateral|contralateral) ", "", part.strip())
        names += [name.removeprefix("each ") for name in re.split(r" minus |(?<=[A-Za-z_])-(?=[A-Za-z])", bare)]
    return names


def schema() -> dict:
    return json.loads(resource_path("Goals", "schema.json").read_text(encoding="utf-8"))


def find(goals: str, structure: str, metric: str, fractions: int | None = None) -> list[Goal]:
    """The goals of a set for a structure and metric, and for so many fractions where they tell."""
    return [
        g for g in bundled_goals(goals).goals
        if (g.structure, g.metric.text) == (structure, metric)
        and (fractions is None or g.fractions is None or g.fractions.holds(fractions))
    ]  # fmt: skip


def test_the_sets_that_ship() -> None:
    assert bundled_goal_names() == list(NAMES)


def test_the_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(schema())


@pytest.mark.parametrize("name", NAMES)
def test_bundled_set_obeys_schema_and_reader(name: str, tmp_path: Path) -> None:
    path = resource_path("Goals", f"{name}.json")
    jsonschema.validate(json.loads(path.read_text(encoding="utf-8")), schema())
    goals = read_goals(path)
    assert goals.name == name
    assert goals.title != name and len(goals.description) > 80
    write_goals(goals, tmp_path / "again.json")
    assert read_goals(tmp_path / "again.json") == goals
    jsonschema.validate(json.loads((tmp_path / "again.json").read_text(encoding="utf-8")), schema())


@pytest.mark.parametrize("name", NAMES)
def test_every_goal_has_a_source_with_a_year_and_a_known_structure(name: str) -> None:
    goals = bundled_goals(name)
    assert len({replace(g, note="") for g in goals.goals}) == len(goals.goals), "a goal stands twice"
    for goal in goals.goals:
        assert goal.year or any(str(year) in goal.source for year in range(1990, 2030)), goal
        assert goal.active or goal.note, "a row that isn't judged says why"
        if not goal.checked:
            assert goal.note, f"{goal.structure}: what was not compared says so"
    plain = {
        "GTV",
        "CTV",
        "PTV",
        "targets",
        "each target",
        "target",
        "highest target",
        "middle target",
        "lowest target",
    }
    for structure in {name for goal in goals.goals for name in plain_names(goal.structure)}:
        if structure in plain or structure == "Posterior_Neck":
            continue
        base = structure.split("_PRV")[0]
        match = match_structure_name(base)
        known = (match.standard_name or "").startswith(base) or role_of_standard_name(f"{base}_L") is not None
        assert known, f"{structure} is no TG-263 name"


def test_addiff_dose_table() -> None:
    """Rows of the paper's table, rings, margins and organs without targets among them; contradictions as data."""
    goals = bundled_goals("addiff-dose").goals
    assert len(goals) > 75
    assert [g.limit for g in find("addiff-dose", "SpinalCord", "Dmax")] == [45.0]
    assert [g.limit for g in find("addiff-dose", "Lungs-GTV", "V20Gy")] == [30.0]
    assert [g.limit for g in find("addiff-dose", "SpinalCord_PRV05", "D1%")] == [50.0]
    ring = find("addiff-dose", "ring 5-10 mm around highest target minus targets", "Dmax")
    assert [(g.limit, g.unit) for g in ring] == [(80.0, "%Rx")]
    heart = find("addiff-dose", "Heart", "V30Gy")
    assert [(g.limit, g.active) for g in heart] == [(40.0, True), (10.0, False)]
    nerve = find("addiff-dose", "each OpticNrv", "Dmax")
    assert [(g.limit, g.active) for g in nerve] == [(50.0, True), (8.0, False)]
    assert [g.limit for g in find("addiff-dose", "each Lens", "Dmax")] == [8.0]


@pytest.mark.parametrize(
    ("structure", "metric", "limits"),
    [
        ("SpinalCord", "D0.035cc", (14.0, 21.9, 30.0)),
        ("SpinalCord", "D0.35cc", (10.0, 18.0, 23.0)),
        ("SpinalCord", "D1.2cc", (7.0, 12.3, 14.5)),
        ("OpticChiasm", "D0.2cc", (8.0, 15.3, 23.0)),
        ("Esophagus", "D5cc", (11.9, 17.7, 19.5)),
        ("GreatVes", "D0.035cc", (37.0, 45.0, 53.0)),
        ("each BrachialPlex", "D3cc", (14.0, 20.4, 27.0)),
        ("each Kidney_Hilum", "D66.7%", (10.6, 18.6, 23.0)),
    ],
)
def test_tg101_by_fractions(structure: str, metric: str, limits: tuple[float, ...]) -> None:
    found = [[g.limit for g in find("tg-101", structure, metric, n)] for n in (1, 3, 5)]
    assert found == [[limit] for limit in limits]


def test_tg101_critical_volumes() -> None:
    lungs = [g for g in bundled_goals("tg-101").goals if g.structure == "Lungs" and g.limit == 1500.0]
    assert [(g.metric.text, g.metric.unit, g.comparator) for g in lungs] == [
        ("CV7Gy", "cc", ">="), ("CV11.6Gy", "cc", ">="), ("CV12.5Gy", "cc", ">="),
    ]  # fmt: skip


def test_tg101_says_which_row_it_leaves_out() -> None:
    assert "Left out is the row of the spinal cord's subvolume" in bundled_goals("tg-101").description


@pytest.mark.parametrize("fractions", [1, 3, 5, 4, 8, 30])
def test_tg101_gives_each_limit_once(fractions: int) -> None:
    chosen = goals_for_fractions(bundled_goals("tg-101"), fractions)
    assert all(isinstance(item, GoalForPlan) for item in chosen)
    keys = []
    for goal in (item.goal for item in chosen):
        critical = goal.metric.kind is MetricKind.COMPLEMENT_VOLUME
        keys.append((goal.structure, goal.metric.kind, goal.limit if critical else goal.metric.amount))
    assert len(set(keys)) == len(keys)
    carried = [(i.goal.structure, i.goal.metric.text) for i in chosen if i.convert_from is not None]
    if fractions in (1, 3, 5):  # 30 cc of the ribs are limited for three fractions only
        assert carried == ([] if fractions == 3 else [("Rib", "D30cc")])
    else:
        assert len(carried) == len(chosen), "limits of other fractionations are carried over, all of them"


def test_quantec() -> None:
    for structure, metric, limit in (
        ("SpinalCord", "D0.03cc", 50.0), ("Brainstem", "D1cc", 59.0), ("Parotids", "Dmean", 25.0),
        ("Lungs-GTV", "V20Gy", 30.0), ("Heart", "V25Gy", 10.0),
        ("Larynx", "V50Gy", 27.0), ("Kidneys", "V12Gy", 55.0), ("Rectum", "V75Gy", 15.0), ("Bag_Bowel", "V45Gy", 195.0),
    ):  # fmt: skip
        (goal,) = find("quantec", structure, metric)
        assert goal.limit == limit and goal.endpoint and goal.year == 2010


@pytest.mark.parametrize(
    ("organ", "limit", "prv", "prv_metric", "prv_limit"),
    [
        ("Brainstem", 54, "Brainstem_PRV01", "D1%", 60),
        ("SpinalCord", 45, "SpinalCord_PRV05", "D1%", 50),
        ("OpticChiasm", 50, "OpticChiasm_PRV01", "D0.03cc", 54),
        ("each OpticNrv", 50, "each OpticNrv_PRV01", "D0.03cc", 54),
    ],
)
def test_rtog_0615_allows_the_prv_more_than_the_organ(
    organ: str, limit: float, prv: str, prv_metric: str, prv_limit: float
) -> None:
    """A cord of 49.5 Gy breaks the trial's 45 Gy: the 50 Gy are the PRV's and no tolerance of the cord's."""
    (own,), (around,) = find("rtog-0615", organ, "D0.03cc"), find("rtog-0615", prv, prv_metric)
    assert (own.limit, own.tolerance) == (limit, None)
    assert (around.limit, around.tolerance, around.priority) == (prv_limit, None, 1)


def test_the_oral_cavity_is_judged_outside_the_ptvs_where_the_source_says_so() -> None:
    """RTOG 0615: a mean of 40 Gy outside the PTVs, in the goals and on the scorecard."""
    for name in ("head-and-neck", "rtog-0615"):
        assert [g.limit for g in find(name, "Cavity_Oral-PTV", "Dmean")] == [40.0], name
    rows = [t.structure for t in find_scorecard("head-and-neck").templates if "outside the PTVs" in t.comment]
    assert rows == ["Cavity_Oral-PTV"]


@pytest.mark.parametrize(
    ("structure", "metric", "limit", "unit", "tolerance", "priority"),
    [
        ("highest target", "D95%", 100, "%Rx", 98.57, 1),
        ("highest target", "D99%", 95, "%Rx", 90, 1),
        ("highest target", "D0.03cc", 110, "%Rx", 117.14, 2),
        ("middle target", "D95%", 100, "%Rx", 94.69, 1),
        ("lowest target", "D95%", 100, "%Rx", 90, 1),
        ("SpinalCord_PRV05", "D0.03cc", 50, "Gy", 52, 1),
        ("Brainstem_PRV05", "D0.03cc", 54, "Gy", 56, 1),
        ("OpticChiasm", "D0.03cc", 54, "Gy", 56, 1),
        ("each OpticNrv", "D0.03cc", 54, "Gy", 56, 1),
        ("each Lobe_Temporal", "D0.03cc", 70, "Gy", 72, 2),
        ("Bone_Mandible", "D0.03cc", 70, "Gy", 75, 2),
        ("each Joint_TM", "D0.03cc", 70, "Gy", 75, 2),
        ("each Parotid", "Dmean", 26, "Gy", None, 3),
        ("each Glnd_Submand", "Dmean", 39, "Gy", None, 3),
        ("Lips", "Dmean", 20, "Gy", None, 3),
        ("Cavity_Oral", "Dmean", 30, "Gy", None, 3),
        ("Cavity_Oral", "D0.03cc", 60, "Gy", None, 3),
        ("Pharynx", "Dmean", 45, "Gy", None, 3),
        ("Larynx_SG", "Dmean", 20, "Gy", None, 3),
        ("Esophagus_S", "Dmean", 30, "Gy", None, 3),
        ("Esophagus_S", "D0.03cc", 60, "Gy", None, 3),
        ("External-PTV", "D0.03cc", 74, "Gy", None, 3),
    ],
)
def test_nrg_hn004(
    structure: str, metric: str, limit: float, unit: str, tolerance: float | None, priority: int
) -> None:
    (goal,) = find("nrg-hn004", structure, metric)
    assert (goal.limit, goal.unit, goal.tolerance, goal.priority) == (limit, unit, tolerance, priority)
    assert goal.comparator == (">=" if "target" in structure and metric != "D0.03cc" else "<=")
    assert len(bundled_goals("nrg-hn004").goals) == 22


@pytest.mark.parametrize(
    ("name", "unchecked"),
    [
        ("addiff-dose", set()),
        (
            "head-and-neck",
            {
                ("each BrachialPlex", "D0.03cc", 66), ("Cavity_Oral-PTV", "Dmean", 40), ("each Eye", "D0.03cc", 50),
                ("each Lens", "D0.03cc", 10), ("each Glnd_Lacrimal", "Dmean", 25), ("Pituitary", "Dmean", 45),
            },
        ),
        ("nrg-hn004", None),
        ("quantec", {("Stomach", "D100%", 45), ("PenileBulb", "D95%", 50)}),
        ("rtog-0615", None),
        (
            "rtog-0617",
            {
                ("SpinalCord", "D0.03cc", 50.5), ("Lungs-CTV", "Dmean", 20), ("Esophagus", "Dmean", 34),
                ("each BrachialPlex", "D0.03cc", 66), ("Heart", "V60Gy", 33.3), ("Heart", "V45Gy", 66.7),
                ("Heart", "D100%", 40),
            },
        ),
        (
            "rtog-0813",
            {
                ("highest target", "V100%Rx", 95), ("highest target", "V90%Rx", 99),
                ("SpinalCord", "D0.25cc", 22.5), ("SpinalCord", "D0.5cc", 13.5),
                ("ring 0-5 mm inside External", "D0.03cc", 32), ("ring 0-5 mm inside External", "D10cc", 30),
            },
        ),
        (
            "rtog-0915",
            {
                ("highest target", "V100%Rx", 95), ("highest target", "V90%Rx", 99),
                ("SpinalCord", "D0.35cc", 10), ("SpinalCord", "D1.2cc", 7),
                ("SpinalCord", "D0.35cc", 20.8), ("SpinalCord", "D1.2cc", 13.6),
                ("Esophagus", "D5cc", 18.8),
                ("ipsilateral BrachialPlex", "D0.03cc", 27.2), ("ipsilateral BrachialPlex", "D3cc", 23.6),
                ("GreatVes", "D10cc", 31), ("GreatVes", "D10cc", 43),
                ("Trachea", "D4cc", 15.6), ("AirWay_Prox", "D4cc", 15.6),
                ("Rib", "D0.03cc", 40), ("Rib", "D1cc", 32),
                ("Stomach", "D10cc", 11.2), ("Stomach", "D10cc", 17.6), ("Stomach", "D0.03cc", 27.2),
                ("Lungs", "CV7Gy", 1500), ("Lungs", "CV11.6Gy", 1500),
            },
        ),
        ("rtog-1016", None),
        (
            "tg-101",
            {
                ("Lungs", "CV7Gy", 1500), ("Lungs", "CV7.4Gy", 1000),
                ("Lungs", "CV11.6Gy", 1500), ("Lungs", "CV12.4Gy", 1000),
                ("Liver", "CV19.2Gy", 700), ("Kidney_Cortex", "CV16Gy", 200), ("each Kidney_Hilum", "D66.7%", 10.6),
                ("each Kidney_Hilum", "D66.7%", 18.6), ("each Kidney_Hilum", "D66.7%", 23),
            },
        ),
    ],
)  # fmt: skip
def test_what_was_compared_and_what_was_not(name: str, unchecked: set[tuple[str, str, float]] | None) -> None:
    """None stands for a set of which no number could be compared."""
    goals = bundled_goals(name).goals
    left = {(g.structure, g.metric.text, g.limit) for g in goals if not g.checked}
    if unchecked is None:
        assert not any(g.checked for g in goals)
    else:
        assert left == unchecked
    assert all(g.note for g in goals if not g.checked)


@pytest.mark.parametrize("name", NAMES)
def test_notes_and_priorities(name: str) -> None:
    """Notes are sentences, neural organs come first and what may vary is worth saying only if it differs."""
    for goal in bundled_goals(name).goals:
        assert goal.note == goal.note.strip() and (not goal.note or goal.note.endswith((".", ")"))), goal
        assert goal.priority in (1, 2, 3)
        assert goal.tolerance is None or goal.tolerance != goal.limit
        if goal.structure.split("_PRV")[0] in {"SpinalCord", "Brainstem", "OpticChiasm"} and goal.active:
            assert goal.priority <= 2, goal
