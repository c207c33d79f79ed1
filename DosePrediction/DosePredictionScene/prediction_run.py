"""One prediction after another on nodes of the scene, without blocking; for scripts, the same and wait for it."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import slicer

from DosePredictionLib.dosimetry.goals import GoalSet, goals_of
from DosePredictionLib.errors import InputError
from DosePredictionLib.inference.progress import Progress
from DosePredictionLib.patient.checks import check_patient
from DosePredictionLib.patient.patient import Patient
from DosePredictionLib.worker.events import FINAL_EVENTS, Advanced, Event, Failed, Finished, Stopped, Told
from DosePredictionLib.worker.predictor import (
    Prediction,
    PredictionFailed,
    PredictionStopped,
    Predictor,
    prediction_of,
)
from DosePredictionScene.contours_state import NOT_READ, Contours, contours_in_pieces, unless_touched_since
from DosePredictionScene.known_outlines import with_known_outlines
from DosePredictionScene.measured import Measured, measured_in_pieces
from DosePredictionScene.measured_contours import remember_measured_contours
from DosePredictionScene.measured_with import MeasuredWith, remember_measured_with
from DosePredictionScene.node_geometry import volume_geometry
from DosePredictionScene.pieces import NAP_S, WAITING, Pieces, in_background
from DosePredictionScene.predicted_plan import PredictedPlan, remember_predicted_plan
from DosePredictionScene.prediction_request import ModelChoice, Request
from DosePredictionScene.scene_result import SceneResult, measured_shown_in_pieces
from DosePredictionScene.segment_choices import choices_digest

#: How long the panel lets `PredictionRun.poll` work at a time.
BUDGET_S = 0.01
#: How long `PredictionRun.predict` waits between two looks.
LOOK_S = 0.01


@dataclass(frozen=True)
class Shown(Measured):
    """What a finished run left.

    Attributes:
        nodes: what shows it.
        ct: its CT's node.
        contours: what was drawn of its structures when their patient was read.
    """

    nodes: SceneResult = field(kw_only=True)
    ct: Any = field(kw_only=True)
    contours: Contours = field(kw_only=True)


class PredictionRun:
    """Predicts on nodes and shows the result in the scene.

    The prediction process starts with the first prediction and stays warm until `close`.

    Args:
        make_predictor: gives the predictor, whatever the model; tests replace it.
        goals: a bundled set's name, or a JSON file.
    """

    def __init__(
        self, make_predictor: Callable[[], Predictor] | None = None, goals: str | Path = "head-and-neck"
    ) -> None:
        self._make_predictor = make_predictor
        self._goals_name = goals
        self._model = ModelChoice()
        self._predictor: Predictor | None = None
        self._request: Request | None = None
        #: The patient that is predicted; None while it is read.
        self._patient: Patient | None = None
        #: What the events of its prediction carry; None while it has not been asked, and once the dose has come.
        self._number: int | None = None
        self._plan: PredictedPlan | None = None
        self._structures, self._contours = "", NOT_READ
        #: What `poll` goes on with: reading the patient, or showing the dose. Its result is the event to tell, if any.
        self._work: Pieces[Event | None] | None = None
        self._cancelled = False
        #: Whether the scene is being changed: cancelled then, the new dose would be left beside figures of the old one.
        self._showing = False
        #: Of the last run; None until it has finished.
        self.shown: Shown | None = None

    @property
    def busy(self) -> bool:
        """Whether a prediction is under way."""
        return self._request is not None

    def use_model(self, model: ModelChoice) -> None:
        """Predict with another model from now on; a process that is warm with the old one is ended."""
        if model != self._model:
            self._model = model
            self._end_process()

    def use_goals(self, goals: str | Path) -> None:
        """Hold doses against other goals from now on: a bundled set's name, or a JSON file."""
        self._goals_name = goals

    def start(self, request: Request) -> None:
        """Begin a prediction at once; call `poll` from then on, which also tells what is wrong with the patient.

        Raises:
            InputError: the goals can't be read.
            RuntimeError: a prediction is already under way.
        """
        if self.busy:
            raise RuntimeError("a prediction is already under way")
        self.goals()  # said now rather than when the dose has come
        self.shown, self._cancelled, self._showing = None, False, False
        self._request, self._patient, self._number = request, None, None
        self._work = self._read_and_submit(request)

    def poll(self, budget_s: float | None = None) -> list[Event]:
        """What happened since the last call, having gone on with what there is to do on this thread.

        When a dose has come, it is in the scene by then, and in `shown`.

        Args:
            budget_s: for how long to work, or to let threads work, unless one piece takes longer; None works until all
                is done and does not wait for the prediction process.
        """
        until = None if budget_s is None else time.perf_counter() + budget_s
        events = self._go_on(budget_s)
        for event in self._heard(until):
            if isinstance(event, Finished):
                self._work, self._number = self._finish(event), None
                events += self._go_on(budget_s)
            else:
                events.append(event)
        if any(isinstance(event, FINAL_EVENTS) for event in events):
            self._request = self._patient = self._number = None
        return events

    def predict(
        self,
        request: Request,
        *,
        on_progress: Callable[[Progress], None] = lambda progress: None,
        on_message: Callable[[str], None] = lambda text: None,
    ) -> Shown:
        """Predict, wait for it and show it: for scripts. An interrupt (Ctrl-C) cancels, and so does what a call raises.

        Raises:
            InputError: the nodes hold no patient that can be predicted, or the weights can't be used.
            PredictionFailed: the prediction process failed.
            PredictionStopped: someone cancelled, or ended the process.
        """
        self.start(request)
        try:
            while True:
                for event in self.poll():
                    if isinstance(event, Advanced):
                        on_progress(event.progress)
                    elif isinstance(event, Told):
                        on_message(event.text)
                    elif isinstance(event, Failed):
                        raise InputError(event.text) if event.by_input else PredictionFailed(event.text)
                    elif isinstance(event, Stopped):
                        raise PredictionStopped("the prediction was cancelled")
                if self.shown is not None:
                    return self.shown
                if not self.busy:
                    raise PredictionStopped("the prediction was stopped")
                time.sleep(LOOK_S)
        except BaseException:
            self._end_cancelled()
            raise

    def cancel(self) -> None:
        """Stop the prediction under way; `poll` then gives `Stopped`, also where the dose has come meanwhile.

        A dose that is being shown is shown to the end: half of it would be left.
        """
        self._cancelled = True
        if self._predictor is not None:
            self._predictor.cancel()

    def _end_cancelled(self) -> None:
        """Cancel, and wait until the next prediction can begin, unless a second interrupt ends the waiting."""
        if not self.busy:
            return
        try:
            self.cancel()
            while self.busy:
                self.poll()
                time.sleep(LOOK_S)
        finally:
            self._request = self._patient = self._number = self._work = None

    def forget(self) -> None:
        """Let go of what the last run left: its scene is gone."""
        self.shown = None

    def close(self, *, wait: bool = True) -> None:
        """End the prediction process.

        Args:
            wait: until it has ended, up to two seconds; False lets a thread wait for it.
        """
        self._request = self._patient = self._number = self._work = None
        thread = self._end_process()
        if thread is not None and wait:
            thread.join()

    @property
    def log(self) -> str:
        """What the prediction process wrote for people."""
        return "" if self._predictor is None else self._predictor.log

    def goals(self) -> GoalSet:
        """The goals that doses are held against.

        Raises:
            InputError: there is no such set, or the file is not valid.
        """
        return goals_of(self._goals_name)

    def _warm_predictor(self) -> Predictor:
        if self._predictor is None:
            model = self._model
            self._predictor = (
                Predictor(model.system, model.weights, model.device, calibrate=model.calibrate)
                if self._make_predictor is None
                else self._make_predictor()
            )
        return self._predictor

    def _end_process(self) -> threading.Thread | None:
        """Let a thread end the process: it must be waited for, which a panel can't do."""
        predictor, self._predictor = self._predictor, None
        if predictor is None:
            return None
        thread = threading.Thread(target=predictor.close)  # no daemon: Python ends after it, so no process is left
        thread.start()
        return thread

    def _heard(self, until: float | None) -> list[Event]:
        """What the prediction process has said; until a point in time its listener gets the interpreter to hear it."""
        if self._work is not None:
            return []
        if self._predictor is None:  # ended under way, for another model
            return [] if self._number is None else [Stopped()]
        events = self._predictor.poll()
        while until is not None and self.busy and not events and time.perf_counter() < until:
            time.sleep(NAP_S)
            events = self._predictor.poll()
        return [event for event in events if event.concerns(self._number)]

    def _go_on(self, budget_s: float | None) -> list[Event]:
        """Go on with reading or showing; the event that it ends with, if it ends with one."""
        if self._work is None:
            return []
        if self._cancelled and not self._showing:
            self._work, self._cancelled = None, False
            return [Stopped()]
        until = math.inf if budget_s is None else time.perf_counter() + budget_s
        try:
            while time.perf_counter() < until:
                if next(self._work) is WAITING:
                    time.sleep(NAP_S)
        except StopIteration as end:
            self._work = None
            return [] if end.value is None else [end.value]
        except InputError as error:
            self._work = None
            return [Stopped() if self._cancelled else Failed(str(error), by_input=True)]
        except BaseException:
            self._work = self._request = self._patient = self._number = None
            if self._predictor is not None:
                self._predictor.cancel()
            raise
        return []

    def _read_and_submit(self, request: Request) -> Pieces[Event | None]:
        # Before the first piece: what a user changes while the patient is read is not what was asked for.
        plan, structures = None, ""
        if request.segmentation_node is not None:
            plan = PredictedPlan.of_request(request)
            structures = choices_digest(request.segmentation_node.GetSegmentation(), request.choices)
        contours = yield from contours_in_pieces(request.segmentation_node, NOT_READ)
        read = yield from request.patient_in_pieces()
        contours = unless_touched_since(contours, request.segmentation_node)
        if request.source is not None:
            read = yield from in_background(with_known_outlines, read, request.source)
        patient = yield from in_background(check_patient, read)
        self._plan, self._structures, self._contours = plan, structures, contours
        predictor = self._warm_predictor()
        while predictor.busy:  # with a prediction that was cancelled
            yield WAITING
            predictor = self._warm_predictor()  # the model may have been changed meanwhile
        self._patient = patient
        self._number = predictor.submit(patient, samples=request.samples, steps=request.steps, seed=request.seed)
        return None

    def _finish(self, event: Finished) -> Pieces[Event | None]:
        """Show a dose that has come; a dose for a scene that is gone is a failure that says so."""
        patient, request = self._patient, self._request
        # Not by its ID: in another scene, another patient's CT may have it.
        if patient is None or request is None or not slicer.mrmlScene.IsNodePresent(request.ct_node):
            return Failed("The CT was removed while its dose was predicted, so the dose is not shown.", by_input=True)
        if not _lies_still(request.ct_node, patient):
            return Failed(
                "The CT was moved or resampled while its dose was predicted, so the dose is not shown; predict again.",
                by_input=True,
            )
        try:
            prediction = prediction_of(patient, event)
        except PredictionFailed as error:
            return Failed(str(error), by_input=False)
        self.shown = yield from self._show(request, prediction)
        return event

    def _show(self, request: Request, prediction: Prediction) -> Pieces[Shown]:
        label, fractions = request.reference_label, prediction.patient.fractions
        # Before the goals are read: when their file is changed meanwhile, these are seen to be those of before.
        measured_for = MeasuredWith.of(self._goals_name, request.reference_dose_node, fractions, self._structures)
        measured = yield from measured_in_pieces(prediction, self.goals(), reference_label=label)
        self._showing = True
        nodes = yield from measured_shown_in_pieces(request.ct_node, measured)
        remember_measured_with(nodes.dose, measured_for)
        remember_measured_contours(nodes.dose, self._contours)
        if self._plan is not None:
            remember_predicted_plan(nodes.dose, self._plan, request.segmentation_node)
        return Shown(
            prediction, measured.goals, measured.reference_dvhs, measured.reference_goals, label, nodes=nodes,
            ct=request.ct_node, contours=self._contours,
        )  # fmt: skip


def _lies_still(ct_node: Any, patient: Patient) -> bool:
    """Whether a CT still lies where it was when its patient was read."""
    try:
        return volume_geometry(ct_node).is_close(patient.geometry)
    except InputError:  # deformed meanwhile, or without voxels
        return False
