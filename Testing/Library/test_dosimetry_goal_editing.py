"""Goals in an editor: lines of text, what is wrong with them, saved and read again, imported from tables."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from DosePredictionLib.dosimetry.goal import FractionRange
from DosePredictionLib.dosimetry.goal_editing import GoalDraft, GoalLine, import_goals
from DosePredictionLib.dosimetry.goal_reading import bundled_goal_names, bundled_goals, read_goals
from DosePredictionLib.errors import InputError

CORD = GoalLine(structure="SpinalCord", metric="D0.03cc", comparator="<=", limit="45", source="ours 2024")


@pytest.mark.parametrize("name", bundled_goal_names())
def test_a_set_survives_the_editor_unchanged(name: str, tmp_path: Path) -> None:
    goals = bundled_goals(name)
    draft = GoalDraft.of(goals)
    assert draft.problems() == []
    assert draft.goal_set() == goals
    assert draft.save(tmp_path / "saved.json") == goals == read_goals(tmp_path / "saved.json")


def test_edits_give_new_drafts() -> None:
    start = GoalDraft.of(bundled_goals("rtog-0617"), name="ours")
    changed = start.with_line(0, limit="48,5", tolerance="50")
    assert (changed.goal_set().goals[0].limit, changed.goal_set().goals[0].tolerance) == (48.5, 50.0)
    assert start.goal_set().goals[0].limit == 50.5
    added = changed.with_added([CORD], 1)
    assert added.lines[1] == CORD and len(added.lines) == len(start.lines) + 1
    assert added.without(1) == changed
    moved = added.moved(1, 0)
    assert moved.lines[:2] == (CORD, changed.lines[0])
    assert added.goal_set().name == "ours"


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"limit": "abc"}, "Goal 1 (SpinalCord) of ours has 'limit' = 'abc'; give a number that is not negative."),
        ({"limit": ""}, "has 'limit' = ''; give a number"),
        ({"limit": "nan"}, "has 'limit' = nan; give a number"),
        ({"metric": "D95"}, "does not say what 95 is"),
        ({"structure": ""}, "has 'structure' = ''; give a text."),
        ({"comparator": "=<"}, "compares with '=<'; use one of <=, >=, <, >."),
        ({"tolerance": "40"}, "has a tolerance of 40 that is stricter than its limit <= 45"),
        ({"priority": "high"}, "has priority 'high'; give a whole number from 1"),
        ({"fractions": "3 to 5"}, "has 'fractions' = '3 to 5'; give a whole number from 1, or [fewest, most]"),
        ({"year": "next"}, "has 'year' = 'next'; give the source's year"),
        ({"source": " "}, "has 'source' = ' '; give a text."),
    ],
)
def test_problems_are_told_line_by_line(change: dict[str, str], sentence: str, tmp_path: Path) -> None:
    draft = GoalDraft(name="ours", lines=(replace(CORD, **change), CORD))
    (problem,) = draft.problems()
    assert problem.line == 0
    with pytest.raises(InputError) as caught:
        draft.save(tmp_path / "ours.json")
    assert sentence in str(caught.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("3", FractionRange(3, 3)), ("25-35", FractionRange(25, 35)), ("25 - 35 fractions", FractionRange(25, 35)),
        ("25 or more", FractionRange(25, None)), ("1 fraction", FractionRange(1, 1)), ("", None),
    ],
)  # fmt: skip
def test_fractions_as_typed(text: str, expected: FractionRange | None) -> None:
    assert replace(CORD, fractions=text).goal().fractions == expected
    assert GoalDraft(lines=(CORD,), fractions=text).goal_set().fractions == expected


def test_nobody_knows_whether_1_500_is_1500() -> None:
    volume = replace(CORD, structure="Lungs", metric="CV12.5Gy", unit="cc", comparator=">=", limit="1,500")
    (problem,) = GoalDraft("ours", lines=(volume,)).problems()
    assert "1,500" in problem.sentence
    for text, value in (("1500", 1500.0), ("0,500", 0.5), ("45,5", 45.5), ("45,25", 45.25), ("1500,5", 1500.5)):
        assert GoalDraft("ours", lines=(replace(volume, limit=text),)).goal_set().goals[0].limit == value


def test_drafts_that_make_no_set() -> None:
    with pytest.raises(InputError, match="ours has no goals; add at least one"):
        GoalDraft(name="ours").goal_set()
    with pytest.raises(InputError, match="The goals have no name"):
        GoalDraft(name=" ", lines=(CORD,)).goal_set()
    with pytest.raises(InputError, match="write the smaller one first, like 25-35"):
        GoalDraft(lines=(CORD,), fractions="35-25").goal_set()


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_import_from_a_table(tmp_path: Path, separator: str) -> None:
    rows = [
        ("Structure", "Metric", "Comparator", "Limit", "Unit", "Value", "Priority", "Source"),
        ("SpinalCord", "D0.03cc", "<=", "45", "Gy", "43.1", "1", "ours 2024"),
        ("", "", "", "", "", "", "", ""),
        ("Lungs-GTV", "V20Gy", "<=", "much", "%", "", "", "ours 2024"),
    ]
    path = tmp_path / "department.csv"
    path.write_text("\ufeff" + "\n".join(separator.join(row) for row in rows) + "\n", encoding="utf-8")
    draft = import_goals(path)
    assert (draft.name, len(draft.lines)) == ("department", 2)
    assert [problem.line for problem in draft.problems()] == [1]
    goals = draft.with_line(1, limit="30").goal_set()
    assert [(g.structure, g.limit, g.unit, g.priority) for g in goals.goals] == [
        ("SpinalCord", 45.0, "Gy", 1), ("Lungs-GTV", 30.0, "%", 2),
    ]  # fmt: skip


def test_import_of_json_and_of_what_is_no_goals(tmp_path: Path) -> None:
    bundled = bundled_goals("quantec")
    GoalDraft.of(bundled).save(tmp_path / "q.json")
    assert import_goals(tmp_path / "q.json").goal_set() == bundled
    (tmp_path / "other.csv").write_text("name,dose\nA,3\n", encoding="utf-8")
    with pytest.raises(InputError, match="has no column 'structure' in its first line"):
        import_goals(tmp_path / "other.csv")
    with pytest.raises(InputError, match="Cannot read goals from .*nowhere.csv"):
        import_goals(tmp_path / "nowhere.csv")
    (tmp_path / "binary.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="not text in UTF-8"):
        import_goals(tmp_path / "binary.csv")
