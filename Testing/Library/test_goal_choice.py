"""Which sets of goals suit a plan, and what a user who names none gets."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from phantom import ball_dose, ball_patient

from DosePredictionLib.dosimetry.goal import FractionRange, Goal, GoalSet
from DosePredictionLib.dosimetry.goal_choice import best_goal_set, suitable_goal_sets
from DosePredictionLib.dosimetry.goal_fractions import goals_for_fractions
from DosePredictionLib.dosimetry.goal_reading import bundled_goals, goals_of
from DosePredictionLib.dosimetry.goal_writing import write_goals
from DosePredictionLib.dosimetry.goals import Verdict, evaluate_goals
from DosePredictionLib.dosimetry.metric import Metric
from DosePredictionLib.errors import InputError
from DosePredictionLib.patient.volume import Volume
from DosePredictionLib.resources import resource_root
from DosePredictionLib.worker.predictor import Prediction

NAMES = (
    "addiff-dose", "head-and-neck", "nrg-hn004", "quantec", "rtog-0615", "rtog-0617", "rtog-0813", "rtog-0915",
    "rtog-1016", "tg-101",
)  # fmt: skip


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
        ("Lung", 30, "rtog-0617", "for thorax; for 30-37 fractions"),
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


def test_fraction_ranges() -> None:
    span = FractionRange(25, 45)
    assert [span.holds(n) for n in (24, 25, 45, 46)] == [False, True, True, False]
    assert [span.nearest(n) for n in (5, 30, 60)] == [25, 30, 45]
    assert [span.distance(n) for n in (20, 30, 50)] == [5, 0, 5]
    assert FractionRange(25, None).text == "25 or more" and FractionRange(3, 3).text == "3"


@pytest.mark.parametrize(
    ("site", "fractions", "name"), [("thorax", 5, "rtog-0813"), ("head-and-neck", 35, "head-and-neck")]
)
def test_a_prediction_is_judged_by_the_goals_of_its_own_plan(site: str, fractions: int, name: str) -> None:
    patient = replace(ball_patient(), site=site, fractions=fractions)
    # How it was predicted is no matter here.
    prediction = Prediction(patient, ball_dose(), None, provenance=None)  # type: ignore[arg-type]
    assert [row.goal for row in prediction.goals()] == [row.goal for row in prediction.goals(name)]
    assert [row.goal.structure for row in prediction.goals("quantec")] != [
        row.goal.structure for row in prediction.goals()
    ]


@pytest.mark.skipif(os.name == "nt", reason="symbolic links take rights there")
def test_a_link_to_nowhere_among_the_shipped_goals_is_told_in_a_sentence(tmp_path, monkeypatch):
    """What Emacs puts beside a file that is being edited."""
    shutil.copytree(resource_root() / "Goals", tmp_path / "Goals")
    (tmp_path / "Models").mkdir()
    (tmp_path / "Goals" / ".#quantec.json").symlink_to("user@host.123")
    monkeypatch.setenv("DOSE_PREDICTION_RESOURCES", str(tmp_path))
    with pytest.raises(InputError, match="quantec.json"):
        bundled_goals(".#quantec")
    title = bundled_goals("quantec").title
    goals = replace(bundled_goals("quantec"), title=title + " of ours")
    write_goals(goals, tmp_path / "Goals" / "quantec.json")
    assert bundled_goals("quantec").title == title + " of ours"


def test_shipped_goals_that_were_edited_within_their_size_and_date_are_read_anew(tmp_path, monkeypatch):
    """As an editor leaves a file on a memory stick, whose dates have steps of two seconds."""
    (tmp_path / "Goals").mkdir()
    (tmp_path / "Models").mkdir()
    monkeypatch.setenv("DOSE_PREDICTION_RESOURCES", str(tmp_path))
    path = tmp_path / "Goals" / "ours.json"
    for limit in (45.0, 54.0):
        goal = Goal("SpinalCord", Metric.parse("Dmax"), "<=", limit, source="us")
        write_goals(GoalSet("ours", "Ours", "", (goal,)), path)
        os.utime(path, (1e9, 1e9))
        assert bundled_goals("ours").goals[0].limit == limit
