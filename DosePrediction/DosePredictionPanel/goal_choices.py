"""Sets of goals in the order in which they suit the plan. No Qt."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from DosePredictionScene.patient_from_nodes import PlanContext
from slicer.i18n import tr as _

from DosePredictionLib.dosimetry.goal_choice import GoalSetChoice, suitable_goal_sets
from DosePredictionLib.dosimetry.goal_reading import has_goals_ending
from DosePredictionPanel.parameters import Parameters

FROM_FILE = "file"


class GoalChoices:
    """The bundled sets and the user's own; read again only when there may be something new.

    Args:
        own_folder: of the user's own sets.
    """

    def __init__(self, own_folder: Path) -> None:
        self._own_folder = own_folder
        self._key: Any = None
        self._known: list[GoalSetChoice] = []

    def of(self, parameters: Parameters) -> list[GoalSetChoice]:
        """The sets, those that suit first; a chosen one that is not on this computer last."""
        plan = PlanContext(
            fractions=parameters.fractions or None,
            technique=parameters.technique or None,
            site=parameters.site or None,
        )
        own = filter(has_goals_ending, self._own_folder.iterdir() if self._own_folder.is_dir() else ())
        files = sorted((path.name, path.stat().st_mtime_ns) for path in own)
        key = (plan, files)
        if key != self._key:
            self._key, self._known = key, suitable_goal_sets(plan, self._own_folder)
        chosen = parameters.goals
        if chosen == FROM_FILE or chosen in {choice.name for choice in self._known}:
            return self._known
        title = _("{name} (not found here)").format(name=Path(chosen).stem)
        return [*self._known, GoalSetChoice(chosen, title, False, _("This set is not on this computer."))]
