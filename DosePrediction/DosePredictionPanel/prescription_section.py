"""Prescription: targets, fractions, technique, site, beams, goals."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import ctk
import qt
import slicer
from slicer.i18n import tr as _

from DosePredictionLib.dosimetry.goal_choice import GoalSetChoice
from DosePredictionLib.dosimetry.goal_editing import GoalDraft
from DosePredictionLib.dosimetry.goal_reading import goals_of
from DosePredictionLib.errors import InputError
from DosePredictionLib.patient.structure import StructureRole
from DosePredictionPanel.bindings import Bindings
from DosePredictionPanel.goal_choices import FROM_FILE, GoalChoices
from DosePredictionPanel.goals_editor import GoalsEditor
from DosePredictionPanel.parameters import Parameters
from DosePredictionPanel.plan_fields import SITES, TECHNIQUES
from DosePredictionPanel.section import Section, fill_choices
from DosePredictionPanel.structure_rows import StructureRow

#: Beside Slicer's settings: the sets that were edited here.
GOALS_FOLDER = "DosePredictionGoals"


class PrescriptionSection(Section):
    """What is prescribed and how it is judged.

    Args:
        tell: shows a sentence to the user.
        saved: called when goals were edited and saved.
    """

    def __init__(self, tell: Callable[[str], None], saved: Callable[[], None]) -> None:
        super().__init__("Prescription")
        ui = self.ui
        self._tell, self._saved = tell, saved
        self._parameters: Parameters | None = None
        self._offered: list[GoalSetChoice] = []
        self._goal_choices = GoalChoices(self._own_folder())
        fill_choices(ui.techniqueSelector, {"": _("not known")} | {name: name for name in TECHNIQUES})
        fill_choices(ui.siteSelector, {"": _("not known")} | {name: name for name in SITES})
        ui.goalsPathEdit.filters = ctk.ctkPathLineEdit.Files
        self._bindings = Bindings()
        self._bindings.spin_box(ui.fractionsSpinBox, "fractions")
        self._bindings.choice(ui.techniqueSelector, "technique")
        self._bindings.choice(ui.siteSelector, "site")
        self._bindings.line(ui.beamAnglesEdit, "beam_angles")
        self._bindings.choice(ui.goalsSelector, "goals")
        self._bindings.path(ui.goalsPathEdit, "goals_path")
        ui.editGoalsButton.connect("clicked(bool)", self._on_edit_goals)

    def show(self, parameters: Parameters, rows: Iterable[StructureRow]) -> None:
        """Show the choices and the targets."""
        self._parameters = parameters
        self._offer_goals(parameters)
        self._bindings.show(parameters)
        from_file = parameters.goals == FROM_FILE
        self.ui.goalsPathEdit.visible = self.ui.goalsPathEditLabel.visible = from_file
        targets = [row for row in rows if row.choice.role is StructureRole.TARGET]
        targets.sort(key=lambda row: -(row.choice.prescription_gy or 0.0))
        fractions = parameters.fractions
        told = []
        for row in targets:
            dose = row.choice.prescription_gy
            each = f" ({dose / fractions:.2f} Gy x {fractions})" if dose and fractions else ""
            told.append(f"{row.name}: " + (_("no dose") if dose is None else f"{dose:g} Gy{each}"))
        self.ui.targetsLabel.text = "\n".join(told) or _("none")

    def _offer_goals(self, parameters: Parameters) -> None:
        """The sets that suit the plan first, a line, the rest."""
        choices = self._goal_choices.of(parameters)
        if choices == self._offered:
            return
        self._offered = choices
        box = self.ui.goalsSelector
        box.blockSignals(True)
        box.clear()
        for before, choice in zip([None, *choices], choices, strict=False):
            if before is not None and before.suits and not choice.suits:
                box.insertSeparator(box.count)
            box.addItem(choice.title, choice.name)
            box.setItemData(box.count - 1, choice.reason, qt.Qt.ToolTipRole)
        box.addItem(_("From a file..."), FROM_FILE)
        box.setCurrentIndex(max(box.findData(parameters.goals), 0))
        box.blockSignals(False)

    def _on_edit_goals(self, *_arguments: Any) -> None:
        parameters = self._parameters
        if parameters is None:
            return
        chosen = parameters.goals_path if parameters.goals == FROM_FILE else parameters.goals
        try:
            draft = GoalDraft.of(goals_of(chosen))
        except InputError as error:
            self._tell(str(error))
            return
        own = self._own_folder()
        saved = GoalsEditor(draft, own).edit()
        if saved is None:
            return
        if saved.parent == own:
            parameters.goals = str(saved)
        else:
            parameters.goals, parameters.goals_path = FROM_FILE, str(saved)
        self._tell(_("Goals written: {where}").format(where=saved))
        self._saved()

    def _own_folder(self) -> Path:
        return Path(slicer.app.slicerUserSettingsFilePath).parent / GOALS_FOLDER
