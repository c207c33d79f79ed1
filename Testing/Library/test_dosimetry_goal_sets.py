"""The goals that ship: valid by schema and reader, complete, sourced; and which of them suit a patient."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import jsonschema
import pytest
from phantom import ball_patient

from DosePredictionLib.dosimetry.constraints import ConstraintKind, constraints_of
from DosePredictionLib.dosimetry.goal import FractionRange, Goal
from DosePredictionLib.dosimetry.goal_choice import best_goal_set, suitable_goal_sets
from DosePredictionLib.dosimetry.goal_fractions import GoalForPlan, goals_for_fractions
from DosePredictionLib.dosimetry.goal_reading import bundled_goal_names, bundled_goals, goals_of, read_goals
from DosePredictionLib.dosimetry.goal_writing import write_goals
from DosePredictionLib.dosimetry.goals import Verdict, evaluate_goals
from DosePredictionLib.dosimetry.metric import Metric, MetricKind
from DosePredictionLib.dosimetry.structure_expression import names_in
from DosePredictionLib.errors import InputError
from DosePredictionLib.patient.naming import match_structure_name, role_of_standard_name
from DosePredictionLib.patient.volume import Volume
from DosePredictionLib.resources import resource_path

NAMES = (
    "addiff-dose", "head-and-neck", "nrg-hn004", "quantec", "rtog-0615", "rtog-0617", "rtog-0813", "rtog-0915",
    "rtog-1016", "tg-101",
)  # fmt: skip


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
    for structure in names_in([goal.structure for goal in goals.goals]):
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


@pytest.mark.parametrize("fractions", [1, 3, 5, 4, 8, 30])
def test_tg101_gives_each_limit_once(fractions: int) -> None:
    chosen = goals_for_fractions(bundled_goals("tg-101"), fractions)
    assert all(isinstance(item, GoalForPlan) for item in chosen)
    keys = []
    for goal in (item.goal for item in chosen):
        critical = goal.metric.kind is MetricKind.COMPLEMENT_VOLUME
        keys.append((goal.structure, goal.metric.kind, goal.limit if critical else goal.metric.amount))
    assert len(set(keys)) == len(keys)
    kept = [i for i in chosen if isinstance(i, GoalForPlan) and i.convert_from is None]
    assert len(kept) == (0 if fractions not in (1, 3, 5) else len(kept))
    assert fractions not in (1, 3, 5) or len(kept) >= len(chosen) - 2


def test_quantec() -> None:
    for structure, metric, limit in (
        ("SpinalCord", "D0.03cc", 50.0), ("Parotids", "Dmean", 25.0), ("Lungs-GTV", "V20Gy", 30.0),
        ("Heart", "V25Gy", 10.0),
        ("Larynx", "V50Gy", 27.0), ("Kidneys", "V12Gy", 55.0), ("Rectum", "V75Gy", 15.0), ("Bag_Bowel", "V45Gy", 195.0),
    ):  # fmt: skip
        (goal,) = find("quantec", structure, metric)
        assert goal.limit == limit and goal.endpoint and goal.year == 2010


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
                ("BrachialPlex_L", "D0.03cc", 66), ("BrachialPlex_R", "D0.03cc", 66), ("Cavity_Oral", "Dmean", 40),
                ("Eye_L", "D0.03cc", 50), ("Eye_R", "D0.03cc", 50), ("Lens_L", "D0.03cc", 10),
                ("Lens_R", "D0.03cc", 10), ("Glnd_Lacrimal_L", "Dmean", 25), ("Glnd_Lacrimal_R", "Dmean", 25),
                ("Pituitary", "Dmean", 45),
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
                ("Liver", "CV19.2Gy", 700), ("Kidney_Cortex", "CV16Gy", 200),
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


# Which suit


def choices(**plan: object) -> dict[str, bool]:
    unknown = {"site": None, "technique": None, "fractions": None}
    patient = replace(ball_patient(), **{**unknown, **plan})  # type: ignore[arg-type]
    return {choice.name: choice.suits for choice in suitable_goal_sets(patient)}


def test_sets_that_suit_come_first() -> None:
    found = choices(site="head-and-neck", fractions=35)
    assert list(found)[0] == "head-and-neck"
    assert {name for name, suits in found.items() if suits} == {
        "addiff-dose", "head-and-neck", "nrg-hn004", "quantec", "rtog-0615", "rtog-1016",
    }  # fmt: skip
    assert list(found.values()) == sorted(found.values(), reverse=True)


def test_stereotactic_lung() -> None:
    found = choices(site="thorax", fractions=5)
    assert {name for name, suits in found.items() if suits} == {"rtog-0813", "tg-101"}
    assert {name for name, suits in choices(site="thorax", fractions=4).items() if suits} == {"rtog-0915"}


def test_nothing_known_rules_nothing_out() -> None:
    assert all(choices().values())


@pytest.mark.parametrize(
    ("site", "fractions", "wanted", "words"),
    [
        ("head-and-neck", 35, "head-and-neck", "for head-and-neck; for 25-45 fractions"),
        ("Head and Neck", 20, "head-and-neck", "none suits, this is the nearest: for 25-45 fractions, not 20"),
        ("thorax", 30, "rtog-0617", "for thorax; for 30-37 fractions"),
        ("thorax", 4, "rtog-0915", "for thorax; for 1, 4 fractions"),
        ("thorax", 5, "rtog-0813", "for thorax; for 5 fractions"),
        ("pelvis", 28, "quantec", "for 25-45 fractions"),
        ("pelvis", 8, "tg-101", "none suits, this is the nearest: for 1, 3, 5 fractions, not 8"),
        (None, 35, "head-and-neck", "for head-and-neck; for 25-45 fractions; the case does not state its site"),
        (None, 3, "tg-101", "for 1, 3, 5 fractions; the case does not state its site"),
        (None, None, "head-and-neck",
         "for head-and-neck; for 25-45 fractions; the case does not state its site or fractions"),
    ],
)  # fmt: skip
def test_who_chooses_no_goals_gets_those_of_site_and_fractions(
    site: str | None, fractions: int | None, wanted: str, words: str
) -> None:
    patient = replace(ball_patient(), site=site, technique=None, fractions=fractions)
    best = best_goal_set(patient)
    assert (best.name, best.reason, best.suits) == (wanted, words, "nearest" not in words)
    assert best.name == suitable_goal_sets(patient)[0].name, "as the form offers it first"


def test_own_sets_join_and_bad_files_do_not(tmp_path: Path) -> None:
    goals = replace(bundled_goals("quantec"), name="ours", title="Ours", sites=("pelvis",), techniques=("VMAT",))
    write_goals(goals, tmp_path / "ours.json")
    (tmp_path / "broken.json").write_text("{", encoding="utf-8")
    patient = replace(ball_patient(), site="pelvis", technique="VMAT", fractions=28)
    found = suitable_goal_sets(patient, tmp_path)
    assert (found[0].name, found[0].title, found[0].suits) == (str(tmp_path / "ours.json"), "Ours", True)
    assert found[0].reason == "for pelvis; for VMAT; for 25-45 fractions"
    assert len(found) == len(NAMES) + 1
    assert next(c for c in found if c.name == "tg-101").reason == "for 1, 3, 5 fractions, not 28"


def test_names_and_files_are_told_apart(tmp_path: Path) -> None:
    write_goals(bundled_goals("quantec"), tmp_path / "mine.json")
    assert goals_of("quantec") == goals_of(tmp_path / "mine.json")
    with pytest.raises(
        InputError, match="no goals called 'lungs'; choose one of addiff-dose, .*tg-101, or give the path"
    ):
        goals_of("lungs")
    with pytest.raises(InputError, match="Cannot read goals from .*none.json"):
        goals_of(tmp_path / "none.json")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("fractions", [35, 5, None])
def test_every_set_judges_a_patient(name: str, fractions: int | None) -> None:
    """No goal of any set fails to be asked, whatever the patient has."""
    patient = replace(ball_patient(), fractions=fractions)
    dose = Volume((patient.structures[1].mask.array * 50.0).astype("float32"), patient.geometry)
    results = evaluate_goals(bundled_goals(name), patient, dose, {})
    assert len(results) >= sum(1 for _ in goals_for_fractions(bundled_goals(name), fractions)) - 2
    assert any(r.verdict is not Verdict.NOT_APPLICABLE for r in results) or (name, fractions) == ("tg-101", None)
    assert all(r.reason.endswith(".") for r in results)


# What reader and schema refuse alike

GOOD = {"structure": "SpinalCord", "metric": "D0.03cc", "comparator": "<=", "limit": 45, "source": "somewhere 2010"}


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"year": "2010"}, "has 'year' = '2010'; give the source's year as a whole number, like 2010."),
        ({"year": 20100}, "has 'year' = 20100; give the source's year"),
        ({"fractions": 0}, "has 'fractions' = 0; give a whole number from 1, or [fewest, most]"),
        ({"fractions": [5]}, "has 'fractions' = [5]; give a whole number"),
        ({"fractions": [5.5, 7]}, "has 'fractions' = [5.5, 7]; give a whole number"),
        ({"checked": "yes"}, "has 'checked' = 'yes'; give true or false."),
        ({"active": 1}, "has 'active' = 1; give true or false."),
        ({"note": 3}, "has 'note' = 3; give a text."),
        ({"priority": 0}, "has priority 0; give a whole number from 1"),
        ({"comparator": "="}, "compares with '='; use one of <=, >=, <, >."),
        ({"limit": "45"}, "has 'limit' = '45'; give a number that is not negative."),
        ({"colour": "red"}, "has an unknown entry 'colour'; use only active, checked"),
    ],
)
def test_reader_and_schema_refuse_the_same(tmp_path: Path, change: dict, sentence: str) -> None:
    content = {"goals": [GOOD, {**GOOD, **change}]}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(content, schema())
    path = tmp_path / "bad.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(InputError) as caught:
        read_goals(path)
    assert f"Goal 2 (SpinalCord) of {path}" in str(caught.value)
    assert sentence in str(caught.value)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"sites": "thorax"}, "has 'sites' = 'thorax'; give a list of texts, like [\"thorax\"]."),
        ({"techniques": [""]}, "has 'techniques' = [''];"),
        ({"fractions": "25-35"}, "has 'fractions' = '25-35';"),
        ({"author": "me"}, "has an unknown entry 'author'"),
    ],
)
def test_reader_and_schema_refuse_the_same_sets(tmp_path: Path, change: dict, sentence: str) -> None:
    content = {"goals": [GOOD], **change}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(content, schema())
    path = tmp_path / "bad.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(InputError) as caught:
        read_goals(path)
    assert sentence in str(caught.value)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('{"goals": [{"limit": 1e999}]}', "has no 'structure'"),
        (json.dumps({"goals": [GOOD]}).replace("45", "1e999"), "'limit' = inf"),
        ('{"name": "a", "name": "b", "goals": []}', "gives 'name' twice in one place; keep one of the two."),
        (json.dumps({"goals": [{**GOOD, "structure": "ring of PTV"}]}), "is no ring"),
    ],
)  # fmt: skip
def test_reader_refuses_what_a_schema_cannot(tmp_path: Path, text: str, sentence: str) -> None:
    path = tmp_path / "bad.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError) as caught:
        read_goals(path)
    assert sentence in str(caught.value)


# For losses


def test_constraints_are_plain_numbers() -> None:
    constraints = constraints_of(bundled_goals("addiff-dose").goals)
    assert len(constraints) == sum(g.active for g in bundled_goals("addiff-dose").goals)
    by_name = {(c.structure, c.kind, c.amount): c for c in constraints}
    cord = by_name["SpinalCord", ConstraintKind.MAXIMUM_DOSE, None]
    assert (cord.limit, cord.upper, cord.priority, cord.weight, cord.limit_of_prescription) == (
        45.0,
        True,
        1,
        1.0,
        False,
    )
    lungs = by_name["Lungs-GTV", ConstraintKind.VOLUME_PERCENT_AT_DOSE, 20.0]
    assert (lungs.limit, lungs.amount_of_prescription, lungs.weight) == (30.0, False, 1.0)
    target = by_name["each target", ConstraintKind.VOLUME_PERCENT_AT_DOSE, 100.0]
    assert (target.limit, target.amount_of_prescription, target.upper) == (95.0, True, False)
    assert by_name["highest target", ConstraintKind.DOSE_AT_VOLUME_PERCENT, 95.0].limit_of_prescription
    assert by_name["Glnd_Submand_L or Glnd_Submand_R", ConstraintKind.MEAN_DOSE, None].any_of
    kinds = {c.kind for c in constraints_of(bundled_goals("tg-101").goals)}
    assert kinds == {ConstraintKind.DOSE_AT_VOLUME_CC}


def test_complements_as_constraints() -> None:
    def only(metric: str, comparator: str, limit: float):  # noqa: ANN202
        return constraints_of([Goal("Lungs", Metric.parse(metric), comparator, limit)])

    (volume,) = only("CV20Gy", ">=", 70.0)
    assert (volume.kind, volume.amount, volume.limit, volume.upper) == (
        ConstraintKind.VOLUME_PERCENT_AT_DOSE, 20.0, 30.0, True,
    )  # fmt: skip
    (dose,) = only("DC40%", "<=", 20.0)
    assert (dose.kind, dose.amount, dose.limit) == (ConstraintKind.DOSE_AT_VOLUME_PERCENT, 60.0, 20.0)
    assert only("CV12.5Gy[cc]", ">=", 1500.0) == only("HI", "<=", 0.1) == only("CI", ">=", 0.8) == []


def test_fraction_ranges() -> None:
    span = FractionRange(25, 45)
    assert [span.holds(n) for n in (24, 25, 45, 46)] == [False, True, True, False]
    assert [span.nearest(n) for n in (5, 30, 60)] == [25, 30, 45]
    assert [span.distance(n) for n in (20, 30, 50)] == [5, 0, 5]
    assert FractionRange(25, None).text == "25 or more" and FractionRange(3, 3).text == "3"
