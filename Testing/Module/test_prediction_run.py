"""Predicting on nodes without waiting: progress, result, cancel, failure, a scene that went away."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
import slicer
from DosePredictionScene.prediction_request import Request
from DosePredictionScene.prediction_run import PredictionRun
from DosePredictionScene.self_test import phantom_nodes
from phantom_scene import PromptPredictor, SphericalPredictor, scene_nodes

from DosePredictionLib.errors import InputError
from DosePredictionLib.patient.patient import Patient
from DosePredictionLib.worker.events import Advanced, Failed, Finished, Stopped
from DosePredictionLib.worker.predictor import PredictionFailed, PredictionStopped


def begin(run: PredictionRun, ct: Any, segmentation: Any) -> None:
    """Start, and read the patient to the end."""
    run.start(Request(ct, segmentation))
    assert run.poll() == []


def test_a_prediction_is_shown_when_it_has_come(run: PredictionRun, predictor: SphericalPredictor) -> None:
    ct, segmentation = phantom_nodes()
    run.start(Request(ct, segmentation, samples=3, seed=7))
    assert run.busy and run.poll() == [] and run.shown is None
    patient = predictor.patient
    assert predictor.settings == {"samples": 3, "steps": None, "seed": 7}
    predictor.advance(1)
    predictor.advance(2)
    events = run.poll()
    assert [event.progress.step for event in events if isinstance(event, Advanced)] == [1, 2]
    assert ct.GetNodeReference("DosePrediction.Dose") is None
    predictor.finish()
    (event,) = run.poll()
    assert isinstance(event, Finished)
    assert not run.busy and run.shown is not None
    assert run.shown.prediction.patient is patient
    assert ct.GetNodeReference("DosePrediction.Dose") is run.shown.nodes.dose
    assert np.array_equal(slicer.util.arrayFromVolume(run.shown.nodes.dose), event.dose.array)


def test_a_second_prediction_finds_the_process_warm(run: PredictionRun, predictor: SphericalPredictor) -> None:
    nodes = phantom_nodes()
    started = []
    run = PredictionRun(lambda: started.append(1) or predictor)
    for _ in range(2):
        begin(run, *nodes)
        predictor.finish()
        run.poll()
    assert started == [1]
    run.close()
    assert predictor.closed


def test_one_prediction_at_a_time(run: PredictionRun) -> None:
    nodes = phantom_nodes()
    begin(run, *nodes)
    with pytest.raises(RuntimeError, match="already under way"):
        run.start(Request(*nodes))


def test_a_cancelled_prediction_leaves_the_scene_alone(run: PredictionRun, predictor: SphericalPredictor) -> None:
    nodes = phantom_nodes()
    before = scene_nodes()
    begin(run, *nodes)
    run.cancel()
    assert [type(event) for event in run.poll()] == [Stopped]
    assert not run.busy and scene_nodes() == before
    begin(run, *nodes)  # and the next one works
    predictor.finish()
    run.poll()
    assert run.shown is not None


def test_a_failure_is_told_and_the_next_prediction_works(run: PredictionRun, predictor: SphericalPredictor) -> None:
    nodes = phantom_nodes()
    begin(run, *nodes)
    predictor.fail("out of memory")
    (event,) = run.poll()
    assert isinstance(event, Failed) and event.text == "out of memory"
    begin(run, *nodes)
    predictor.finish()
    assert isinstance(run.poll()[0], Finished)


def test_a_dose_never_lands_on_another_patients_ct(run: PredictionRun, predictor: SphericalPredictor) -> None:
    ct, segmentation = phantom_nodes()
    ct_id = ct.GetID()
    begin(run, ct, segmentation)
    slicer.mrmlScene.Clear(False)
    other, _ = phantom_nodes()
    assert other.GetID() == ct_id, "the new scene gives the old name to another CT"
    before = scene_nodes()
    predictor.finish()
    (event,) = run.poll()
    assert isinstance(event, Failed) and "The CT was removed" in event.text
    assert scene_nodes() == before and not run.busy


def test_nodes_that_hold_no_patient_are_refused_before_the_process_starts() -> None:
    run = PredictionRun(lambda: pytest.fail("nothing to predict, so nothing to start"))
    ct, segmentation = phantom_nodes()
    segmentation.GetSegmentation().RemoveSegment(segmentation.GetSegmentation().GetSegmentIdBySegmentName("PTV70"))
    run.start(Request(ct, segmentation))
    (event,) = run.poll()
    assert isinstance(event, Failed) and event.by_input and "target" in event.text
    assert not run.busy
    with pytest.raises(InputError, match="target"):
        run.predict(Request(ct, segmentation))


def test_a_study_in_another_unit_is_told_of(run: PredictionRun, predictor: SphericalPredictor) -> None:
    ct, segmentation = phantom_nodes()
    tree = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    study = tree.CreateStudyItem(tree.GetSceneItemID(), "Relative")
    tree.SetItemAttribute(study, "DicomRtImport.DoseUnitName", "RELATIVE")
    tree.CreateItem(study, ct)
    begin(run, ct, segmentation)
    predictor.finish()
    (event,) = run.poll()
    assert isinstance(event, Failed) and event.by_input and "are in RELATIVE" in event.text


def test_waiting_for_a_prediction() -> None:
    ct, segmentation = phantom_nodes()
    predictor, steps = PromptPredictor(), []
    run = PredictionRun(lambda: predictor)
    shown = run.predict(Request(ct, segmentation, seed=5), on_progress=lambda progress: steps.append(progress.step))
    assert steps == [0, 1, 2, 3, 4]
    assert predictor.settings["seed"] == 5
    assert shown.nodes.dose is ct.GetNodeReference("DosePrediction.Dose")
    assert not run.busy and shown is run.shown


def test_what_fails_while_a_script_waits_is_raised(predictor: SphericalPredictor) -> None:
    submit = predictor.submit

    def submit_and(happens: Callable[[], None], patient: Patient, **settings: Any) -> int:
        number = submit(patient, **settings)
        happens()
        return number

    predictor.submit = partial(submit_and, lambda: predictor.fail("out of memory"))
    with pytest.raises(PredictionFailed, match="out of memory"):
        PredictionRun(lambda: predictor).predict(Request(*phantom_nodes()))
    predictor.submit = partial(submit_and, predictor.cancel)
    with pytest.raises(PredictionStopped):
        PredictionRun(lambda: predictor).predict(Request(*phantom_nodes()))


def test_ending_the_process_does_not_wait_where_a_panel_asks() -> None:
    may_end = threading.Event()

    class SlowToEnd(SphericalPredictor):
        def close(self) -> None:
            assert may_end.wait(10.0)
            super().close()

    predictor = SlowToEnd()
    run = PredictionRun(lambda: predictor)
    begin(run, *phantom_nodes())
    run.close(wait=False)
    assert not run.busy and not predictor.closed
    may_end.set()
    begin(run, *phantom_nodes())
    run.close()
    assert predictor.closed
