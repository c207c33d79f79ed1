"""Results: warnings, what lies over the CT, isodoses, curves of the chart, goals, scorecard."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import qt
import slicer
from DosePredictionScene.colours import show_dose_colours
from DosePredictionScene.dose_maps import DIFFERENCE_ROLE, difference_in_pieces, show_differences_from
from DosePredictionScene.dose_node import DOSE_ROLE, DOSE_STD_ROLE, predicted_dose_node
from DosePredictionScene.dvh_chart import BAND_SUFFIXES, CHART_ROLE, REFERENCE_SUFFIX, series_nodes, show_curves
from DosePredictionScene.goals_table import TABLE_ROLE as GOALS_ROLE
from DosePredictionScene.isodose_lines import ISODOSE_ROLE, LEVELS_ATTRIBUTE, isodose_lines_in_pieces
from DosePredictionScene.layout import lay_out_3d_view, show_chart_and_table
from DosePredictionScene.lost_displays import restore_displays
from DosePredictionScene.overlay import (
    WINDOWS,
    show_ct,
    show_only_legend,
    show_overlay,
    use_colours_of,
    use_threshold,
    use_window,
)
from DosePredictionScene.pieces import Pieces, while_in_scene
from DosePredictionScene.predicted_plan import choices_predicted_for, predicted_plan
from DosePredictionScene.prediction_request import Request
from DosePredictionScene.prediction_run import Shown
from DosePredictionScene.provenance_node import provenance_of
from DosePredictionScene.scene_result import prescription_of
from slicer.i18n import tr as _

from DosePredictionLib.errors import InputError
from DosePredictionLib.report.isodose_scale import IsodoseScale
from DosePredictionPanel.bindings import Bindings
from DosePredictionPanel.compare_choice import CompareChoice
from DosePredictionPanel.comparison import compared_dose, compared_name, other_doses
from DosePredictionPanel.exports import Exports
from DosePredictionPanel.goals_view import GoalsView
from DosePredictionPanel.isodose_levels import GRAY, PERCENT, isodose_scale, other_unit, usual_levels
from DosePredictionPanel.jobs import Jobs
from DosePredictionPanel.measured_structures import measured_segmentation
from DosePredictionPanel.measurement import Measurement
from DosePredictionPanel.parameters import Parameters
from DosePredictionPanel.plan_changes import plan_note
from DosePredictionPanel.plan_fields import says_nothing, take_plan
from DosePredictionPanel.scorecard_selector import ScorecardSelector
from DosePredictionPanel.scorecard_view import ScorecardView
from DosePredictionPanel.scoring import Scoring
from DosePredictionPanel.section import Section, fill_choices
from DosePredictionPanel.structure_rows import StructureRow
from DosePredictionPanel.warning_rows import uncertainty_legend, uncertainty_note
from DosePredictionPanel.warnings_view import WarningsView

PREDICTED, CLINICAL, DIFFERENCE, UNCERTAINTY = "predicted", "clinical", "difference", "uncertainty"


def window_texts() -> dict[str, str]:
    """Texts for people by name of the CT windows."""
    texts = {
        "soft tissue": _("soft tissue"), "head and neck": _("head and neck"), "brain": _("brain"), "bone": _("bone"),
        "lung": _("lung"), "all": _("all"),
    }  # fmt: skip
    return {name: texts[name] for name in WINDOWS}


class ResultsSection(Section):
    """The predicted dose of the chosen CT, as the scene holds it: so a saved scene shows it again.

    Args:
        jobs: does what takes longer.
        tell: shows a sentence to the user.
        request, goals: give what is chosen.
        busy: whether a prediction is under way.
    """

    def __init__(
        self, jobs: Jobs, tell: Callable[[str], None], request: Callable[[], Request], goals: Callable[[], str],
        busy: Callable[[], bool],
    ) -> None:  # fmt: skip
        super().__init__("Results")
        ui = self.ui
        self._jobs, self._tell, self._request = jobs, tell, request
        self._parameters: Parameters | None = None
        self._dose: Any = None
        self._plan_note = ""
        self._ct: Any = None
        self._applied: dict[str, Any] = {}
        self._filling = False
        fill_choices(ui.isodoseUnitSelector, {PERCENT: _("% of prescription"), GRAY: _("Gy")})
        fill_choices(ui.windowSelector, {"": _("as it is")} | window_texts())
        fill_choices(ui.overlaySelector, {PREDICTED: _("Predicted dose")})
        self._bindings = Bindings()
        self._bindings.check_box(ui.overlayCheckBox, "overlay_shown")
        self._bindings.choice(ui.overlaySelector, "overlay")
        self._bindings.spin_box(ui.opacitySlider, "opacity")
        self._bindings.spin_box(ui.thresholdSlider, "threshold_percent")
        self._bindings.spin_box(ui.differenceSlider, "difference_from_gy")
        self._bindings.check_box(ui.isodoses2DCheckBox, "isodoses_2d")
        self._bindings.check_box(ui.isodoses3DCheckBox, "isodoses_3d")
        self._bindings.choice(ui.isodoseUnitSelector, "isodose_unit")
        self._bindings.line(ui.levelsEdit, "isodose_levels")
        self._bindings.choice(ui.windowSelector, "window")
        self._bindings.check_box(ui.bandsCheckBox, "bands")
        ui.isodoseUnitSelector.connect("activated(int)", self._on_unit)
        ui.isodoses3DCheckBox.connect("clicked(bool)", self._on_surfaces)
        ui.dvhList.connect("itemChanged(QListWidgetItem*)", self._on_curve)
        self.goals = GoalsView(ui.goalsTable, jobs, tell)
        self.warnings = WarningsView(ui.warningsTitle, ui.warningsFrame)
        self.comparing = CompareChoice(ui.compareSelector, ui.keepButton, tell)
        self.measurement = Measurement(jobs, tell, self._request_of_dose, goals, busy, self._on_measured)
        self.scorecards = ScorecardSelector(ui.scorecardSelector, jobs)
        self.scorecard = ScorecardView(ui.scorecardTable, ui.scorecardTotalLabel, ui.scorecardRemarksEdit)
        self.scoring = Scoring(jobs, self.measurement, busy, self._on_scored)
        self.exports = Exports(
            ui, jobs, tell, self._request_of_dose, goals, lambda: self._plan_note, self.measurement.in_pieces,
            self.scoring.in_pieces,
        )  # fmt: skip

    def show(self, parameters: Parameters, rows: Sequence[StructureRow]) -> None:
        """Show the dose of the chosen CT as the settings say, or that there is none.

        Args:
            parameters, rows: what is chosen. Where they say nothing of a plan, as with a scene that was made without
                the panel, the plan of the dose is taken.
        """
        self._parameters = parameters
        dose = None if parameters.ct is None else predicted_dose_node(parameters.ct)
        plan = predicted_plan(dose)
        if parameters.ct is not self._ct:
            another, self._ct = self._ct is not None and parameters.ct is not None, parameters.ct
            if another:
                self._show_another_ct(parameters.ct, dose)
        if dose is not self._dose:
            self._dose, self._applied = dose, {}
            self._show_nodes()
            if plan is not None and says_nothing(parameters):
                take_plan(plan.context, parameters)
        self._plan_note = note = plan_note(dose, parameters, rows)
        self.ui.planNote.text, self.ui.planNote.visible = f"\N{WARNING SIGN} {note}", bool(note)
        self._bindings.show(parameters)
        self.comparing.show(parameters)
        self.scorecards.show(parameters)
        self.measurement.follow(parameters, dose)
        self.scoring.follow(parameters, dose)
        if dose is not None:
            self._apply(parameters)

    def _show_another_ct(self, ct: Any, dose: Any) -> None:
        """Let the views show the CT that was chosen now, and nothing of the one before."""
        doses = [node.GetNodeReference(DOSE_ROLE) for node in slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")]
        show_only_legend(None, [node for node in doses if node is not dose], "")
        show_ct(ct, dose)
        chart, goals = (None if dose is None else dose.GetNodeReference(role) for role in (CHART_ROLE, GOALS_ROLE))
        if chart is not None and goals is not None:
            show_chart_and_table(chart, goals)

    def take(self, shown: Shown) -> None:
        """A prediction has come: show it anew."""
        self._applied = {}
        self.measurement.take(shown)
        self.scoring.forget_dose(shown.nodes.dose)
        self._dose, self._ct = shown.nodes.dose, shown.ct
        self._show_nodes()
        self.widget.collapsed = False

    def take_of_another(self, shown: Shown) -> None:
        """A prediction has come for a CT that is not chosen: the views have been brought to it, and will come back."""
        self.measurement.take(shown)
        self.scoring.forget_dose(shown.nodes.dose)
        self._ct, self._applied = shown.ct, {}

    def forget(self) -> None:
        """The scene is gone."""
        self._dose, self._ct, self._applied, self._parameters = None, None, {}, None
        self.measurement.forget()
        self.scoring.forget()
        self.ui.planNote.visible = False
        self._show_nodes()

    def _request_of_dose(self) -> Request:
        """What is chosen, with the structures and prescriptions that the dose was predicted for."""
        request = self._request()
        assert self._parameters is not None
        segmentation = measured_segmentation(self._dose, self._parameters)  # another patient's may be chosen
        choices = choices_predicted_for(self._dose, segmentation)
        return replace(request, segmentation_node=segmentation, choices=choices)

    def _on_measured(self, anew: bool) -> None:
        """Chart and goals are new, or they have been found to be of what is drawn."""
        if anew:
            for name in ("checks", "curves"):
                self._applied.pop(name, None)
            self._show_nodes()
        if self._parameters is not None and self._dose is not None:
            if anew:
                self._apply(self._parameters)
            self.scoring.follow(self._parameters, self._dose)  # what is scored may have come with a scene, as they had

    def _on_scored(self) -> None:
        """The scorecard's table is new, or gone."""
        self.scorecard.show(self._dose)

    def _show_nodes(self) -> None:
        """Bring lists and tables to what the scene holds."""
        ui, dose = self.ui, self._dose
        there = dose is not None
        for child in self.widget.findChildren(qt.QWidget):
            if child.objectName in ("resultsLabel", "qt_scrollarea_viewport"):
                continue
            if child.parent() is self.widget:
                child.enabled = there
        ui.resultsLabel.text = (
            _("{name}. Research use, not for clinical decisions.").format(name=dose.GetName())
            if there
            else _("No dose has been predicted on this CT yet.")
        )
        provenance = provenance_of(dose)
        ui.uncertaintyLabel.visible = False  # until `_apply` finds a standard deviation
        self.warnings.show(provenance)
        ui.uncertaintyLabel.text = ui.uncertaintyLabel.toolTip = uncertainty_note(provenance)
        self._fill_curves()
        self.goals.show(dose, None if self._parameters is None else measured_segmentation(dose, self._parameters))
        self.scorecard.show(dose)
        self.exports.show(dose, None if self._parameters is None else self._parameters.ct)

    # Over the CT

    def _overlays(self, parameters: Parameters) -> dict[str, str]:
        choices = {PREDICTED: _("Predicted dose")}
        other = compared_dose(parameters)
        if other is not None:
            clinical = other is parameters.clinical_dose
            choices[CLINICAL] = _("Clinical dose") if clinical else str(other.GetName())
            choices[DIFFERENCE] = _("Difference, predicted - {other}").format(other=compared_name(parameters))
        if parameters.ct.GetNodeReference(DOSE_STD_ROLE) is not None:
            choices[UNCERTAINTY] = _("Uncertainty")
        return choices

    def _apply(self, parameters: Parameters) -> None:
        """Do what the settings say and has not been done."""
        ui = self.ui
        self._offer_overlays(parameters)
        prescription = prescription_of(self._dose)
        other = compared_dose(parameters)
        if restore_displays(parameters.ct, self._dose, other if parameters.overlay == CLINICAL else None):
            for name in ("threshold", "overlay", "opacity", "difference"):
                self._applied.pop(name, None)
        scale_text = (parameters.isodose_levels, parameters.isodose_unit)
        self._once("levels", scale_text, lambda: self._use_levels(*scale_text, prescription))
        gray = parameters.threshold_percent / 100.0 * prescription
        self._once("threshold", gray, lambda: use_threshold(self._dose, gray))
        compared = parameters.overlay == DIFFERENCE
        for widget, visible in ((ui.thresholdSlider, not compared), (ui.differenceSlider, compared)):
            widget.visible = getattr(ui, f"{widget.objectName}Label").visible = visible
        over = (parameters.overlay_shown, parameters.overlay, None if other is None else other.GetID(), gray)
        self._once("overlay", over, lambda: self._show_overlay(parameters))
        if parameters.overlay_shown:
            opacity = parameters.opacity
            self._once("opacity", (opacity, over), lambda: self._use_opacity(opacity))
        difference = parameters.ct.GetNodeReference(DIFFERENCE_ROLE)
        if compared and difference is not None:
            from_gy = parameters.difference_from_gy
            self._once(
                "difference",
                (from_gy, difference.GetID()),
                lambda: show_differences_from(difference, prescription, from_gy),
            )
        lines = (parameters.isodoses_2d, parameters.isodoses_3d)
        self._once("isodoses", lines, lambda: self._show_isodoses(*lines))
        if parameters.window in WINDOWS:
            ct, window = parameters.ct, parameters.window
            self._once("window", (window, ct.GetID()), lambda: use_window(ct, window))
        self._once("checks", parameters.hidden_curves, self._check_curves)
        curves = (parameters.hidden_curves, parameters.bands)
        self._once("curves", curves, self._hide_curves)

    def _once(self, name: str, value: Any, action: Callable[[], None]) -> None:
        if self._applied.get(name) != value:
            self._applied[name] = value
            action()

    def _offer_overlays(self, parameters: Parameters) -> None:
        choices, box = self._overlays(parameters), self.ui.overlaySelector
        if {box.itemData(index): box.itemText(index) for index in range(box.count)} != choices:
            box.blockSignals(True)
            box.clear()
            fill_choices(box, choices)
            box.setCurrentIndex(max(box.findData(parameters.overlay), 0))
            box.blockSignals(False)
        self.ui.bandsCheckBox.enabled = self.ui.uncertaintyLabel.visible = UNCERTAINTY in choices

    def _show_overlay(self, parameters: Parameters) -> None:
        ct, other, kind = parameters.ct, compared_dose(parameters), parameters.overlay
        if not parameters.overlay_shown:
            self._put_over(None, "")
        elif kind == CLINICAL and other is not None:
            use_colours_of(self._dose, other)
            title = _("Clinical dose [Gy]") if other is parameters.clinical_dose else _("Compared dose [Gy]")
            self._put_over(other, title)
        elif kind == DIFFERENCE and other is not None:
            work = difference_in_pieces(ct, self._dose, other, prescription_of(self._dose))
            self._jobs.add(work, self._show_difference)
        elif kind == UNCERTAINTY and ct.GetNodeReference(DOSE_STD_ROLE) is not None:
            self._put_over(ct.GetNodeReference(DOSE_STD_ROLE), uncertainty_legend(provenance_of(self._dose)))
        else:
            self._put_over(self._dose, _("Dose [Gy]"))

    def _show_difference(self, node: Any) -> None:
        if self._parameters is None or self._dose is None or self._parameters.overlay != DIFFERENCE:
            return
        if node is self._parameters.ct.GetNodeReference(DIFFERENCE_ROLE):  # and not of the CT chosen before
            self._applied.pop("difference", None)
            self._apply(self._parameters)
            clinical = compared_dose(self._parameters) is self._parameters.clinical_dose
            self._put_over(node, _("Predicted - clinical [Gy]") if clinical else _("Predicted - compared [Gy]"))

    def _put_over(self, node: Any, title: str) -> None:
        if self._parameters is None or self._dose is None:
            return  # the scene went away meanwhile
        ct = self._parameters.ct
        others = [self._dose, self._parameters.clinical_dose, *other_doses(self._parameters)]
        others += [ct.GetNodeReference(role) for role in (DOSE_STD_ROLE, DIFFERENCE_ROLE)]
        show_overlay(node, self._parameters.opacity)
        show_only_legend(node, others, title)

    def _use_opacity(self, opacity: float) -> None:
        for node in slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode"):
            node.SetForegroundOpacity(opacity)

    # Isodoses

    def _use_levels(self, text: str, unit: str, prescription: float) -> None:
        self.ui.levelsEdit.placeholderText = usual_levels(unit, prescription)
        try:
            scale = isodose_scale(text, unit, prescription)
        except InputError as error:
            self._tell(str(error))
            return
        wanted = " ".join(f"{level:g}" for level in scale.levels_gy)
        usual = " ".join(f"{level:g}" for level in IsodoseScale.for_prescription(prescription).levels_gy)
        if wanted != (self._dose.GetAttribute(LEVELS_ATTRIBUTE) or usual):
            dose = self._dose
            gone = _("The dose was removed before its isodose lines were drawn.")
            self._jobs.add(while_in_scene((dose,), self._new_levels(dose, scale, wanted), gone))

    def _new_levels(self, dose: Any, scale: IsodoseScale, wanted: str) -> Pieces[None]:
        yield from isodose_lines_in_pieces(dose, scale)
        show_dose_colours(dose, scale)
        dose.SetAttribute(LEVELS_ATTRIBUTE, wanted)
        if self._parameters is None:
            return
        use_threshold(dose, self._parameters.threshold_percent / 100.0 * prescription_of(dose))
        if dose is self._dose and self._parameters.overlay == CLINICAL:  # which has this one's colours
            self._applied.pop("overlay", None)
            self._apply(self._parameters)

    def _on_unit(self, *_arguments: Any) -> None:
        """Levels that were typed keep their doses when the unit changes."""
        if self._parameters is not None and self._dose is not None and self._parameters.isodose_levels:
            levels, unit = self._parameters.isodose_levels, self._parameters.isodose_unit
            self._parameters.isodose_levels = other_unit(levels, unit, prescription_of(self._dose))

    def _on_surfaces(self, ticked: bool) -> None:
        """The user wants to see surfaces, or not: the layout that a prediction is shown in has no 3D view."""
        if ticked and self._parameters is not None and self._dose is not None and lay_out_3d_view():
            self._apply(self._parameters)
            slicer.util.resetThreeDViews()  # so that they are in sight
            self._tell(_("The layout is now Conventional Plot, which has a 3D view; the goals are below."))

    def _show_isodoses(self, lines: bool, surfaces: bool) -> None:
        model = self._dose.GetNodeReference(ISODOSE_ROLE)
        if model is not None and model.GetDisplayNode() is not None:
            display = model.GetDisplayNode()
            display.SetVisibility2D(lines)
            display.SetVisibility3D(surfaces)
            display.SetOpacity(0.3 if surfaces else 1.0)
            display.SetVisibility(lines or surfaces)

    # Curves

    def _structure_names(self) -> dict[str, Any]:
        """Colour by structure name, of the structures with a curve."""
        chart = None if self._dose is None else self._dose.GetNodeReference(CHART_ROLE)
        series = [] if chart is None else series_nodes(chart)
        suffixes = (REFERENCE_SUFFIX, *BAND_SUFFIXES)
        return {node.GetName(): node.GetColor() for node in series if not node.GetName().endswith(suffixes)}

    def _fill_curves(self) -> None:
        self._filling = True
        self.ui.dvhList.clear()
        for name, colour in self._structure_names().items():
            item = qt.QListWidgetItem(name)
            square = qt.QPixmap(12, 12)
            square.fill(qt.QColor.fromRgbF(*colour))
            item.setIcon(qt.QIcon(square))
            item.setFlags(qt.Qt.ItemIsEnabled | qt.Qt.ItemIsSelectable | qt.Qt.ItemIsUserCheckable)
            self.ui.dvhList.addItem(item)
        self._check_curves()

    def _check_curves(self) -> None:
        hidden = self._hidden()
        self._filling = True
        for index in range(self.ui.dvhList.count):
            item = self.ui.dvhList.item(index)
            item.setCheckState(qt.Qt.Unchecked if item.text() in hidden else qt.Qt.Checked)
        self._filling = False

    def _hidden(self) -> set[str]:
        text = "" if self._parameters is None else self._parameters.hidden_curves
        return {name for name in text.split("\n") if name}

    def _on_curve(self, *_arguments: Any) -> None:
        if self._filling or self._parameters is None:
            return
        items = [self.ui.dvhList.item(index) for index in range(self.ui.dvhList.count)]
        hidden = [item.text() for item in items if item.checkState() == qt.Qt.Unchecked]
        self._parameters.hidden_curves = "\n".join(hidden)

    def _hide_curves(self) -> None:
        chart = self._dose.GetNodeReference(CHART_ROLE)
        if chart is None or self._parameters is None:
            return
        hidden = self._hidden()
        names = {name + suffix for name in hidden for suffix in ("", REFERENCE_SUFFIX, *BAND_SUFFIXES)}
        if not self._parameters.bands:
            names |= {name + suffix for name in self._structure_names() for suffix in BAND_SUFFIXES}
        show_curves(chart, names)
