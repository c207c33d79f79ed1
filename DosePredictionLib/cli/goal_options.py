"""Goals as commands take them: those that the user names, or else the bundled set that suits the case best."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

from DosePredictionLib.dosimetry.goal_choice import KnownOfPlan, best_goal_set
from DosePredictionLib.dosimetry.goals import GoalSet, bundled_goals, goals_of


@dataclass(frozen=True)
class TakenGoals:
    """Goals and why they were taken.

    Attributes:
        goals: the set.
        reason: a few words; empty where the user named the set.
    """

    goals: GoalSet
    reason: str = ""

    @property
    def sentence(self) -> str:
        """For the terminal."""
        why = f": {self.reason} (--goals takes others)" if self.reason else ", as asked for"
        return f"Goals: {self.goals.title} [{self.goals.name}]{why}."


def add_goals_option(parser: argparse.ArgumentParser) -> None:
    """``--goals``; without it the case decides."""
    parser.add_argument("--goals", metavar="NAME_OR_FILE",
                        help="goals: a bundled set (head-and-neck, quantec, tg-101, addiff-dose, rtog-0617 and others; "
                        "a wrong name lists them) or a JSON file (default: the bundled set that suits the case's site "
                        "and fractions best; head-and-neck where it states neither)")  # fmt: skip


def named_goals(arguments: argparse.Namespace) -> GoalSet | None:
    """The goals that the user named, to be refused before any work; None where the case decides.

    Raises:
        InputError: there is no such set, or the file is not valid.
    """
    return None if arguments.goals is None else goals_of(arguments.goals)


def goals_file(arguments: argparse.Namespace) -> Path | None:
    """The file that the user named goals by, if it is one."""
    return None if arguments.goals is None else Path(arguments.goals)


def goals_for(patient: KnownOfPlan, named: GoalSet | None) -> TakenGoals:
    """The named goals, or those that suit a patient best."""
    if named is not None:
        return TakenGoals(named)
    best = best_goal_set(patient)
    return TakenGoals(bundled_goals(best.name), best.reason)
