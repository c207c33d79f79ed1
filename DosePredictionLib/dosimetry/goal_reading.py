"""Goals from JSON files, checked entry by entry."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any, NoReturn

from DosePredictionLib.dosimetry.goal import COMPARATORS, Goal, GoalSet
from DosePredictionLib.dosimetry.metric import Metric
from DosePredictionLib.errors import InputError
from DosePredictionLib.resources import resource_root

_SET_KEYS = {"name", "title", "description", "goals"}
_GOAL_KEYS = {"structure", "metric", "comparator", "limit", "unit", "tolerance", "priority", "source"}
_REQUIRED_GOAL_KEYS = ("structure", "metric", "comparator", "limit", "source")


def bundled_goals(name: str) -> GoalSet:
    """A set of goals that ships with the product, for example ``"head-and-neck"``.

    Raises:
        InputError: there is no such set; the message names those there are.
    """
    folder = resource_root() / "Goals"
    available = sorted(path.stem for path in folder.glob("*.json"))
    if name not in available:
        raise InputError(
            f"There are no goals called {name!r}; choose one of {', '.join(available) or '(none installed)'}."
        )
    return read_goals(folder / f"{name}.json")


def read_goals(path: str | Path) -> GoalSet:
    """Read a set of goals.

    The file is an object with "name", "title", "description" (both optional) and "goals", a list of objects with
    "structure", "metric", "comparator", "limit", "source" and, where wanted, "unit", "tolerance" and "priority"; see
    `Goal` for what they mean and ``Resources/Goals/head-and-neck.json`` for an example.

    Raises:
        InputError: the file cannot be read or something in it is wrong; the message says which goal and what.
    """
    path = Path(path)
    try:
        content = json.loads(path.read_text(encoding="utf-8"), parse_constant=_refuse_constant(path))
    except OSError as error:
        raise InputError(f"Cannot read goals from {path}: {error.strerror}; check the path.") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not text in UTF-8, so it holds no goals; save it as UTF-8 JSON.") from error
    except json.JSONDecodeError as error:
        raise InputError(
            f"{path} is not valid JSON at line {error.lineno}, column {error.colno} ({error.msg}); correct it there."
        ) from error
    return _goal_set(content, path)


def _refuse_constant(path: Path) -> Any:
    def refuse(constant: str) -> NoReturn:
        raise InputError(f"{path} holds {constant}, which is no limit for a goal; give a number.")

    return refuse


def _goal_set(content: Any, path: Path) -> GoalSet:
    if not isinstance(content, dict):
        raise InputError(f'{path} holds no set of goals; it must be an object with "name" and "goals".')
    unknown = sorted(set(content) - _SET_KEYS)
    if unknown:
        raise InputError(f"{path} has an unknown entry {unknown[0]!r}; use only {', '.join(sorted(_SET_KEYS))}.")
    name = _text(content, "name", str(path), default=path.stem)
    title = _text(content, "title", str(path), default=name)
    description = _text(content, "description", str(path), default="")
    entries = content.get("goals")
    if not isinstance(entries, list) or not entries:
        raise InputError(f'{path} has no goals; give a list "goals" with at least one.')
    return GoalSet(name, title, description, tuple(_goal(entry, n, path) for n, entry in enumerate(entries, start=1)))


def _goal(entry: Any, number: int, path: Path) -> Goal:
    where = f"Goal {number} of {path}"
    if not isinstance(entry, dict):
        raise InputError(f'{where} is no object; write it as {{"structure": ..., "metric": ..., ...}}.')
    structure = entry.get("structure")
    if isinstance(structure, str) and structure.strip():
        where = f"Goal {number} ({structure}) of {path}"
    missing = [key for key in _REQUIRED_GOAL_KEYS if key not in entry]
    if missing:
        raise InputError(f"{where} has no {missing[0]!r}; add it.")
    unknown = sorted(set(entry) - _GOAL_KEYS)
    if unknown:
        raise InputError(f"{where} has an unknown entry {unknown[0]!r}; use only {', '.join(sorted(_GOAL_KEYS))}.")

    unit = _text(entry, "unit", where) if entry.get("unit") is not None else None
    try:
        metric = Metric.parse(_text(entry, "metric", where), unit)
    except InputError as error:
        raise InputError(f"{where}: {error}") from error
    comparator = _text(entry, "comparator", where)
    if comparator not in COMPARATORS:
        raise InputError(f"{where} compares with {comparator!r}; use one of {', '.join(COMPARATORS)}.")
    limit = _number(entry, "limit", where)
    tolerance = _number(entry, "tolerance", where) if entry.get("tolerance") is not None else None
    priority = entry.get("priority", 2)
    if isinstance(priority, bool) or not isinstance(priority, int) or priority < 1:
        raise InputError(f"{where} has priority {priority!r}; give a whole number from 1 (most important).")
    goal = Goal(
        structure=_text(entry, "structure", where).strip(),
        metric=metric,
        comparator=comparator,
        limit=limit,
        tolerance=tolerance,
        priority=priority,
        source=_text(entry, "source", where),
    )
    if tolerance is not None and (tolerance < limit if goal.is_upper_limit else tolerance > limit):
        side = "above" if goal.is_upper_limit else "below"
        raise InputError(
            f"{where} has a tolerance of {tolerance:g} that is stricter than its limit {comparator} {limit:g}; "
            f"give a tolerance {side} the limit, or none."
        )
    return goal


def _text(entry: dict[str, Any], key: str, where: str, *, default: str | None = None) -> str:
    value = entry.get(key, default)
    # An empty description or unit says something; an empty structure or source does not.
    if not isinstance(value, str) or (not value.strip() and key not in ("description", "unit")):
        raise InputError(f"{where} has {key!r} = {value!r}; give a text.")
    return value


def _number(entry: dict[str, Any], key: str, where: str) -> float:
    value = entry[key]
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value) or value < 0:
        raise InputError(f"{where} has {key!r} = {value!r}; give a number that is not negative.")
    return float(value)
