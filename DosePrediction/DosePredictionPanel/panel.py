"""The panel: its sections, the parameter node they share, and the timer that keeps predictions going."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from typing import Any

import qt
import slicer
import vtk
from DosePredictionScene.pieces import in_background
from DosePredictionScene.prediction_request import Request
from DosePredictionScene.prediction_run import BUDGET_S
from slicer.i18n import tr as _
from slicer.util import VTKObservationMixin

from DosePredictionLib.errors import InputError
from DosePredictionLib.worker.events import Advanced, Event, Failed, Finished, Ready, Stopped, Told
from DosePredictionPanel.comparison import compared_dose, compared_label
from DosePredictionPanel.devices import device_choices
from DosePredictionPanel.goal_choices import FROM_FILE
from DosePredictionPanel.inputs_section import InputsSection
from DosePredictionPanel.install_section import InstallSection
from DosePredictionPanel.jobs import Jobs
from DosePredictionPanel.missing_inputs import missing_inputs
from DosePredictionPanel.model_section import ModelSection
from DosePredictionPanel.parameters import Parameters
from DosePredictionPanel.plan_fields import plan_of, take_plan
from DosePredictionPanel.prescription_section import PrescriptionSection
from DosePredictionPanel.results_section import ResultsSection
from DosePredictionPanel.run_section import RunSection
from DosePredictionPanel.sample_patient import sample_in_pieces, show_sample_ct
from DosePredictionPanel.shortcuts import add_shortcuts
from DosePredictionPanel.structures_section import StructuresSection

TICK_MS = 20
#: Structures that are dragged with a transform are looked at when they have lain still for so long.
STILL_MS = 250
SEGMENT_EVENTS = (
    "SegmentAdded", "SegmentRemoved", "SegmentModified", "SegmentsOrderModified", "SourceRepresentationModified",
)  # fmt: skip


class Panel(VTKObservationMixin):
    """Builds the sections into a layout and keeps them, the scene and the prediction together.

    Args:
        layout: of the module's widget.
        logic: DosePredictionLogic.
        find_devices: gives texts for people by device name; called in a thread.
    """

    def __init__(self, layout: Any, logic: Any, find_devices: Callable[[], dict[str, str]] = device_choices) -> None:
        VTKObservationMixin.__init__(self)
        self.logic = logic
        self.parameters: Parameters | None = None
        self._segmentation: Any = None
        self._segment_tags: list[int] = []
        self._find_devices = find_devices
        self._timer = _timer(TICK_MS, self._on_tick)
        self.jobs = Jobs(self._on_job_failed, self._timer.start)
        self.inputs = InputsSection(self.load_sample)
        self.structures = StructuresSection(self.refresh_soon, self._tell)
        self.prescription = PrescriptionSection(self._tell, self._on_goals_saved)
        self.model = ModelSection()
        self.install = InstallSection(self.refresh)  # at once, before the next press of a button
        self.run = RunSection(self._on_predict, lambda: logic.log)
        self.results = ResultsSection(self.jobs, self._tell, self._request, self._goals, lambda: self.logic.busy)
        self._lay_out(layout)
        add_shortcuts(self._scroll_area, self.run.ui.predictButton, self._predict_by_key, self._cancel_by_key)
        self._refresh_timer = _timer(0, self.refresh)
        self._refresh_timer.setSingleShot(True)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.StartCloseEvent, self._on_scene_start_close)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.EndCloseEvent, self._on_scene_end)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.EndImportEvent, self._on_scene_end)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.EndBatchProcessEvent, self._on_batch_end)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.NodeRemovedEvent, self.refresh_soon)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.NodeAddedEvent, self._on_node_added)
        self._entered = False

    def _lay_out(self, layout: Any) -> None:
        """What it is for stands above the part that scrolls, so that it is always in sight.

        The dock may be narrower than the sections: it asks the scroll area for its width, not these.
        """
        self.notice = qt.QLabel("<b>" + _("Research use, not for clinical decisions.") + "</b>")
        self.notice.setObjectName("researchUseLabel")
        self.notice.wordWrap = True
        self.notice.setStyleSheet("background: #fff3cd; color: #4d3800; padding: 4px;")
        layout.addWidget(self.notice)
        contents = qt.QWidget()
        inner = qt.QVBoxLayout(contents)
        inner.setContentsMargins(4, 4, 4, 4)
        if not hasattr(slicer.modules, "dicomrtimportexport"):
            missing = qt.QLabel(_("SlicerRT is not installed: DICOM-RT files can't be loaded."))
            missing.wordWrap = True
            inner.addWidget(missing)
        for section in (
            self.inputs, self.structures, self.prescription, self.model, self.install, self.run, self.results
        ):  # fmt: skip
            inner.addWidget(section.widget)
        inner.addStretch(1)
        self._scroll_area = qt.QScrollArea()
        self._scroll_area.setObjectName("sectionsScrollArea")
        self._scroll_area.widgetResizable = True
        self._scroll_area.setFrameShape(qt.QFrame.NoFrame)
        self._scroll_area.setHorizontalScrollBarPolicy(qt.Qt.ScrollBarAsNeeded)
        self._scroll_area.setVerticalScrollBarPolicy(qt.Qt.ScrollBarAlwaysOn)
        self._scroll_area.setWidget(contents)
        layout.addWidget(self._scroll_area, 1)

    def _predict_by_key(self) -> None:
        if self.logic.busy:
            return
        self._scroll_area.setFocus()  # ends what is being typed, so that it counts
        self.refresh()
        if self.run.ui.predictButton.enabled:
            self._on_predict()

    def _cancel_by_key(self) -> None:
        if self.logic.busy:
            self._on_predict()

    def enter(self) -> None:
        """The user comes to the module."""
        self._entered = True
        self.install.show()
        if not _scene_is_changing():  # then at its end
            self._use_parameter_node()
        self.jobs.add(in_background(self._find_devices), self._on_devices)  # free memory changes

    def exit(self) -> None:
        """The user goes to another module; a prediction under way goes on."""
        self._entered = False
        self._observe(None)

    def cleanup(self) -> None:
        """The module is unloaded: end everything."""
        for timer in (self._timer, self._refresh_timer):
            timer.stop()
        self._observe(None)
        self.removeObservers()
        self.jobs.clear()
        self.inputs.set_scene(None)
        self.logic.close(wait=False)

    # The parameter node

    def _use_parameter_node(self) -> None:
        self._observe(self.logic.getParameterNode())
        self.inputs.set_scene(slicer.mrmlScene)
        self.inputs.show(self.parameters)
        self.inputs.choose_only_ones()
        self.refresh()

    def _observe(self, node: Any) -> None:
        if self.parameters is not None:
            self.removeObserver(self.parameters.node, "ModifiedEvent", self.refresh_soon)
        self.parameters = None if node is None else Parameters(node)
        if node is not None:
            self.addObserver(node, "ModifiedEvent", self.refresh_soon)
        self._observe_segments()

    def _observe_segments(self) -> None:
        node = None if self.parameters is None else self.parameters.segmentation
        if node is self._segmentation:
            return
        # Not by the mixin, which holds on to every node that it ever observed: segmentations are large.
        if self._segmentation is not None:
            for tag in self._segment_tags:
                self._segmentation.RemoveObserver(tag)
        self._segmentation = node
        events = [getattr(slicer.vtkSegmentation, name) for name in SEGMENT_EVENTS]
        moved = slicer.vtkMRMLTransformableNode.TransformModifiedEvent
        self._segment_tags = [] if node is None else [
            *(node.AddObserver(event, self.refresh_soon) for event in events),
            node.AddObserver(moved, self._refresh_when_still),
        ]  # fmt: skip

    def refresh_soon(self, *_arguments: Any) -> None:
        """Show everything anew when the events of now are over: many come at once."""
        self._refresh_after(0)

    def _refresh_when_still(self, *_arguments: Any) -> None:
        """Show everything anew when structures are not moved any more, unless that is done sooner."""
        if not self._refresh_timer.active or self._refresh_timer.interval:
            self._refresh_after(STILL_MS)

    def _refresh_after(self, interval_ms: int) -> None:
        self._refresh_timer.setInterval(interval_ms)
        self._refresh_timer.start()

    def refresh(self, *_arguments: Any) -> None:
        """Show everything as it is, unless the scene is between two states; when it has come to one, it is shown."""
        parameters = self.parameters
        if parameters is None or _scene_is_changing():
            return
        self._observe_segments()
        self.inputs.show(parameters)
        self.model.show(parameters)
        self.install.use_system(parameters.system)
        self.structures.show(parameters.segmentation, self.model.organs)
        self.prescription.show(parameters, self.structures.rows)
        self.results.show(parameters, self.structures.rows)
        busy = self.logic.busy
        missing = missing_inputs(parameters, self.structures.rows, self.model.problem)
        if self.install.installing:
            missing = _("Python packages are being installed; wait until they are.")
        self.run.show(busy, missing)
        if not busy and (missing or self.run.shows_missing):
            self.run.tell_missing(missing)

    # The scene

    def _on_scene_start_close(self, *_arguments: Any) -> None:
        """A prediction for a scene that goes away goes with it."""
        if self.logic.busy:
            self.logic.cancel()
        self.jobs.clear()
        self.inputs.ui.sampleDataButton.enabled = True  # loading it has ended, too
        self._observe(None)
        self.results.forget()
        self.logic.forget()

    def _on_scene_end(self, *_arguments: Any) -> None:
        if _scene_is_changing():
            self._observe(None)  # until the end of the batch that this was a part of
        elif self._entered:
            self._use_parameter_node()
            self.refresh_soon()  # after the selectors, which fill their rows anew

    def _on_batch_end(self, *_arguments: Any) -> None:
        if self.parameters is None:
            self._on_scene_end()
        else:
            self.refresh_soon()

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def _on_node_added(self, _scene: Any, _event: Any, node: Any) -> None:
        if node is not None and node.IsA("vtkMRMLScalarVolumeNode"):  # a dose to compare with, perhaps
            self.refresh_soon()

    def _on_goals_saved(self) -> None:
        """Goals were edited: hold the dose against them."""
        if self.parameters is not None:
            self.results.measurement.again(self.parameters)

    def load_sample(self) -> None:
        """Load the sample patient and choose it."""
        self.inputs.ui.sampleDataButton.enabled = False
        self._tell(_("Loading the sample patient..."))
        self.jobs.add(sample_in_pieces(), self._on_sample)

    def _on_sample(self, loaded: Any) -> None:
        patient, nodes = loaded
        self.inputs.ui.sampleDataButton.enabled = True
        parameters = self._chosen()  # also where the user has gone to another module meanwhile
        parameters.ct, parameters.segmentation = nodes.ct, nodes.segmentation
        parameters.clinical_dose = nodes.reference_dose
        take_plan(patient, parameters)
        show_sample_ct(nodes.ct)
        self._tell(_("The sample patient is loaded."))

    # Predicting

    def _on_predict(self) -> None:
        """Begin a prediction, or cancel the one under way."""
        if self.logic.busy:
            self.logic.cancel()
            self._tell(_("Cancelling..."))
            return
        if self.parameters is None or not self._has_packages():
            return
        self.refresh()  # while packages were installed, the user may have chosen otherwise or left the module
        parameters = self.parameters
        if parameters is None:
            self._tell(_("Nothing was predicted, as you left the module while packages were installed."))
            return
        if self.logic.busy or not self.run.ui.predictButton.enabled:
            return
        try:
            self.logic.use_model(self.model.choice(parameters))
            self.logic.use_goals(self._goals())
            self.logic.start(self._request())
        except InputError as error:
            self._tell(str(error))
            return
        self.run.wait(_("Reading the patient..."))
        self._timer.start()
        self.refresh()

    def _request(self) -> Request:
        """What is chosen.

        Raises:
            InputError: the beam angles are not angles.
        """
        parameters = self._chosen()
        return Request(
            parameters.ct,
            parameters.segmentation,
            compared_dose(parameters),
            plan=plan_of(parameters),
            samples=parameters.samples or None,
            steps=parameters.steps or None,
            seed=parameters.seed,
            reference_label=compared_label(parameters),
        )

    def _goals(self) -> str:
        """The chosen goals: a bundled set's name, or a file."""
        parameters = self._chosen()
        return str(parameters.goals_path if parameters.goals == FROM_FILE else parameters.goals)

    def _chosen(self) -> Parameters:
        """The choices, also of a user who is in another module: what was begun here goes on."""
        return self.parameters or Parameters(self.logic.getParameterNode())

    def _has_packages(self) -> bool:
        if self.install.offer():
            return True
        self._tell(_("Nothing was predicted: Python packages are missing."))
        return False

    def _on_tick(self) -> None:
        """Take in what the prediction process has said, and go on with what there is to do."""
        if _scene_is_changing():
            return  # the next tick asks again
        was_busy = self.logic.busy
        try:
            for event in self.logic.poll(BUDGET_S):
                self._on_event(event)
        except Exception:
            self._tell(_("The dose could not be shown; the log says why."))
            self.run.log(traceback.format_exc())
            raise
        finally:
            self.jobs.advance(BUDGET_S)
            if not self.logic.busy and not self.jobs:
                self._timer.stop()
            if was_busy and not self.logic.busy:
                self.refresh_soon()

    def _on_event(self, event: Event) -> None:
        if isinstance(event, Ready):
            self._tell(_("The model is ready on {device}.").format(device=event.device))
        elif isinstance(event, Advanced):
            self.run.advance(event.progress)
        elif isinstance(event, Told | Failed):
            self._tell(event.text)
        elif isinstance(event, Stopped):
            self._tell(_("Cancelled."))
        elif isinstance(event, Finished):
            provenance = event.provenance
            self._tell(
                _("Dose predicted in {seconds:.1f} s on {device} (samples: {samples}, steps: {steps}).").format(
                    seconds=provenance.seconds.get("total", 0.0),
                    device=provenance.device_name or provenance.device,
                    samples=provenance.samples,
                    steps=provenance.steps,
                )
            )
            for warning in provenance.warnings:
                self.run.log(warning)
            shown = self.logic.shown
            if shown is not None:
                if self.parameters is None:  # the user is elsewhere, and finds it on coming back
                    self.results.take(shown)
                elif self.parameters.ct is shown.ct:
                    self.results.take(shown)
                    self.results.show(self.parameters, self.structures.rows)
                else:  # the views have jumped to a CT that is not chosen any more
                    self.results.take_of_another(shown)
                    self.refresh_soon()

    # Small things

    def _on_devices(self, choices: dict[str, str]) -> None:
        if self.parameters is not None:
            self.model.offer_devices(choices, self.parameters)

    def _on_job_failed(self, error: Exception) -> None:
        self.inputs.ui.sampleDataButton.enabled = True
        self._tell(str(error))
        if not isinstance(error, InputError | OSError):
            self.run.log("".join(traceback.format_exception(error)))

    def _tell(self, text: str) -> None:
        self.run.tell(text)


def _scene_is_changing() -> bool:
    """Whether the scene is being closed, imported, restored or changed in bulk: all of these are batch processing.

    Slicer lets the application run at every node that comes. Until the last has come, their references lead nowhere and
    their files have not been read; a display node that is missing by then is on its way.
    """
    return bool(slicer.mrmlScene.IsBatchProcessing())


def _timer(interval_ms: int, timeout: Callable[[], None]) -> Any:
    timer = qt.QTimer()
    timer.setInterval(interval_ms)
    timer.connect("timeout()", timeout)
    return timer
