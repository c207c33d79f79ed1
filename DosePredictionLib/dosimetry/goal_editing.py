"""Goals while they are edited: lines of text as a form shows them, and what is wrong in each."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from DosePredictionLib.dosimetry.goal import FractionRange, Goal, GoalSet
from DosePredictionLib.dosimetry.goal_reading import goal_of, goals_of
from DosePredictionLib.dosimetry.goal_writing import write_goals
from DosePredictionLib.errors import InputError


@dataclass(frozen=True)
class GoalLine:
    """One goal as typed: every field is text, empty where nothing was entered.

    Attributes:
        structure: see `Goal`; likewise the others.
        metric: ``D0.03cc``, with the value's unit in ``unit``.
        comparator: ``<=``.
        limit: a number; a decimal comma is read too.
        unit: empty for the metric's usual one.
        tolerance: a number or empty.
        priority: a whole number; empty for 2.
        fractions: ``3``, ``25-35``, ``25 or more`` or empty.
        source: publication or protocol.
        year: a number or empty.
        endpoint: the harm.
        note: what to mind.
        checked: whether the limit was compared with its source.
        active: whether the goal is judged.
        in_loss: whether a training loss uses it.
    """

    structure: str = ""
    metric: str = ""
    comparator: str = "<="
    limit: str = ""
    unit: str = ""
    tolerance: str = ""
    priority: str = ""
    fractions: str = ""
    source: str = ""
    year: str = ""
    endpoint: str = ""
    note: str = ""
    checked: bool = False
    active: bool = True
    in_loss: bool = True

    @classmethod
    def of(cls, goal: Goal) -> GoalLine:
        """The line that shows a goal."""
        return cls(
            structure=goal.structure,
            metric=goal.metric.text,
            comparator=goal.comparator,
            limit=_number_text(goal.limit),
            unit=goal.unit,
            tolerance="" if goal.tolerance is None else _number_text(goal.tolerance),
            priority=str(goal.priority),
            fractions="" if goal.fractions is None else goal.fractions.text,
            source=goal.source,
            year="" if goal.year is None else str(goal.year),
            endpoint=goal.endpoint,
            note=goal.note,
            checked=goal.checked,
            active=goal.active,
            in_loss=goal.in_loss,
        )

    def goal(self, number: int = 1, where: str = "the goals") -> Goal:
        """The goal that the line describes.

        Args:
            number: of the line, from 1, for messages.
            where: what the line is in, for messages.

        Raises:
            InputError: something in it is wrong.
        """
        entry: dict[str, Any] = {
            "structure": self.structure,
            "metric": self.metric,
            "comparator": self.comparator.strip(),
            "limit": _number(self.limit),
            "source": self.source,
            "endpoint": self.endpoint,
            "note": self.note,
            "checked": self.checked,
            "active": self.active,
            "in_loss": self.in_loss,
        }
        if self.unit.strip():
            entry["unit"] = self.unit
        if self.tolerance.strip():
            entry["tolerance"] = _number(self.tolerance)
        if self.priority.strip():
            entry["priority"] = _number(self.priority)
        if self.year.strip():
            entry["year"] = _number(self.year)
        if self.fractions.strip():
            entry["fractions"] = _fractions(self.fractions)
        return goal_of(entry, number, where)


@dataclass(frozen=True)
class LineProblem:
    """What is wrong with a line.

    Attributes:
        line: its place, from 0.
        sentence: what is wrong and what is allowed.
    """

    line: int
    sentence: str


@dataclass(frozen=True)
class GoalDraft:
    """A set of goals that is being edited; each change gives a new draft, so that a form can go back.

    Attributes:
        name: what the set will be asked for by; see `GoalSet` for the others.
        title: heading.
        description: for whom, and what to mind.
        lines: the goals as typed.
        sites: see `GoalSet`.
        techniques: see `GoalSet`.
        fractions: as text, like that of a line.
    """

    name: str = "my-goals"
    title: str = ""
    description: str = ""
    lines: tuple[GoalLine, ...] = ()
    sites: tuple[str, ...] = ()
    techniques: tuple[str, ...] = ()
    fractions: str = ""

    @classmethod
    def of(cls, goals: GoalSet, *, name: str | None = None) -> GoalDraft:
        """A draft to edit a set in.

        Args:
            goals: the set.
            name: of the edited one; None keeps it.
        """
        return cls(
            name=name or goals.name,
            title=goals.title,
            description=goals.description,
            lines=tuple(GoalLine.of(goal) for goal in goals.goals),
            sites=goals.sites,
            techniques=goals.techniques,
            fractions="" if goals.fractions is None else goals.fractions.text,
        )

    def with_line(self, place: int, **changes: Any) -> GoalDraft:
        """With fields of one line changed: ``draft.with_line(3, limit="45")``."""
        lines = list(self.lines)
        lines[place] = replace(lines[place], **changes)
        return replace(self, lines=tuple(lines))

    def with_added(self, lines: Iterable[GoalLine], place: int | None = None) -> GoalDraft:
        """With lines put in before a place; None puts them at the end."""
        at = len(self.lines) if place is None else place
        return replace(self, lines=(*self.lines[:at], *lines, *self.lines[at:]))

    def without(self, place: int) -> GoalDraft:
        """Without one line."""
        return replace(self, lines=(*self.lines[:place], *self.lines[place + 1 :]))

    def moved(self, place: int, to: int) -> GoalDraft:
        """With one line in another place."""
        lines = list(self.lines)
        lines.insert(to, lines.pop(place))
        return replace(self, lines=tuple(lines))

    def problems(self) -> list[LineProblem]:
        """What is wrong, line by line; empty when the draft makes a set."""
        found = []
        for place, line in enumerate(self.lines):
            try:
                line.goal(place + 1)
            except InputError as error:
                found.append(LineProblem(place, str(error)))
        return found

    def goal_set(self) -> GoalSet:
        """The set that the draft makes.

        Raises:
            InputError: the first thing that is wrong.
        """
        if not self.name.strip():
            raise InputError("The goals have no name; enter one.")
        if not self.lines:
            raise InputError(f"{self.name} has no goals; add at least one.")
        goals = tuple(line.goal(n, self.name) for n, line in enumerate(self.lines, start=1))
        fractions = _range(self.fractions) if self.fractions.strip() else None
        return GoalSet(
            self.name.strip(), self.title.strip() or self.name.strip(), self.description, goals, self.sites,
            self.techniques, fractions,
        )  # fmt: skip

    def save(self, path: str | Path) -> GoalSet:
        """Write the set as JSON, whole or not at all, and give it back.

        Raises:
            InputError: something in the draft is wrong, or the file can't be written.
        """
        goals = self.goal_set()
        write_goals(goals, path)
        return goals


def import_goals(path: str | Path) -> GoalDraft:
    """A draft from a file: JSON as this program writes it, or a table (.csv, .tsv) with the columns of `GoalLine`.

    A table needs the columns structure, metric, comparator and limit; commas, semicolons or tabs may part them,
    columns of other names (as in goals.csv that `predict` writes) are left out. Its lines may be incomplete;
    `GoalDraft.problems` tells.

    Raises:
        InputError: the file can't be read or isn't one of these.
    """
    path = Path(path)
    if path.suffix.lower() not in (".csv", ".tsv", ".txt"):
        return GoalDraft.of(goals_of(path))
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InputError(f"Cannot read goals from {path}: {error.strerror}; check the path.") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not text in UTF-8, so it holds no goals; save it as UTF-8.") from error
    first = text.split("\n", 1)[0]
    separator = max(",;\t", key=first.count)
    rows = list(csv.reader(io.StringIO(text), delimiter=separator))
    known = {f.name for f in fields(GoalLine)}
    header = [cell.strip().lower() for cell in rows[0]] if rows else []
    places = {name: place for place, name in enumerate(header) if name in known}
    missing = [name for name in ("structure", "metric", "comparator", "limit") if name not in places]
    if missing:
        raise InputError(
            f"{path} has no column {missing[0]!r} in its first line; it needs structure, metric, comparator and limit."
        )
    lines = []
    for row in rows[1:]:
        if not any(cell.strip() for cell in row):
            continue
        cells = {name: row[place].strip() for name, place in places.items() if place < len(row)}
        checked = cells.pop("checked", "").lower() in ("1", "true", "yes")
        active, in_loss = (cells.pop(name, "").lower() not in ("0", "false", "no") for name in ("active", "in_loss"))
        lines.append(GoalLine(**cells, checked=checked, active=active, in_loss=in_loss))
    return GoalDraft(name=path.stem, lines=tuple(lines))


#: Digits in groups of three, or a number with three decimals.
_THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2}(,\d{3})+")


def _number_text(value: float) -> str:
    return json.dumps(int(value) if value == int(value) else value)


def _number(text: str) -> Any:
    """The number that a text stands for; the text itself where it is none, for the reader to refuse by name.

    A decimal comma is one, but of "1,500" nobody knows whether it is 1.5 or 1500.
    """
    if _THOUSANDS.fullmatch(text.strip()):
        return text
    bare = text.strip().replace(",", ".")
    try:
        value = float(bare)
    except ValueError:
        return text
    return int(value) if value == value and abs(value) < 1e15 and value == int(value) else value


def _fractions(text: str) -> Any:
    try:
        value = _range(text)
    except InputError:
        return text
    return [value.fewest, value.most]


def _range(text: str) -> FractionRange:
    bare = text.strip().lower().removesuffix("fractions").removesuffix("fraction").strip()
    ends = [bare.removesuffix("or more").strip()] if bare.endswith("or more") else [p.strip() for p in bare.split("-")]
    if not 1 <= len(ends) <= 2 or not all(end.isdecimal() and int(end) >= 1 for end in ends):
        raise InputError(f"{text!r} is no number of fractions; write 3, 25-35 or '25 or more'.")
    most = None if bare.endswith("or more") else int(ends[-1])
    if most is not None and most < int(ends[0]):
        raise InputError(f"{text!r} is no number of fractions; write the smaller one first, like 25-35.")
    return FractionRange(int(ends[0]), most)
