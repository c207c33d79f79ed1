"""Whether a dose meets its planning goals."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from DosePredictionLib.dosimetry.dvh import Dvh, compute_dvh
from DosePredictionLib.dosimetry.goal import EACH_TARGET, HIGHEST_TARGET, OR, Goal, GoalSet
from DosePredictionLib.dosimetry.goal_reading import bundled_goals, read_goals
from DosePredictionLib.dosimetry.metric import Metric, MetricKind
from DosePredictionLib.patient.patient import Patient
from DosePredictionLib.patient.structure import Structure, StructureRole
from DosePredictionLib.patient.volume import Volume

__all__ = [
    "Goal", "GoalResult", "GoalSet", "Metric", "Verdict",
    "bundled_goals", "evaluate_goals", "format_value", "read_goals",
]  # fmt: skip


class Verdict(Enum):
    """How a goal came out; the value is the word to show."""

    PASS = "pass"
    #: Beyond the limit, within the tolerance.
    TOLERANCE = "tolerance"
    FAIL = "fail"
    #: There is nothing to judge: the structure, or a prescription it needs, is missing.
    NOT_APPLICABLE = "not applicable"


@dataclass(frozen=True)
class GoalResult:
    """A goal, what was measured, and the verdict.

    Attributes:
        goal: what was asked.
        structure_label: the structure as the user's data call it; as the goal calls it where there is none.
        value: in ``unit``; NaN when not applicable.
        unit: of value, limit and tolerance.
        verdict: see `Verdict`.
        reason: one sentence that explains the verdict.
    """

    goal: Goal
    structure_label: str
    value: float
    unit: str
    verdict: Verdict
    reason: str


def format_value(value: float, unit: str) -> str:
    """A value with its unit as tables show it: ``45.3 Gy``, ``97.2 %Rx``, ``0.082``, ``-`` for none."""
    if math.isnan(value):
        return "-"
    return f"{value:.2f} {unit}" if unit else f"{value:.3f}"


def evaluate_goals(goals: GoalSet, patient: Patient, dose: Volume, dvhs: Mapping[str, Dvh]) -> list[GoalResult]:
    """Judge a dose by each goal, in the set's order; "each target" gives one result a target, highest dose first.

    Args:
        goals: the goals.
        patient: whose structures are asked for; ignored structures count as missing.
        dose: Gy, the dose of the whole course.
        dvhs: DVHs of this dose by structure name; those that are missing are computed where a goal needs them.

    Raises:
        InputError: the dose inside a structure is not a number somewhere.
    """
    known = dict(dvhs)

    def dvh_of(structure: Structure) -> Dvh:
        if structure.name not in known:
            known[structure.name] = compute_dvh(dose, structure)
        return known[structure.name]

    results: list[GoalResult] = []
    for goal in goals.goals:
        structures = _structures(goal, patient)
        if not structures:
            results.append(_not_applicable(goal, goal.structure, f"the patient has no {_asked_for(goal)}"))
            continue
        judged = [_judge(goal, structure, dvh_of(structure), dose, patient) for structure in structures]
        results.extend(judged if goal.structure.lower() == EACH_TARGET else [_best(judged)])
    return results


def _structures(goal: Goal, patient: Patient) -> list[Structure]:
    """The structures that a goal speaks of, of those the patient has."""
    asked = goal.structure
    if asked.lower() == EACH_TARGET:
        return list(patient.targets)
    candidates = [s for s in patient.structures if s.role is not StructureRole.IGNORED]
    found = [structure for name in asked.split(OR) for structure in _named(name.strip(), candidates)[:1]]
    if not found and asked.lower() in (HIGHEST_TARGET, "ptv_high"):
        return list(patient.targets[:1])
    return found


def _named(name: str, structures: list[Structure]) -> list[Structure]:
    """Structures with this TG-263 name; failing that, those that the user's data call so."""
    wanted = name.lower()
    by_standard_name = [s for s in structures if (s.standard_name or "").lower() == wanted]
    return by_standard_name or [s for s in structures if s.standard_name is None and s.name.lower() == wanted]


def _asked_for(goal: Goal) -> str:
    return "target" if goal.structure.lower() in (EACH_TARGET, HIGHEST_TARGET) else goal.structure


def _judge(goal: Goal, structure: Structure, dvh: Dvh, dose: Volume, patient: Patient) -> GoalResult:
    if not dvh.volume_cc > 0.0:
        return _not_applicable(goal, structure.label, f"{structure.label} is empty")
    prescription = structure.prescription_gy if structure.role is StructureRole.TARGET else patient.prescription_gy
    if goal.metric.needs_prescription and not prescription:
        return _not_applicable(goal, structure.label, f"no prescription is known for {structure.label}")
    value = goal.metric.measure(dvh, dose, structure, prescription)
    if math.isnan(value):
        return _not_applicable(goal, structure.label, f"{goal.metric.text} has no value where the dose is 0")
    verdict, reason = _verdict(goal, value)
    for remark in _remarks(goal, dvh):
        reason = f"{reason}; {remark}"
    return GoalResult(goal, structure.label, value, goal.unit, verdict, f"{reason[0].upper()}{reason[1:]}.")


def _verdict(goal: Goal, value: float) -> tuple[Verdict, str]:
    shown = f"{goal.metric.text} is {format_value(value, goal.unit)}"
    wish = f"the goal of {goal.comparator} {goal.limit:g}"
    if goal.is_met(value):
        return Verdict.PASS, f"{shown} and meets {wish}"
    if goal.tolerance is None:
        return Verdict.FAIL, f"{shown} and misses {wish}"
    if goal.is_met(value, goal.tolerance):
        return Verdict.TOLERANCE, f"{shown} and misses {wish}, but not the tolerance of {goal.tolerance:g}"
    return Verdict.FAIL, f"{shown} and misses {wish} and the tolerance of {goal.tolerance:g}"


def _remarks(goal: Goal, dvh: Dvh) -> list[str]:
    """What a reader of the value should know."""
    remarks = []
    metric = goal.metric
    if metric.kind is MetricKind.DOSE_AT_VOLUME and metric.amount_unit == "cc" and (metric.amount or 0) > dvh.volume_cc:
        remarks.append(f"the structure has only {dvh.volume_cc:.3g} cc, so this is its minimum dose")
    if dvh.outside_dose_percent >= 0.05:
        remarks.append(f"{dvh.outside_dose_percent:.1f} % of the structure lies outside the dose and counts as 0 Gy")
    return remarks


def _best(results: list[GoalResult]) -> GoalResult:
    """The result that serves the goal best; one without a value only when none has any."""
    with_value = [result for result in results if result.verdict is not Verdict.NOT_APPLICABLE]
    if not with_value:
        return results[0]
    pick = min if results[0].goal.is_upper_limit else max
    return pick(with_value, key=lambda result: result.value)


def _not_applicable(goal: Goal, label: str, reason: str) -> GoalResult:
    sentence = f"Not judged because {reason}."
    return GoalResult(goal, label, float("nan"), goal.unit, Verdict.NOT_APPLICABLE, sentence)
