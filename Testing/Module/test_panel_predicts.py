"""Predicting by clicks: progress, cancel, failure, a scene that changes meanwhile; once with the shipped weights."""

from __future__ import annotations

import os
import signal

import slicer
from DosePredictionScene.self_test import phantom_nodes
from panel_session import Session, assert_never_stood_still
from phantom_scene import scene_nodes
from standin.gestures import choose, click
from standin.main_thread_watch import watched_main_thread
from standin.session import Standin


def begin(session: Session) -> None:
    click(session.panel.run.ui.predictButton)
    session.standin.process_events(until=lambda: session.predictor.busy)


def wait(session: Session) -> None:
    session.standin.process_events(until=lambda: not session.panel.logic.busy)
    session.settle()


def test_the_button_predicts_and_turns_into_cancel(session: Session) -> None:
    ct, _ = session.phantom()
    ui = session.panel.run.ui
    session.panel.parameters.samples, session.panel.parameters.seed = 3, 7
    session.settle()
    begin(session)
    assert ui.predictButton.text == "&Cancel" and ui.progressBar.isVisible()
    assert session.predictor.settings == {"samples": 3, "steps": None, "seed": 7}
    session.predictor.advance(2)
    session.standin.process_events(until=lambda: ui.progressBar.value == 2)
    assert ui.progressBar.maximum == 4 and "Sampling, 2/4, about 2 s left" in session.status
    session.predictor.finish()
    wait(session)
    assert ui.predictButton.text == "&Predict dose" and not ui.progressBar.isVisible()
    assert ct.GetNodeReference("DosePrediction.Dose") is not None
    assert "Dose predicted" in session.status
    click(ui.copyLogButton)
    assert "Dose predicted" in slicer.app.clipboard().text()


def test_the_plan_in_the_panel_reaches_the_patient(session: Session) -> None:
    session.phantom()
    parameters = session.panel.parameters
    parameters.fractions, parameters.technique, parameters.beam_angles = 35, "IMRT", "0, 90"
    begin(session)
    patient = session.predictor.patient
    assert patient is not None and (patient.fractions, patient.technique) == (35, "IMRT")
    assert patient.beams is not None and [beam.gantry_deg for beam in patient.beams.beams] == [0.0, 90.0]
    click(session.panel.run.ui.predictButton)
    wait(session)


def test_cancel_half_way_leaves_the_scene_alone(session: Session) -> None:
    session.phantom()
    before = scene_nodes()
    begin(session)
    session.predictor.advance(2)
    click(session.panel.run.ui.predictButton)
    wait(session)
    assert session.status == "Cancelled." and scene_nodes() == before
    session.predict()
    assert "Dose predicted" in session.status


def test_cancel_while_the_patient_is_read(session: Session) -> None:
    session.phantom()
    click(session.panel.run.ui.predictButton)
    click(session.panel.run.ui.predictButton)
    wait(session)
    assert session.status == "Cancelled." and not session.predictor.busy


def test_a_failure_is_told_and_the_next_prediction_works(session: Session) -> None:
    session.phantom()
    begin(session)
    session.predictor.fail("The prediction process ended unexpectedly.")
    wait(session)
    assert session.status == "The prediction process ended unexpectedly."
    session.predict()
    assert "Dose predicted" in session.status


def test_two_predictions_in_a_row_leave_one_dose(session: Session) -> None:
    session.phantom()
    session.predict()
    after_first = scene_nodes()
    session.predict()
    assert scene_nodes() == after_first


def test_the_scene_is_closed_while_predicting(session: Session) -> None:
    session.phantom()
    begin(session)
    slicer.mrmlScene.Clear(False)
    wait(session)
    assert not slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")
    session.phantom()
    session.predict()
    assert "Dose predicted" in session.status


def test_the_ct_is_switched_while_predicting(session: Session) -> None:
    first, _ = session.phantom()
    begin(session)
    second, _ = phantom_nodes()
    second.SetName("Second CT")
    choose(session.panel.inputs.ui.ctSelector, second)
    session.predictor.finish()
    wait(session)
    assert first.GetNodeReference("DosePrediction.Dose") is not None, "the dose is that of the CT it was predicted on"
    assert second.GetNodeReference("DosePrediction.Dose") is None
    assert session.panel.results.ui.goalsTable.rowCount == 0
    choose(session.panel.inputs.ui.ctSelector, first)
    session.settle()
    assert session.panel.results.ui.goalsTable.rowCount > 0


def test_no_ct_is_chosen_any_more_when_the_dose_comes(session: Session) -> None:
    ct, _ = session.phantom()
    begin(session)
    session.panel.parameters.ct = None
    session.settle()
    session.predictor.finish()
    wait(session)
    assert ct.GetNodeReference("DosePrediction.Dose") is not None
    assert "Dose predicted" in session.panel.run.ui.logEdit.plainText
    assert "could not be shown" not in session.panel.run.ui.logEdit.plainText


def test_a_segment_is_deleted_while_predicting(session: Session) -> None:
    _, segmentation = session.phantom()
    begin(session)
    ids = segmentation.GetSegmentation()
    ids.RemoveSegment(ids.GetSegmentIdBySegmentName("SpinalCord"))
    session.predictor.finish()
    wait(session)
    assert "Dose predicted" in session.status


def test_leaving_the_module_does_not_stop_a_prediction(session: Session) -> None:
    ct, _ = session.phantom()
    begin(session)
    session.host.leave()
    session.predictor.finish()
    session.standin.process_events(until=lambda: not session.panel.logic.busy)
    assert ct.GetNodeReference("DosePrediction.Dose") is not None
    session.host.enter()
    session.settle()
    assert session.panel.results.ui.goalsTable.rowCount > 0


def test_the_sample_patient_with_the_shipped_weights(standin: Standin) -> None:
    opened = Session(standin, real=True)
    panel, ui = opened.panel, opened.panel.run.ui
    with watched_main_thread() as longest:
        click(panel.inputs.ui.sampleDataButton)
        opened.settle()
    assert_never_stood_still(longest)
    panel.parameters.device, panel.parameters.samples = "cpu", 2
    opened.settle()
    with watched_main_thread() as longest:
        click(ui.predictButton)
        standin.process_events(until=lambda: not panel.logic.busy, seconds=120)
        opened.settle()
    assert "Dose predicted" in opened.status, ui.logEdit.plainText
    assert panel.results.ui.goalsTable.rowCount > 5
    dose = slicer.util.arrayFromVolume(panel.parameters.ct.GetNodeReference("DosePrediction.Dose"))
    assert 60.0 < dose.max() < 85.0
    assert_never_stood_still(longest)
    # Its process is killed; the panel says so, and predicts again.
    click(ui.predictButton)
    client = panel.logic._run._predictor._client
    standin.process_events(until=lambda: panel.logic._run._work is None and client.process_id is not None)
    os.killpg(client.process_id, signal.SIGKILL)
    standin.process_events(until=lambda: not panel.logic.busy, seconds=30)
    opened.settle()
    assert "ended unexpectedly" in opened.status
    panel.parameters.samples = 16
    opened.settle()
    click(ui.predictButton)
    standin.process_events(until=lambda: "Sampling" in opened.status, seconds=60)
    click(ui.predictButton)
    standin.process_events(until=lambda: not panel.logic.busy, seconds=5)
    assert opened.status == "Cancelled."


def test_a_ct_that_was_moved_meanwhile_gets_no_dose(session: Session) -> None:
    ct, _ = session.phantom()
    click(session.panel.run.ui.predictButton)
    session.standin.process_events(until=lambda: session.predictor.busy)
    x, y, z = ct.GetOrigin()
    ct.SetOrigin(x + 50.0, y, z)
    session.predictor.finish()
    session.standin.process_events(until=lambda: not session.panel.logic.busy)
    session.settle()
    assert ct.GetNodeReference("DosePrediction.Dose") is None and "moved or resampled" in session.status
    session.predict()
    assert ct.GetNodeReference("DosePrediction.Dose").GetOrigin() == ct.GetOrigin()
