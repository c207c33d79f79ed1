"""Goals from JSON files, checked entry by entry; ``Resources/Goals/schema.json`` describes the files for people."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

from DosePredictionLib.dosimetry.goal import COMPARATORS, FractionRange, Goal, GoalSet
from DosePredictionLib.dosimetry.metric import Metric
from DosePredictionLib.dosimetry.structure_expression import check_expression
from DosePredictionLib.errors import InputError
from DosePredictionLib.json_file import read_json
from DosePredictionLib.resources import resource_root

_SET_KEYS = {"$schema", "name", "title", "description", "sites", "techniques", "fractions", "goals"}
_GOAL_KEYS = {
    "structure", "metric", "comparator", "limit", "unit", "tolerance", "priority", "source", "year", "fractions",
    "note", "checked", "endpoint", "active", "in_loss",
}  # fmt: skip
_REQUIRED_GOAL_KEYS = ("structure", "metric", "comparator", "limit", "source")
#: Publications lie between these years.
_YEARS = (1900, 2100)
#: Larger than any dose, volume or percentage; keeps infinity out.
_LARGEST = 1e9
SCHEMA = "schema.json"


def bundled_goal_names() -> list[str]:
    """Names of the sets of goals that ship with the product."""
    return sorted(path.stem for path in (resource_root() / "Goals").glob("*.json") if path.name != SCHEMA)


def bundled_goals(name: str) -> GoalSet:
    """A set of goals that ships with the product, for example ``"head-and-neck"``.

    Raises:
        InputError: there is no such set; the message names those there are.
    """
    available = bundled_goal_names()
    if name not in available:
        raise InputError(
            f"There are no goals called {name!r}; choose one of {', '.join(available) or '(none installed)'}, "
            "or give the path of a JSON file."
        )
    path = resource_root() / "Goals" / f"{name}.json"
    try:
        content = path.read_bytes()
    except OSError:
        return read_goals(path)  # which says what is wrong
    return _unchanged_goals(path, content)


@lru_cache(maxsize=64)  # the panel asks for all of them whenever the plan changes, a command for each case
def _unchanged_goals(path: Path, _content: bytes) -> GoalSet:
    return read_goals(path)


def is_goals_file(name_or_path: str | Path) -> bool:
    """Whether this means a file, there or not, and no bundled set: a path, what ends in .json, or what is a file."""
    is_path = any(separator in str(name_or_path) for separator in "/\\")
    return is_path or has_goals_ending(name_or_path) or Path(name_or_path).is_file()


def has_goals_ending(path: str | Path) -> bool:
    """Whether a file is called as files of goals are: .json, in capitals too."""
    return str(path).lower().endswith(".json")


def goals_of(name_or_path: str | Path) -> GoalSet:
    """A bundled set by its name, or a set from a file; `is_goals_file` tells them apart.

    Raises:
        InputError: there is no such set, or the file can't be read; the message names the bundled sets.
    """
    if is_goals_file(name_or_path):
        return read_goals(name_or_path)
    return bundled_goals(str(name_or_path))


def read_goals(path: str | Path) -> GoalSet:
    """Read a set of goals.

    The file is an object with "goals", a list of objects with "structure", "metric", "comparator", "limit", "source";
    ``Resources/Goals/schema.json`` has what else may stand in it, `Goal` and `GoalSet` what it means.

    Raises:
        InputError: the file cannot be read or something in it is wrong; the message says which goal, what is wrong and
            what is allowed there.
    """
    path = Path(path)
    return goal_set_of(read_json(path, "goals", strict=True), str(path), default_name=path.stem)


def goal_set_of(content: Any, where: str, *, default_name: str = "goals") -> GoalSet:
    """The set of goals that parsed JSON describes.

    Args:
        content: what `json.loads` gave.
        where: the file's name, for messages.
        default_name: of a set that has none.

    Raises:
        InputError: something is wrong; see `read_goals`.
    """
    if not isinstance(content, dict):
        raise InputError(f'{where} holds no set of goals; it must be an object with "name" and "goals".')
    unknown = sorted(set(content) - _SET_KEYS)
    if unknown:
        raise InputError(f"{where} has an unknown entry {unknown[0]!r}; use only {', '.join(sorted(_SET_KEYS))}.")
    name = _text(content, "name", where, default=default_name)
    title = _text(content, "title", where, default=name)
    description = _text(content, "description", where, default="")
    entries = content.get("goals")
    if not isinstance(entries, list) or not entries:
        raise InputError(f'{where} has no goals; give a list "goals" with at least one.')
    return GoalSet(
        name=name,
        title=title,
        description=description,
        goals=tuple(goal_of(entry, n, where) for n, entry in enumerate(entries, start=1)),
        sites=_texts(content, "sites", where),
        techniques=_texts(content, "techniques", where),
        fractions=_fractions(content, where),
    )


def goal_of(entry: Any, number: int, file: str) -> Goal:
    """The goal that one entry of a file's list describes.

    Args:
        entry: what `json.loads` gave.
        number: its place in the list, from 1, for messages.
        file: likewise.

    Raises:
        InputError: something is wrong; see `read_goals`.
    """
    where = f"Goal {number} of {file}"
    if not isinstance(entry, dict):
        raise InputError(f'{where} is no object; write it as {{"structure": ..., "metric": ..., ...}}.')
    structure = entry.get("structure")
    if isinstance(structure, str) and structure.strip():
        where = f"Goal {number} ({structure}) of {file}"
    missing = [key for key in _REQUIRED_GOAL_KEYS if key not in entry]
    if missing:
        raise InputError(f"{where} has no {missing[0]!r}; add it.")
    unknown = sorted(set(entry) - _GOAL_KEYS)
    if unknown:
        raise InputError(f"{where} has an unknown entry {unknown[0]!r}; use only {', '.join(sorted(_GOAL_KEYS))}.")

    unit = _text(entry, "unit", where) if entry.get("unit") is not None else None
    named = _text(entry, "structure", where).strip()
    try:
        metric = Metric.parse(_text(entry, "metric", where), unit)
        check_expression(named)
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
        structure=named,
        metric=metric,
        comparator=comparator,
        limit=limit,
        tolerance=tolerance,
        priority=priority,
        source=_text(entry, "source", where),
        year=_year(entry, where),
        fractions=_fractions(entry, where),
        note=_text(entry, "note", where, default=""),
        checked=_yes_or_no(entry, "checked", where, default=False),
        active=_yes_or_no(entry, "active", where, default=True),
        in_loss=_yes_or_no(entry, "in_loss", where, default=True),
        endpoint=_text(entry, "endpoint", where, default=""),
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
    # An empty description, note or unit says something; an empty structure or source does not.
    may_be_empty = key in ("description", "unit", "note", "endpoint")
    if not isinstance(value, str) or (not value.strip() and not may_be_empty):
        raise InputError(f"{where} has {key!r} = {value!r}; give a text.")
    return value


def _texts(entry: dict[str, Any], key: str, where: str) -> tuple[str, ...]:
    values = entry.get(key, [])
    if not isinstance(values, list) or not all(isinstance(value, str) and value.strip() for value in values):
        raise InputError(f'{where} has {key!r} = {values!r}; give a list of texts, like ["thorax"].')
    return tuple(values)


def _number(entry: dict[str, Any], key: str, where: str) -> float:
    value = entry[key]
    usable = isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value <= _LARGEST
    if not usable:
        shown = repr(value) if len(repr(value)) < 40 else f"{repr(value)[:30]}..."
        raise InputError(f"{where} has {key!r} = {shown}; give a number that is not negative.")
    return float(value)


def _year(entry: dict[str, Any], where: str) -> int | None:
    value = entry.get("year")
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not _YEARS[0] <= value <= _YEARS[1]:
        raise InputError(f"{where} has 'year' = {value!r}; give the source's year as a whole number, like 2010.")
    return value


def _yes_or_no(entry: dict[str, Any], key: str, where: str, *, default: bool) -> bool:
    value = entry.get(key, default)
    if not isinstance(value, bool):
        raise InputError(f"{where} has {key!r} = {value!r}; give true or false.")
    return value


def _fractions(entry: dict[str, Any], where: str) -> FractionRange | None:
    value = entry.get("fractions")
    if value is None:
        return None
    if _whole(value):
        return FractionRange(value, value)
    if isinstance(value, list) and len(value) == 2 and _whole(value[0]):
        fewest, most = value
        if most is None or (_whole(most) and most >= fewest):
            return FractionRange(fewest, most)
    raise InputError(
        f"{where} has 'fractions' = {value!r}; give a whole number from 1, or [fewest, most] (null for no upper end)."
    )


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1
