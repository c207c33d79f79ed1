"""Which sets of goals suit a patient: for a form that offers them, the best first."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from DosePredictionLib.dosimetry.goal import FractionRange, GoalSet
from DosePredictionLib.dosimetry.goal_reading import bundled_goal_names, bundled_goals, read_goals
from DosePredictionLib.errors import InputError


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


def suitable_goal_sets(patient: KnownOfPlan, own_folder: str | Path | None = None) -> list[GoalSetChoice]:
    """All sets of goals, those that suit the patient first; among these the ones that say most about it.

    Args:
        patient: a patient or a plan, whose site, technique and fractions are asked for.
        own_folder: a folder with the user's own sets, as JSON; files in it that aren't valid are left out.
    """
    choices = [(bundled_goals(name), name) for name in bundled_goal_names()]
    if own_folder is not None and Path(own_folder).is_dir():
        for path in sorted(Path(own_folder).glob("*.json")):
            try:
                choices.append((read_goals(path), str(path)))
            except InputError:
                continue
    judged: list[tuple[bool, int, int, GoalSetChoice]] = []
    for goals, name in choices:
        agreements, objections = _fit(goals, patient)
        reason = "; ".join(objections or agreements) or "for any site and fractionation"
        judged.append(
            (bool(objections), -len(agreements), len(judged), GoalSetChoice(name, goals.title, not objections, reason))
        )
    return [choice for *_, choice in sorted(judged, key=lambda item: item[:3])]


def _fit(goals: GoalSet, patient: KnownOfPlan) -> tuple[list[str], list[str]]:
    """What speaks for a set and what against it."""
    agreements: list[str] = []
    objections: list[str] = []
    for wanted, known in ((goals.sites, patient.site), (goals.techniques, patient.technique)):
        if not wanted or not known:
            continue
        fits = known.lower() in (value.lower() for value in wanted)
        listed = " or ".join(wanted)
        (agreements if fits else objections).append(f"for {listed}" + ("" if fits else f", not {known}"))
    ranges = _fraction_ranges(goals)
    if ranges and patient.fractions:
        fits = any(span.holds(patient.fractions) for span in ranges)
        listed = ", ".join(dict.fromkeys(span.text for span in ranges))
        many = f"for {listed} fractions"
        (agreements if fits else objections).append(many if fits else f"{many}, not {patient.fractions}")
    return agreements, objections


def _fraction_ranges(goals: GoalSet) -> list[FractionRange]:
    if goals.fractions is not None:
        return [goals.fractions]
    return sorted({g.fractions for g in goals.goals if g.fractions is not None}, key=lambda span: span.fewest)
