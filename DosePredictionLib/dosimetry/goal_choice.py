"""Which sets of goals suit a patient: for a form that offers them, the best first, and for who chooses none."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from DosePredictionLib.dosimetry.goal import FractionRange, GoalSet
from DosePredictionLib.dosimetry.goal_reading import bundled_goal_names, bundled_goals, has_goals_ending, read_goals
from DosePredictionLib.errors import InputError
from DosePredictionLib.patient.plan_words import is_one_of

#: What comes first of sets that suit equally well.
USUAL_GOALS = "head-and-neck"


class KnownOfPlan(Protocol):
    """What goals are chosen by; a `Patient` knows it."""

    @property
    def site(self) -> str | None:
        """See `Patient`."""

    @property
    def technique(self) -> str | None:
        """See `Patient`."""

    @property
    def fractions(self) -> int | None:
        """See `Patient`."""


@dataclass(frozen=True)
class GoalSetChoice:
    """A set of goals as a choice.

    Attributes:
        name: what `goals_of` takes: a bundled set's name, or a file's path.
        title: what to show.
        suits: whether the set is for the patient's site, technique and fractionation, as far as these are known.
        reason: a few words: why, or why not.
    """

    name: str
    title: str
    suits: bool
    reason: str


@dataclass(frozen=True)
class _Fit:
    """What speaks for a set of goals and what against it.

    Attributes:
        meant_for: what the set is for, a few words each.
        objections: the same where the patient is another.
        agreements: how many of site, technique and fractions are the set's.
        misplaced: how many of site and technique are others than the set's.
        fractions_off: how far the number of fractions is from the nearest of the set's, as a logarithm of their ratio.
    """

    meant_for: tuple[str, ...]
    objections: tuple[str, ...]
    agreements: int
    misplaced: int
    fractions_off: float


def suitable_goal_sets(patient: KnownOfPlan, own_folder: str | Path | None = None) -> list[GoalSetChoice]:
    """All sets of goals, those that suit the patient first; among these the ones that say most about it.

    Of sets that suit equally well `USUAL_GOALS` comes first, then those for fewer sites (for any site, where the
    patient's is unknown). Of sets that don't suit, those come first that are for the site and for the nearest number of
    fractions, from which limits can be carried over.

    Args:
        patient: a patient or a plan, whose site, technique and fractions are asked for.
        own_folder: a folder with the user's own sets, as JSON; files in it that aren't valid are left out.
    """
    choices = [(bundled_goals(name), name) for name in bundled_goal_names()]
    if own_folder is not None and Path(own_folder).is_dir():
        for path in sorted(filter(has_goals_ending, Path(own_folder).iterdir())):
            try:
                choices.append((read_goals(path), str(path)))
            except InputError:
                continue
    judged: list[tuple[tuple[float, ...], GoalSetChoice]] = []
    for goals, name in choices:
        fit = _fit(goals, patient)
        reason = "; ".join(fit.objections or fit.meant_for) or "for any site and fractionation"
        equals = (name != USUAL_GOALS, len(goals.sites), len(judged))
        order = (fit.misplaced, fit.fractions_off, -fit.agreements, *equals)
        judged.append((order, GoalSetChoice(name, goals.title, not fit.objections, reason)))
    return [choice for _, choice in sorted(judged, key=lambda item: item[0])]


def best_goal_set(patient: KnownOfPlan) -> GoalSetChoice:
    """The bundled set to take where nobody chose one: the first of `suitable_goal_sets`.

    Its reason also says what the patient's data leave open, and that a set which doesn't suit is only the nearest.
    """
    best = suitable_goal_sets(patient)[0]
    reason = best.reason if best.suits else f"none suits, this is the nearest: {best.reason}"
    unknown = [word for word, known in (("site", patient.site), ("fractions", patient.fractions)) if not known]
    if unknown:
        reason += f"; the case does not state its {' or '.join(unknown)}"
    return GoalSetChoice(best.name, best.title, best.suits, reason)


def _fit(goals: GoalSet, patient: KnownOfPlan) -> _Fit:
    meant_for: list[str] = []
    objections: list[str] = []
    agreements = 0
    for wanted, known in ((goals.sites, patient.site), (goals.techniques, patient.technique)):
        if not wanted:
            continue
        listed = f"for {' or '.join(wanted)}"
        meant_for.append(listed)
        if known and is_one_of(known, wanted):
            agreements += 1
        elif known:
            objections.append(f"{listed}, not {known}")
    misplaced, off = len(objections), 0.0
    ranges = _fraction_ranges(goals)
    if ranges:
        listed = f"for {', '.join(dict.fromkeys(span.text for span in ranges))} fractions"
        meant_for.append(listed)
        if patient.fractions:
            off = min(abs(math.log(patient.fractions / span.nearest(patient.fractions))) for span in ranges)
            agreements += off == 0.0
            if off:
                objections.append(f"{listed}, not {patient.fractions}")
    return _Fit(tuple(meant_for), tuple(objections), agreements, misplaced, off)


def _fraction_ranges(goals: GoalSet) -> list[FractionRange]:
    if goals.fractions is not None:
        return [goals.fractions]
    return sorted({g.fractions for g in goals.goals if g.fractions is not None}, key=lambda span: span.fewest)
