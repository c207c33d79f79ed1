"""What a dose in the scene was measured with: goals, fractions, and the dose beside it.

Kept on the dose, so a scene keeps it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from DosePredictionLib.dosimetry.goal_reading import is_goals_file
from DosePredictionScene.compared_with import compared_with, remember_compared_with
from DosePredictionScene.file_time import file_time

GOALS_ATTRIBUTE = "DosePrediction.MeasuredGoals"
FILE_ATTRIBUTE = "DosePrediction.MeasuredGoalsFileTime"
FRACTIONS_ATTRIBUTE = "DosePrediction.MeasuredFractions"
STRUCTURES_ATTRIBUTE = "DosePrediction.MeasuredStructures"


@dataclass(frozen=True)
class MeasuredWith:
    """Goals, fractions, comparison and structures.

    Attributes:
        goals: a bundled set's name, or a file.
        compared_id: of the node of the other dose; empty for none.
        fractions: that limits for other fractionations were converted to (EQD2); 0 when unknown.
        structures: what the segments were taken for (`choices_digest`); "" when unknown.
        file_time: when the goals' file was changed last, in ns; "" for a bundled set, and where there is no such file.
    """

    goals: str
    compared_id: str
    fractions: int
    structures: str = ""
    file_time: str = ""

    @classmethod
    def of(cls, goals: str | Path, compared: Any, fractions: int | None, structures: str = "") -> MeasuredWith:
        """From the choices as they are now, ``compared`` being a node or None."""
        compared_id = "" if compared is None else str(compared.GetID())
        changed = file_time(goals) if is_goals_file(goals) else ""
        return cls(str(goals), compared_id, fractions or 0, structures, changed)


def measured_with(dose_node: Any) -> MeasuredWith | None:
    """What a dose was measured with; None where nothing says it."""
    goals = dose_node.GetAttribute(GOALS_ATTRIBUTE)
    if goals is None:
        return None
    fractions = dose_node.GetAttribute(FRACTIONS_ATTRIBUTE) or ""
    return MeasuredWith(goals, compared_with(dose_node), int(fractions) if fractions.isdecimal() else 0,
                        dose_node.GetAttribute(STRUCTURES_ATTRIBUTE) or "",
                        dose_node.GetAttribute(FILE_ATTRIBUTE) or "")  # fmt: skip


def remember_measured_with(dose_node: Any, with_these: MeasuredWith) -> None:
    """Note what a dose was measured with."""
    dose_node.SetAttribute(GOALS_ATTRIBUTE, with_these.goals)
    dose_node.SetAttribute(FRACTIONS_ATTRIBUTE, str(with_these.fractions))
    dose_node.SetAttribute(STRUCTURES_ATTRIBUTE, with_these.structures)
    dose_node.SetAttribute(FILE_ATTRIBUTE, with_these.file_time)
    remember_compared_with(dose_node, with_these.compared_id)
