"""Scorecards from PlanScoreCard's JSON files, checked entry by entry."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from DosePredictionLib.dosimetry.scorecard import Scorecard, ScoreMetric, ScorePoint, ScoreTemplate
from DosePredictionLib.errors import InputError
from DosePredictionLib.json_file import read_json
from DosePredictionLib.resources import resource_root

#: The format's spellings of units, without regard to case, and ours.
_UNITS = {"gy": ("Gy", 1.0), "cgy": ("Gy", 0.01), "%": ("%", 1.0), "cc": ("cc", 1.0), "cm3": ("cc", 1.0),
          "cm³": ("cc", 1.0), "": ("", 1.0)}  # fmt: skip
_DOSE, _VOLUME, _NONE = ("Gy", "%"), ("cc", "%"), ("",)
#: Metric to the units of its amount and of its value.
_ALLOWED: dict[ScoreMetric, tuple[tuple[str, ...], tuple[str, ...]]] = {
    ScoreMetric.DOSE_AT_VOLUME: (_VOLUME, _DOSE),
    ScoreMetric.VOLUME_AT_DOSE: (_DOSE, _VOLUME),
    ScoreMetric.VOLUME_OF_REGRET: (_DOSE, _VOLUME),
    ScoreMetric.CONFORMATION_NUMBER: (_DOSE, (*_NONE, *_VOLUME)),
    ScoreMetric.HOMOGENEITY_INDEX: ((*_NONE, *_VOLUME, *_DOSE), (*_NONE, *_DOSE)),
    ScoreMetric.MEAN_DOSE: ((*_NONE, *_VOLUME, *_DOSE), _DOSE),
    ScoreMetric.MAXIMUM_DOSE: ((*_NONE, *_VOLUME, *_DOSE), _DOSE),
    ScoreMetric.MINIMUM_DOSE: ((*_NONE, *_VOLUME, *_DOSE), _DOSE),
    ScoreMetric.DOSE_AT_SUB_VOLUME: ((*_VOLUME, *_NONE), _DOSE),
}
#: Metrics whose value has no unit, whatever the file says.
_BARE = (ScoreMetric.CONFORMATION_NUMBER, ScoreMetric.HOMOGENEITY_INDEX)


def bundled_scorecards() -> list[str]:
    """Names of the scorecards that ship with the product."""
    return sorted(path.stem for path in (resource_root() / "Scorecards").glob("*.json"))


def find_scorecard(name_or_file: str | Path) -> Scorecard:
    """A bundled scorecard by its name ("head-and-neck"), or the one in a JSON file.

    Raises:
        InputError: there is no such card, or the file is not valid.
    """
    name = str(name_or_file)
    if name in bundled_scorecards():
        return read_scorecard(resource_root() / "Scorecards" / f"{name}.json")
    if name.lower().endswith(".json"):
        return read_scorecard(Path(name))
    known = ", ".join(bundled_scorecards()) or "(none installed)"
    raise InputError(f"There is no scorecard called {name!r}; choose one of {known}, or give a JSON file.")


def read_scorecard(path: str | Path) -> Scorecard:
    """Read a scorecard in PlanScoreCard's JSON format.

    Read are TemplateName, Site, Creator, DosePerFraction, NumberOfFractions and ScoreTemplates; of each of these
    Structure (StructureId, TemplateStructureId, StructureComment), MetricType, InputValue, InputUnit, OutputUnit,
    HI_HiValue, HI_LowValue, HI_Target, HI_TargetUnit, MetricComment and ScorePoints (PointX, Score). What else there is
    (colours, ranks, which point is a variation) is passed over. Doses in cGy become Gy.

    Raises:
        InputError: the file can't be read or something in it is wrong; the message says which template and what.
    """
    path = Path(path)
    content = read_json(path, "a scorecard")
    entries = content.get("ScoreTemplates") if isinstance(content, dict) else None
    if not isinstance(entries, list) or not entries:
        raise InputError(f'{path} is no scorecard of PlanScoreCard; it must be an object with a list "ScoreTemplates".')
    name = _text(content.get("TemplateName")) or path.stem
    return Scorecard(
        name=name,
        site=_text(content.get("Site")) or _text(content.get("SiteGroup")),
        creator=_text(content.get("Creator")),
        dose_per_fraction_gy=_number(content, "DosePerFraction", str(path), default=0.0),
        fractions=int(_number(content, "NumberOfFractions", str(path), default=0.0)),
        templates=tuple(_template(entry, number, path) for number, entry in enumerate(entries, start=1)),
    )


def _template(entry: Any, number: int, path: Path) -> ScoreTemplate:
    where = f"Template {number} of {path}"
    if not isinstance(entry, dict) or not isinstance(entry.get("Structure"), dict):
        raise InputError(f'{where} has no "Structure"; add it.')
    structure = entry["Structure"]
    template_name = _text(structure.get("TemplateStructureId"))
    name = _text(structure.get("StructureId")) or template_name
    if not name:
        raise InputError(f'{where} names no structure; give a "StructureId" or a "TemplateStructureId".')
    where = f"Template {number} ({name}) of {path}"
    word = _text(entry.get("MetricType"))
    if not word:
        raise InputError(f'{where} has no "MetricType"; add it, for example "DoseAtVolume".')
    metric = next((kind for kind in ScoreMetric if kind.value == word), None)
    amount_unit, amount_factor = _unit(entry, "InputUnit", where)
    unit, factor = _unit(entry, "OutputUnit", where)
    target_unit, target_factor = _unit(entry, "HI_TargetUnit", where)
    amount = _number(entry, "InputValue", where, default=0.0) * amount_factor
    if metric is not None:
        for key, given, allowed in zip(("InputUnit", "OutputUnit"), (amount_unit, unit), _ALLOWED[metric], strict=True):
            if given not in allowed:
                choice = " or ".join(repr(a) for a in allowed)
                raise InputError(f"{where}: {word} cannot have the {key} {entry.get(key)!r}; use {choice}.")
    if metric in (ScoreMetric.DOSE_AT_VOLUME, ScoreMetric.DOSE_AT_SUB_VOLUME) and amount < 0.0:
        raise InputError(f'{where} has "InputValue" = {amount:g}; give a volume of 0 or more.')
    if metric in _BARE:
        unit, factor = "", 1.0
    points = _points(entry, where, factor)
    comment = _text(structure.get("StructureComment"))
    return ScoreTemplate(
        structure=name,
        template_structure=template_name if template_name != name else "",
        formula=comment if "<" in comment else "",
        metric=metric,
        metric_name=word,
        amount=amount,
        amount_unit=amount_unit,
        unit=unit,
        points=points,
        high_volume_percent=_number(entry, "HI_HiValue", where, default=0.0),
        low_volume_percent=_number(entry, "HI_LowValue", where, default=0.0),
        index_target=_number(entry, "HI_Target", where, default=0.0) * target_factor,
        index_target_unit=target_unit or "Gy",
        comment=_text(entry.get("MetricComment")),
    )


def _points(entry: dict[str, Any], where: str, factor: float) -> tuple[ScorePoint, ...]:
    given = entry.get("ScorePoints")
    if not isinstance(given, list) or not given:
        raise InputError(f'{where} has no "ScorePoints"; give at least one with "PointX" and "Score".')
    points = []
    for number, point in enumerate(given, start=1):
        at = f"Score point {number} of {where[0].lower()}{where[1:]}"
        if not isinstance(point, dict):
            raise InputError(f'{at} is no object; write it as {{"PointX": ..., "Score": ...}}.')
        points.append(ScorePoint(_number(point, "PointX", at) * factor, _number(point, "Score", at)))
    points.sort(key=lambda point: point.value)
    for one, other in zip(points, points[1:], strict=False):
        if one.value == other.value:
            raise InputError(f"{where} has two score points at {one.value:g}; keep one of them.")
    return tuple(points)


def _unit(entry: dict[str, Any], key: str, where: str) -> tuple[str, float]:
    """Our spelling of a unit, and what values in it are multiplied by."""
    given = entry.get(key)
    found = _UNITS.get(_text(given).lower())
    if found is None:
        raise InputError(f"{where} has the {key} {given!r}; use Gy, cGy, % or cc.")
    return found


def _text(value: Any) -> str:
    return value.strip() if isinstance(value, str) else ""


def _number(entry: dict[str, Any], key: str, where: str, default: float | None = None) -> float:
    value = entry.get(key)
    if value is None and default is not None:
        return default
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise InputError(f'{where} has "{key}" = {value!r}; give a number.')
    return float(value)
