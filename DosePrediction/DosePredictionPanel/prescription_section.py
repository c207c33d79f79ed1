"""Prescription: targets, fractions, technique, site, beams, goals."""

from __future__ import annotations

from collections.abc import Iterable

import ctk
from slicer.i18n import tr as _

from DosePredictionLib.dosimetry.goal_reading import bundled_goal_names
from DosePredictionLib.patient.structure import StructureRole
from DosePredictionPanel.bindings import Bindings
from DosePredictionPanel.parameters import Parameters
from DosePredictionPanel.plan_fields import SITES, TECHNIQUES
from DosePredictionPanel.section import Section, fill_choices
from DosePredictionPanel.structure_rows import StructureRow

FROM_FILE = "file"


class PrescriptionSection(Section):
    """What is prescribed and how it is judged."""

    def __init__(self) -> None:
        super().__init__("Prescription")
        ui = self.ui
        bundled = bundled_goal_names()
        fill_choices(ui.techniqueSelector, {"": _("not known")} | {name: name for name in TECHNIQUES})
        fill_choices(ui.siteSelector, {"": _("not known")} | {name: name for name in SITES})
        fill_choices(ui.goalsSelector, {name: name for name in bundled} | {FROM_FILE: _("From a file...")})
        ui.beamAnglesEdit.placeholderText = _("Default of the model (0, 40, 80 ... 320)")
        ui.goalsPathEdit.filters = ctk.ctkPathLineEdit.Files
        self._bindings = Bindings()
        self._bindings.spin_box(ui.fractionsSpinBox, "fractions")
        self._bindings.choice(ui.techniqueSelector, "technique")
        self._bindings.choice(ui.siteSelector, "site")
        self._bindings.line(ui.beamAnglesEdit, "beam_angles")
        self._bindings.choice(ui.goalsSelector, "goals")
        self._bindings.path(ui.goalsPathEdit, "goals_path")

    def show(self, parameters: Parameters, rows: Iterable[StructureRow]) -> None:
        """Show the choices and the targets."""
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
