"""Predictions on nodes that are broken off: nothing of them is shown, least of all as another patient's dose."""

from __future__ import annotations

from typing import Any

import pytest
import slicer
from DosePredictionScene.measured_with import measured_with
from DosePredictionScene.predicted_plan import predicted_plan
from DosePredictionScene.prediction_request import ModelChoice, Request
from DosePredictionScene.prediction_run import PredictionRun
from DosePredictionScene.provenance_node import provenance_of
from DosePredictionScene.self_test import phantom_nodes, spherical_dose
from phantom_scene import SphericalPredictor, scene_nodes

from DosePredictionLib.inference.progress import Progress
from DosePredictionLib.worker.events import Event, Failed, Finished, Stopped
from DosePredictionLib.worker.predictor import PredictionStopped


@pytest.fixture
def request_on_nodes() -> Request:
    return Request(*phantom_nodes())


def begin(run: PredictionRun, request: Request) -> None:
    """Start, and read the patient to the end."""
    run.start(request)
    assert run.poll() == []


def test_a_late_dose_of_an_earlier_prediction_is_not_shown(
    run: PredictionRun, predictor: SphericalPredictor, request_on_nodes: Request
) -> None:
    begin(run, request_on_nodes)
    assert predictor.patient is not None
    earlier = spherical_dose(predictor.patient)
    run.cancel()
    run.poll()
    begin(run, request_on_nodes)
    before = scene_nodes()
    predictor._events.append(Finished(earlier.dose, None, earlier.provenance, request=predictor.number - 1))
    assert run.poll() == [] and run.busy and scene_nodes() == before
    predictor.finish()
    run.poll()
    assert run.shown is not None


def test_a_dose_of_another_patient_is_told_of_and_not_shown(
    run: PredictionRun, predictor: SphericalPredictor, request_on_nodes: Request
) -> None:
    before = scene_nodes()
    begin(run, request_on_nodes)
    predictor.told = {"patient": "somebody else"}
    predictor.finish()
    (event,) = run.poll()
    assert isinstance(event, Failed) and "somebody else" in event.text
    assert run.shown is None and not run.busy and scene_nodes() == before


def test_a_dose_that_has_come_before_it_was_cancelled_is_not_shown(
    run: PredictionRun, predictor: SphericalPredictor, request_on_nodes: Request
) -> None:
    before = scene_nodes()
    begin(run, request_on_nodes)
    predictor.finish()
    run.cancel()
    assert run.poll() == [Stopped()]
    assert run.shown is None and not run.busy and scene_nodes() == before


def shown_voxels(ct: Any) -> float:
    """The dose in the scene, summed; 0 without one."""
    dose = ct.GetNodeReference("DosePrediction.Dose")
    return 0.0 if dose is None else float(slicer.util.arrayFromVolume(dose).sum())


def break_off_while_showing(run: PredictionRun, predictor: SphericalPredictor, request: Request) -> None:
    """Cancel when the dose in the scene is the new one."""
    begin(run, request)
    predictor.finish()
    before = shown_voxels(request.ct_node)
    while shown_voxels(request.ct_node) == before:
        assert run.poll(1e-4) == []
    run.cancel()


def finished(run: PredictionRun) -> list[Event]:
    events: list[Event] = []
    while run.busy:
        events += run.poll()
    return events


def test_what_is_cancelled_while_it_is_shown_is_not_left_half_way(
    run: PredictionRun, predictor: SphericalPredictor, request_on_nodes: Request
) -> None:
    """The dose would be the new one, and the figures beside it those of the one before."""
    for factor in (1.0, 1.3):
        predictor.factor = factor
        break_off_while_showing(run, predictor, request_on_nodes)
        assert isinstance(finished(run)[-1], Finished) and run.shown is not None
        nodes = run.shown.nodes
        assert provenance_of(nodes.dose) is not None and measured_with(nodes.dose) is not None
        highest = slicer.util.arrayFromTableColumn(nodes.metrics, "Max [Gy]").max()
        assert highest == pytest.approx(slicer.util.arrayFromVolume(nodes.dose).max(), abs=0.5)
        assert predicted_plan(nodes.dose) is not None


def test_a_scene_that_is_closed_while_a_dose_is_shown_stays_empty(
    run: PredictionRun, predictor: SphericalPredictor, request_on_nodes: Request
) -> None:
    break_off_while_showing(run, predictor, request_on_nodes)
    slicer.mrmlScene.Clear(False)
    before = scene_nodes()
    assert finished(run) == [Stopped()] and run.shown is None and scene_nodes() == before


class Advances(SphericalPredictor):
    """Comes one step far with its first prediction, and has the dose of the others."""

    def poll(self) -> list[Event]:
        if self.busy:
            self.advance(1) if self.number == 1 else self.finish()
        return super().poll()


@pytest.mark.parametrize("error", [ZeroDivisionError("in a callback"), KeyboardInterrupt()])
def test_after_a_script_was_broken_off_the_next_prediction_works(
    request_on_nodes: Request, error: BaseException
) -> None:
    predictor = Advances()
    run = PredictionRun(lambda: predictor)

    def break_off(progress: Progress) -> None:
        raise error

    with pytest.raises(type(error)):
        run.predict(request_on_nodes, on_progress=break_off)
    assert not run.busy and not predictor.busy
    assert run.predict(request_on_nodes).prediction.dose is not None


@pytest.mark.parametrize("ends", ["close", "use_model"])
def test_a_script_does_not_wait_for_a_process_that_was_ended(request_on_nodes: Request, ends: str) -> None:
    run = PredictionRun(Advances)

    def end(_progress: Progress) -> None:
        run.close() if ends == "close" else run.use_model(ModelChoice(system="magdiff_adc"))

    with pytest.raises(PredictionStopped):
        run.predict(request_on_nodes, on_progress=end)
    assert not run.busy
