"""One prediction after another on nodes of the scene, without blocking or waiting for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import slicer

from DosePredictionLib.dosimetry.goals import GoalSet, bundled_goals, evaluate_goals, read_goals
from DosePredictionLib.errors import InputError
from DosePredictionLib.inference.progress import Progress
from DosePredictionLib.patient.checks import check_patient
from DosePredictionLib.patient.patient import Patient
from DosePredictionLib.worker.events import FINAL_EVENTS, Event, Failed, Finished
from DosePredictionLib.worker.predictor import Prediction, Predictor
from DosePredictionScene.patient_from_nodes import PlanContext, patient_from_nodes
from DosePredictionScene.scene_result import SceneResult, show_prediction
from DosePredictionScene.segment_choices import SegmentChoice


@dataclass(frozen=True)
class Shown:
    """What a finished run left: the prediction and the nodes that show it."""

    prediction: Prediction
    nodes: SceneResult


class PredictionRun:
    """Predicts on nodes and shows the result in the scene.

    The prediction process starts with the first prediction and stays warm until `close`.

    Args:
        make_predictor: gives the predictor; tests replace it.
        goals: a bundled set's name, or a JSON file.
    """

    def __init__(
        self, make_predictor: Callable[[], Predictor] = Predictor, goals: str | Path = "head-and-neck"
    ) -> None:
        self._make_predictor = make_predictor
        self._goals_name = goals
        self._predictor: Predictor | None = None
        self._patient: Patient | None = None
        self._ct_node: Any = None
        #: Of the last run; None until it has finished.
        self.shown: Shown | None = None

    @property
    def busy(self) -> bool:
        """Whether a prediction is under way."""
        return self._patient is not None

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
        """Read the patient off the nodes, begin its prediction and return at once; call `poll` from then on.

        Raises:
            InputError: the nodes hold no patient that can be predicted.
            RuntimeError: a prediction is already under way.
        """
        if self.busy:
            raise RuntimeError("a prediction is already under way")
        patient = self.read(
            ct_node, segmentation_node, choices=choices, reference_dose_node=reference_dose_node, plan=plan
        )
        self.shown = None
        self._warm_predictor().submit(patient, samples=samples, steps=steps, seed=seed)
        self._patient, self._ct_node = patient, ct_node
        return patient

    def poll(self) -> list[Event]:
        """What happened since the last call. When a dose has come, it is in the scene by then, and in `shown`."""
        if self._predictor is None:
            return []
        events = [self._finish(event) if isinstance(event, Finished) else event for event in self._predictor.poll()]
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
        self.shown = self._show(ct_node, prediction)
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
        return check_patient(
            patient_from_nodes(ct_node, segmentation_node, dose_node=reference_dose_node, choices=choices, plan=plan)
        )

    def cancel(self) -> None:
        """Stop the prediction under way; `poll` then gives `Stopped`."""
        if self._predictor is not None:
            self._predictor.cancel()

    def close(self) -> None:
        """End the prediction process."""
        if self._predictor is not None:
            self._predictor.close()
        self._predictor = self._patient = self._ct_node = None

    def goals(self) -> GoalSet:
        """The goals that doses are held against.

        Raises:
            InputError: there is no such set, or the file is not valid.
        """
        name = str(self._goals_name)
        return read_goals(name) if name.endswith(".json") else bundled_goals(name)

    def _warm_predictor(self) -> Predictor:
        if self._predictor is None:
            self._predictor = self._make_predictor()
        return self._predictor

    def _finish(self, event: Finished) -> Event:
        """Show a dose that has come; a dose for a scene that is gone is a failure that says so."""
        patient, ct_node = self._patient, self._ct_node
        # Not by its ID: in another scene, another patient's CT may have it.
        if patient is None or not slicer.mrmlScene.IsNodePresent(ct_node):
            return Failed("The CT was removed while its dose was predicted, so the dose is not shown.", by_input=True)
        try:
            self.shown = self._show(ct_node, Prediction(patient, event.dose, event.dose_std, event.provenance))
        except InputError as error:
            return Failed(str(error), by_input=True)
        return event

    def _show(self, ct_node: Any, prediction: Prediction) -> Shown:
        results = evaluate_goals(self.goals(), prediction.patient, prediction.dose, prediction.dvhs)
        return Shown(prediction, show_prediction(ct_node, prediction, results))
