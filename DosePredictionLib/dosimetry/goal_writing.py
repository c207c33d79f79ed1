"""Goals written as JSON, so that `read_goals` gives the same goals back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from DosePredictionLib.dosimetry.goal import FractionRange, Goal, GoalSet
from DosePredictionLib.dosimetry.goal_reading import goal_set_of
from DosePredictionLib.whole_file import whole_file


def write_goals(goals: GoalSet, path: str | Path) -> None:
    """Write a set of goals; the file appears whole or not at all.

    Raises:
        InputError: the goals are not valid (and would not be read again), or the file can't be written.
    """
    content = content_of(goals)
    goal_set_of(content, str(path))
    lines = json.dumps({**content, "goals": []}, indent=2, ensure_ascii=False)
    # One goal a line: files are compared line by line.
    entries = ",\n".join("    " + json.dumps(entry, ensure_ascii=False) for entry in content["goals"])
    text = lines.removesuffix("[]\n}") + f"[\n{entries}\n  ]\n}}\n"
    with whole_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def content_of(goals: GoalSet) -> dict[str, Any]:
    """The set as JSON has it; entries that say nothing are left out."""
    content: dict[str, Any] = {"name": goals.name, "title": goals.title, "description": goals.description}
    if goals.sites:
        content["sites"] = list(goals.sites)
    if goals.techniques:
        content["techniques"] = list(goals.techniques)
    if goals.fractions is not None:
        content["fractions"] = _fractions(goals.fractions)
    return {**content, "goals": [entry_of(goal) for goal in goals.goals]}


def entry_of(goal: Goal) -> dict[str, Any]:
    """One goal as JSON has it."""
    entry: dict[str, Any] = {
        "structure": goal.structure,
        "metric": goal.metric.text,
        "comparator": goal.comparator,
        "limit": _plain(goal.limit),
        "unit": goal.metric.unit,
    }
    if goal.tolerance is not None:
        entry["tolerance"] = _plain(goal.tolerance)
    entry["priority"] = goal.priority
    if goal.fractions is not None:
        entry["fractions"] = _fractions(goal.fractions)
    entry["source"] = goal.source
    if goal.year is not None:
        entry["year"] = goal.year
    entry |= {key: text for key, text in (("endpoint", goal.endpoint), ("note", goal.note)) if text}
    if goal.checked:
        entry["checked"] = True
    if not goal.active:
        entry["active"] = False
    if not goal.in_loss:
        entry["in_loss"] = False
    return entry


def _fractions(value: FractionRange) -> int | list[int | None]:
    return value.fewest if value.fewest == value.most else [value.fewest, value.most]


def _plain(value: float) -> float | int:
    return int(value) if value == int(value) else value
