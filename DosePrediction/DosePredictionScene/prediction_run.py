"""One prediction after another on nodes of the scene, without blocking or waiting for it."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import slicer

from DosePredictionLib.dosimetry.goals import GoalResult, GoalSet, bundled_goals, evaluate_goals, read_goals
from DosePredictionLib.errors import InputError
from DosePredictionLib.inference.progress import Progress
from DosePredictionLib.patient.checks import check_patient
from DosePredictionLib.patient.patient import Patient
from DosePredictionLib.worker.events import FINAL_EVENTS, Event, Failed, Finished, Stopped
from DosePredictionLib.worker.predictor import Prediction, Predictor, patient_dvhs
from DosePredictionScene.patient_from_nodes import PlanContext, patient_in_pieces
from DosePredictionScene.pieces import NAP_S, WAITING, Pieces, in_background, in_one_go
from DosePredictionScene.scene_result import SceneResult, prediction_shown_in_pieces
from DosePredictionScene.segment_choices import SegmentChoice

#: How long the panel lets `PredictionRun.poll` work at a time.
BUDGET_S = 0.01


@dataclass(frozen=True)
class ModelChoice:
    """What predicts, and where; see `Predictor`."""

    system: str = "default"
    weights: Path | None = None
    device: str = "auto"


@dataclass(frozen=True)
class Shown:
    """What a finished run left.

    Attributes:
        prediction: dose and patient.
        nodes: what shows them.
        goals: the predicted dose held against the goals.
        reference_goals: likewise the reference dose; None without one.
    """

    prediction: Prediction
    nodes: SceneResult
    goals: tuple[GoalResult, ...] = ()
    reference_goals: tuple[GoalResult, ...] | None = None


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
        self._patient: Patient | None = None
        self._ct_node: Any = None
        #: What `poll` goes on with: reading the patient, or showing the dose. Its result is the event to tell, if any.
        self._work: Pieces[Event | None] | None = None
        self._cancelled = False
        #: Of the last run; None until it has finished.
        self.shown: Shown | None = None

    @property
    def busy(self) -> bool:
        """Whether a prediction is under way."""
        return self._patient is not None or self._work is not None

    def use_model(self, model: ModelChoice) -> None:
        """Predict with another model from now on; a process that is warm with the old one is ended."""
        if model != self._model:
            self._model = model
            predictor, self._predictor = self._predictor, None
            if predictor is not None:
                # Ending waits for the process, which the panel must not.
                threading.Thread(target=predictor.close, daemon=True).start()

    def use_goals(self, goals: str | Path) -> None:
        """Hold doses against other goals from now on: a bundled set's name, or a JSON file."""
        self._goals_name = goals

    def begin(
        self,
        ct_node: Any,
        segmentation_node: Any,
        *,
        choices: Mapping[str, SegmentChoice] | None = None,
        reference_dose_node: Any = None,
        plan: PlanContext | None = None,
        samples: int | None = None,
        steps: int | None = None,
        seed: int = 0,
    ) -> Patient:
        """Read the patient off the nodes, begin its prediction and return; call `poll` from then on.

        Reading takes its time; the panel calls `start` instead.

        Raises:
            InputError: the nodes hold no patient that can be predicted.
            RuntimeError: a prediction is already under way.
        """
        if self.busy:
            raise RuntimeError("a prediction is already under way")
        self.shown = None
        return in_one_go(
            self._read_and_submit(
                self._read(
                    ct_node, segmentation_node, choices=choices, reference_dose_node=reference_dose_node, plan=plan
                ),
                ct_node,
                {"samples": samples, "steps": steps, "seed": seed},
            )
        )

    def start(
        self,
        ct_node: Any,
        segmentation_node: Any,
        *,
        choices: Mapping[str, SegmentChoice] | None = None,
        reference_dose_node: Any = None,
        plan: PlanContext | None = None,
        samples: int | None = None,
        steps: int | None = None,
        seed: int = 0,
    ) -> None:
        """As `begin`, at once: the patient is read by `poll`, and what is wrong with it comes as `Failed`.

        Raises:
            InputError: the goals can't be read.
            RuntimeError: a prediction is already under way.
        """
        if self.busy:
            raise RuntimeError("a prediction is already under way")
        self.goals()  # said now rather than when the dose has come
        self.shown, self._cancelled = None, False
        reading = self._read(
            ct_node, segmentation_node, choices=choices, reference_dose_node=reference_dose_node, plan=plan
        )
        self._work = self._submitted(reading, ct_node, {"samples": samples, "steps": steps, "seed": seed})

    def poll(self, budget_s: float | None = None) -> list[Event]:
        """What happened since the last call, having gone on with what there is to do on this thread.

        When a dose has come, it is in the scene by then, and in `shown`.

        Args:
            budget_s: for how long to work, unless one piece takes longer; None works until all is done.
        """
        events = self._go_on(budget_s)
        for event in self._predictor.poll() if self._predictor is not None and self._work is None else []:
            if isinstance(event, Finished):
                self._work = self._finish(event)
                events += self._go_on(budget_s)
            else:
                events.append(event)
        if any(isinstance(event, FINAL_EVENTS) for event in events):
            self._patient = self._ct_node = None
        return events

    def predict(
        self,
        ct_node: Any,
        segmentation_node: Any,
        *,
        choices: Mapping[str, SegmentChoice] | None = None,
        reference_dose_node: Any = None,
        plan: PlanContext | None = None,
        samples: int | None = None,
        steps: int | None = None,
        seed: int = 0,
        on_progress: Callable[[Progress], None] = lambda progress: None,
        on_message: Callable[[str], None] = lambda text: None,
    ) -> Shown:
        """Predict, wait for it and show it: for scripts.

        Raises:
            InputError: the nodes hold no patient that can be predicted, or the weights can't be used.
            PredictionFailed: the prediction process failed.
        """
        patient = self.read(
            ct_node, segmentation_node, choices=choices, reference_dose_node=reference_dose_node, plan=plan
        )
        prediction = self._warm_predictor().predict(
            patient, samples=samples, steps=steps, seed=seed, on_progress=on_progress, on_message=on_message
        )
        self.shown = in_one_go(self._show(ct_node, prediction))
        return self.shown

    def read(
        self,
        ct_node: Any,
        segmentation_node: Any,
        *,
        choices: Mapping[str, SegmentChoice] | None = None,
        reference_dose_node: Any = None,
        plan: PlanContext | None = None,
    ) -> Patient:
        """The patient that the nodes hold, checked.

        Raises:
            InputError: it can't be predicted.
        """
        return in_one_go(
            self._read(ct_node, segmentation_node, choices=choices, reference_dose_node=reference_dose_node, plan=plan)
        )

    def cancel(self) -> None:
        """Stop the prediction under way; `poll` then gives `Stopped`."""
        if self._work is not None:
            self._cancelled = True
        elif self._predictor is not None:
            self._predictor.cancel()

    def close(self) -> None:
        """End the prediction process."""
        if self._predictor is not None:
            self._predictor.close()
        self._predictor = self._patient = self._ct_node = self._work = None

    @property
    def log(self) -> str:
        """What the prediction process wrote for people."""
        return "" if self._predictor is None else self._predictor.log

    def goals(self) -> GoalSet:
        """The goals that doses are held against.

        Raises:
            InputError: there is no such set, or the file is not valid.
        """
        name = str(self._goals_name)
        return read_goals(name) if name.endswith(".json") else bundled_goals(name)

    def _warm_predictor(self) -> Predictor:
        if self._predictor is None:
            model = self._model
            self._predictor = (
                Predictor(model.system, model.weights, model.device)
                if self._make_predictor is None
                else self._make_predictor()
            )
        return self._predictor

    def _go_on(self, budget_s: float | None) -> list[Event]:
        """Go on with reading or showing; the event that it ends with, if it ends with one."""
        if self._work is None:
            return []
        if self._cancelled:
            self._work, self._cancelled = None, False
            return [Stopped()]
        until = math.inf if budget_s is None else time.perf_counter() + budget_s
        try:
            while time.perf_counter() < until:
                if next(self._work) is WAITING:
                    if budget_s is not None:
                        break
                    time.sleep(NAP_S)
        except StopIteration as end:
            self._work = None
            return [] if end.value is None else [end.value]
        except InputError as error:
            self._work = None
            return [Failed(str(error), by_input=True)]
        except BaseException:
            self._work = self._patient = self._ct_node = None
            raise
        return []

    def _read(
        self,
        ct_node: Any,
        segmentation_node: Any,
        *,
        choices: Mapping[str, SegmentChoice] | None,
        reference_dose_node: Any,
        plan: PlanContext | None,
    ) -> Pieces[Patient]:
        patient = yield from patient_in_pieces(
            ct_node, segmentation_node, dose_node=reference_dose_node, choices=choices, plan=plan
        )
        checked = yield from in_background(check_patient, patient)
        return checked

    def _read_and_submit(
        self, reading: Pieces[Patient], ct_node: Any, settings: dict[str, int | None]
    ) -> Pieces[Patient]:
        patient = yield from reading
        self._warm_predictor().submit(patient, **settings)  # type: ignore[arg-type]
        self._patient, self._ct_node = patient, ct_node
        return patient

    def _submitted(self, *arguments: Any) -> Pieces[Event | None]:
        yield from self._read_and_submit(*arguments)
        return None

    def _finish(self, event: Finished) -> Pieces[Event | None]:
        """Show a dose that has come; a dose for a scene that is gone is a failure that says so."""
        patient, ct_node = self._patient, self._ct_node
        # Not by its ID: in another scene, another patient's CT may have it.
        if patient is None or not slicer.mrmlScene.IsNodePresent(ct_node):
            return Failed("The CT was removed while its dose was predicted, so the dose is not shown.", by_input=True)
        self.shown = yield from self._show(ct_node, Prediction(patient, event.dose, event.dose_std, event.provenance))
        return event

    def _show(self, ct_node: Any, prediction: Prediction) -> Pieces[Shown]:
        patient, goals = prediction.patient, self.goals()
        dvhs = yield from in_background(lambda: prediction.dvhs)
        results = yield from in_background(evaluate_goals, goals, patient, prediction.dose, dvhs)
        reference_dvhs, reference_results = None, None
        if patient.reference_dose is not None:
            reference_dvhs = yield from in_background(patient_dvhs, patient, patient.reference_dose)
            reference_results = yield from in_background(
                evaluate_goals, goals, patient, patient.reference_dose, reference_dvhs
            )
        if not slicer.mrmlScene.IsNodePresent(ct_node):
            raise InputError("The CT was removed while its dose was measured, so the dose is not shown.")
        nodes = yield from prediction_shown_in_pieces(
            ct_node, prediction, results, reference_dvhs=reference_dvhs, reference_goals=reference_results
        )
        return Shown(prediction, nodes, tuple(results), None if reference_results is None else tuple(reference_results))
