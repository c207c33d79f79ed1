"""Whether a dose meets its planning goals."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from DosePredictionLib.dosimetry.dvh import Dvh, compute_dvh
from DosePredictionLib.dosimetry.equivalent_dose import Conversion, alpha_beta_of, converted
from DosePredictionLib.dosimetry.goal import OR, Goal, GoalSet
from DosePredictionLib.dosimetry.goal_fractions import GoalForPlan, UnknownFractions, goals_for_fractions
from DosePredictionLib.dosimetry.goal_reading import bundled_goal_names, bundled_goals, goals_of, read_goals
from DosePredictionLib.dosimetry.metric import Metric, MetricKind
from DosePredictionLib.dosimetry.structure_expression import EACH, NotThereError, side_not_there, structures_named
from DosePredictionLib.patient.patient import Patient
from DosePredictionLib.patient.structure import Structure, StructureRole
from DosePredictionLib.patient.volume import Volume
from DosePredictionLib.rounding import decimals_that_tell

__all__ = [
    "Goal", "GoalResult", "GoalSet", "Metric", "Verdict",
    "bundled_goal_names", "bundled_goals", "evaluate_goals", "format_value", "goals_of", "read_goals",
]  # fmt: skip


#: What the reason of a goal that was not judged begins with.
NOT_JUDGED = "Not judged because "


class Verdict(Enum):
    """How a goal came out; the value is the word to show."""

    PASS = "pass"
    #: Beyond the limit, within the tolerance.
    TOLERANCE = "tolerance"
    FAIL = "fail"
    #: There is nothing to judge: the structure, its dose, or a prescription it needs, is missing.
    NOT_APPLICABLE = "not applicable"


@dataclass(frozen=True)
class GoalResult:
    """A goal, what was measured, and the verdict.

    Attributes:
        goal: what was asked; with converted doses where ``conversion`` says so.
        structure_label: the structure as the user's data call it; as the goal calls it where there is none.
        value: in ``unit``; NaN when not applicable.
        unit: of value, limit and tolerance.
        verdict: see `Verdict`.
        reason: one sentence that explains the verdict.
        conversion: how ``goal`` was carried over from another fractionation; None when it is as its source has it.
    """

    goal: Goal
    structure_label: str
    value: float
    unit: str
    verdict: Verdict
    reason: str
    conversion: Conversion | None = None

    @property
    def shown_value(self) -> str:
        """The value with its unit as tables show it beside its limit: ``45.30 Gy``, ``0.082``, ``-`` for none.

        With as many decimals as it takes to see on which side of limit and tolerance it lies: ``45.004 Gy``.
        """
        return _beside_its_limit(self.goal, self.value)


def format_value(value: float, unit: str, decimals: int | None = None) -> str:
    """A value with its unit as tables show it: ``45.30 Gy``, ``97.20 %Rx``, ``0.082``, ``-`` for none."""
    if math.isnan(value):
        return "-"
    return f"{value:.{_decimals(unit) if decimals is None else decimals}f} {unit}".strip()


def _decimals(unit: str) -> int:
    return 2 if unit else 3


class GoalStructures:
    """A patient's structures by what goals call them, made once: rings and margins take longer than judging a dose.

    Args:
        patient: the patient.
    """

    def __init__(self, patient: Patient) -> None:
        self._patient = patient
        self._found: dict[tuple[str, bool], list[Structure] | NotThereError] = {}

    def called(self, expression: str, *, for_maximum: bool = False) -> list[Structure]:
        """What `structures_named` says.

        Raises:
            NotThereError: the patient has no such structure.
        """
        answer = self._answer(expression, for_maximum=False)
        if for_maximum and isinstance(answer, NotThereError):
            answer = self._answer(expression, for_maximum=True)
        if isinstance(answer, NotThereError):
            raise answer
        return answer

    def _answer(self, expression: str, *, for_maximum: bool) -> list[Structure] | NotThereError:
        key = expression, for_maximum
        if key not in self._found:
            try:
                self._found[key] = structures_named(expression, self._patient, for_maximum=for_maximum)
            except NotThereError as error:
                self._found[key] = error
        return self._found[key]


def evaluate_goals(
    goals: GoalSet, patient: Patient, dose: Volume, dvhs: Mapping[str, Dvh], structures: GoalStructures | None = None
) -> list[GoalResult]:
    """Judge a dose by each goal, in the set's order; "each target" gives one result a target, highest dose first.

    "Each" of a pair gives one result a side, for a side that is not there one that says so; one that says so for both,
    or one that judges both in one structure, where neither is there by itself.

    Of goals that differ only in the number of fractions they are for, those for the patient's number count. Where
    there are none, and where the set is for other numbers, limits are carried over by EQD2 (`equivalent_dose.py`),
    which the results say; of several equally near ones the strictest is.

    Args:
        goals: the goals.
        patient: whose structures are asked for; ignored structures count as missing, others are made where they can be
            (`structure_expression.py`). Without a number of fractions nothing is carried over.
        dose: Gy, the dose of the whole course.
        dvhs: DVHs of this dose by structure name; those that are missing are computed where a goal needs them.
        structures: of the same patient, where several doses are judged.

    Raises:
        InputError: the dose inside a structure is not a number somewhere.
    """
    own = {structure.name for structure in patient.structures}
    known = dict(dvhs)
    made: dict[str, Dvh] = {}

    def dvh_of(structure: Structure) -> Dvh:
        # A structure made for a goal may be called like one that the patient's data hold under another meaning.
        is_own = structure.name in own and any(structure is s for s in patient.structures)
        shelf = known if is_own else made
        if structure.name not in shelf:
            shelf[structure.name] = compute_dvh(dose, structure)
        return shelf[structure.name]

    named = structures or GoalStructures(patient)
    results: list[GoalResult] = []
    for goal in goals_for_fractions(goals, patient.fractions):
        if isinstance(goal, UnknownFractions):
            results.append(_not_applicable(goal.goal, goal.goal.structure, goal.reason))
            continue
        try:
            limits_maximum = goal.goal.is_upper_limit and goal.goal.metric.is_maximum
            asked = named.called(goal.goal.structure, for_maximum=limits_maximum)
        except NotThereError as error:
            results.append(_not_applicable(goal.goal, goal.goal.structure, f"the patient has {error}"))
            continue
        judged = [_judge(goal, structure, dvh_of(structure), dose, patient) for structure in asked]
        several = goal.goal.structure.lower().startswith(EACH)
        results.extend(judged if several else [_best(judged)])
        missing = side_not_there(goal.goal.structure, patient) if several and len(judged) == 1 else None
        if missing is not None:
            results.append(_not_applicable(goal.goal, missing, f"the patient has no {missing}"))
    return results


def _judge(asked: GoalForPlan, structure: Structure, dvh: Dvh, dose: Volume, patient: Patient) -> GoalResult:
    goal, conversion = asked.goal, None
    if asked.convert_from is not None and patient.fractions:
        ratio = alpha_beta_of(_tissue(goal, structure), target=structure.role is StructureRole.TARGET)
        goal, conversion = converted(goal, asked.convert_from, patient.fractions, ratio)
    if not dvh.volume_cc > 0.0:
        return _not_applicable(goal, structure.label, f"{structure.label} is empty")
    if dvh.lies_outside_dose:
        return _not_applicable(goal, structure.label, f"{structure.label} lies wholly outside the dose's grid")
    prescription = _prescription_gy(structure, patient)
    if goal.metric.needs_prescription and not prescription:
        return _not_applicable(goal, structure.label, f"no prescription is known for {structure.label}")
    value = _metric_judged(goal, dvh).measure(dvh, dose, structure, prescription)
    if math.isnan(value):
        return _not_applicable(goal, structure.label, f"{goal.metric.text} has no value where the dose is 0")
    verdict, reason = _verdict(goal, value, _metric_judged(goal, dvh).text)
    remarks = _remarks(goal, dvh)
    if conversion is not None:
        remarks.append(conversion.text)
    for remark in remarks:
        reason = f"{reason}; {remark}"
    sentence = f"{reason[0].upper()}{reason[1:]}."
    return GoalResult(goal, structure.label, value, goal.unit, verdict, sentence, conversion)


def _tissue(goal: Goal, structure: Structure) -> str:
    """The name to look up alpha/beta by: the structure's own standard name, or as the goal calls it."""
    return structure.standard_name or (structure.name if OR in goal.structure else goal.structure)


def _prescription_gy(structure: Structure, patient: Patient) -> float | None:
    """What percentages refer to: a target's own dose, also for what was made from it; the plan's highest for others."""
    if structure.role is StructureRole.TARGET:
        return structure.prescription_gy
    if structure.role is StructureRole.OTHER and structure.prescription_gy:
        return structure.prescription_gy
    return patient.prescription_gy


def _metric_judged(goal: Goal, dvh: Dvh) -> Metric:
    return goal.metric.as_upper_limit(dvh.volume_cc) if goal.is_upper_limit else goal.metric


def _verdict(goal: Goal, value: float, measured: str) -> tuple[Verdict, str]:
    shown = f"{measured} is {_beside_its_limit(goal, value)}"
    wish = f"the goal of {goal.comparator} {goal.limit:g}"
    if goal.is_met(value):
        return Verdict.PASS, f"{shown} and meets {wish}"
    if goal.tolerance is None:
        return Verdict.FAIL, f"{shown} and misses {wish}"
    if goal.is_met(value, goal.tolerance):
        return Verdict.TOLERANCE, f"{shown} and misses {wish}, but not the tolerance of {goal.tolerance:g}"
    return Verdict.FAIL, f"{shown} and misses {wish} and the tolerance of {goal.tolerance:g}"


def _beside_its_limit(goal: Goal, value: float) -> str:
    limits = [goal.limit] if goal.tolerance is None else [goal.limit, goal.tolerance]
    decimals = decimals_that_tell(value, _decimals(goal.unit), lambda v: [goal.is_met(v, limit) for limit in limits])
    return f"{value!r} {goal.unit}".strip() if decimals is None else format_value(value, goal.unit, decimals)


def _remarks(goal: Goal, dvh: Dvh) -> list[str]:
    """What a reader of the value should know."""
    remarks = []
    metric = goal.metric
    if metric.kind is MetricKind.DOSE_AT_VOLUME and metric.amount_unit == "cc" and (metric.amount or 0) > dvh.volume_cc:
        by_maximum = _metric_judged(goal, dvh).kind is MetricKind.MAXIMUM_DOSE
        what = f"maximum dose in place of {metric.text}" if by_maximum else "minimum dose"
        remarks.append(f"the structure has only {dvh.volume_cc:.3g} cc, so this is its {what}")
    if metric.kind is MetricKind.COMPLEMENT_VOLUME and goal.unit == "cc" and goal.limit > dvh.volume_cc:
        remarks.append(f"the structure has only {dvh.volume_cc:.3g} cc in all")
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
    sentence = f"{NOT_JUDGED}{reason}."
    return GoalResult(goal, label, float("nan"), goal.unit, Verdict.NOT_APPLICABLE, sentence)
