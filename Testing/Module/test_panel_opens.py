"""The panel opens, closes and reloads, and follows the scene."""

from __future__ import annotations

import gc
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import slicer
from DosePredictionScene.self_test import phantom_nodes
from panel_session import MODULE, Session
from standin.gestures import choose, click, type_into
from standin.session import Standin

from DosePredictionLib.resources import resource_path

ALL_THERE = "Predict the dose of the chosen patient (Ctrl+Enter)."


def test_the_panel_opens_without_a_main_window_and_with_an_empty_scene(standin_without_window: Standin) -> None:
    host = standin_without_window.load_module(MODULE)
    panel = host.enter().panel
    standin_without_window.process_events(until=lambda: not panel.jobs)
    assert not panel.run.ui.predictButton.enabled
    assert "Choose the planning CT." in panel.run.ui.predictButton.toolTip
    assert panel.notice.isVisible() and "not for clinical decisions" in panel.notice.text


def test_a_scene_with_one_patient_is_chosen_on_entering(standin: Standin) -> None:
    ct, segmentation = phantom_nodes()
    opened = Session(standin)
    assert opened.panel.inputs.ui.ctSelector.currentNode() is ct
    assert opened.panel.inputs.ui.segmentationSelector.currentNode() is segmentation
    assert opened.panel.run.ui.predictButton.enabled
    assert opened.panel.run.ui.predictButton.toolTip == ALL_THERE


def test_what_is_missing_is_said_until_nothing_is(session: Session) -> None:
    ui, button = session.panel.inputs.ui, session.panel.run.ui.predictButton
    ct, segmentation = phantom_nodes()
    session.settle()
    choose(ui.ctSelector, ct)
    session.settle()
    assert not button.enabled and button.toolTip == "Choose the structures." == session.status
    choose(ui.segmentationSelector, segmentation)
    session.settle()
    assert button.enabled and session.status == ""
    segments = segmentation.GetSegmentation()
    segments.GetSegment(segments.GetSegmentIdBySegmentName("PTV70")).SetName("Boost")
    session.settle()
    assert not button.enabled and "No structure is a target" in button.toolTip
    choose(ui.ctSelector, None)
    session.settle()
    assert "Choose the planning CT." in button.toolTip


def test_wrong_beam_angles_and_missing_goals_keep_from_predicting(session: Session) -> None:
    session.phantom()
    prescription, button = session.panel.prescription, session.panel.run.ui.predictButton
    prescription.widget.collapsed = False
    type_into(prescription.ui.beamAnglesEdit, "0, 40, north")
    session.settle()
    assert not button.enabled and "'north' is not a gantry angle" in button.toolTip
    type_into(prescription.ui.beamAnglesEdit, "0, 120, 240")
    choose(prescription.ui.goalsSelector, "From a file...")
    session.settle()
    assert prescription.ui.goalsPathEdit.isVisible()
    assert button.toolTip == "Choose a file with planning goals."


def test_weights_that_are_none_are_told(session: Session, tmp_path: Path) -> None:
    session.phantom()
    (tmp_path / "no.safetensors").write_bytes(b"no weights")
    session.panel.model.widget.collapsed = False
    session.panel.model.ui.weightsPathEdit.currentPath = str(tmp_path / "no.safetensors")
    session.settle()
    assert "is not a weights file" in session.panel.run.ui.predictButton.toolTip
    assert "is not a weights file" in session.panel.model.ui.modelCard.plainText
    editor = session.panel.model.ui.weightsPathEdit.comboBox().lineEdit()
    editor.setText(str(tmp_path / "no.safe"))
    session.settle()
    assert session.panel.parameters.weights_path.endswith("no.safe"), "as it is typed"
    editor.clear()
    session.settle()
    assert session.panel.parameters.weights_path == ""
    assert "Intended use" in session.panel.model.ui.modelCard.plainText
    assert session.panel.run.ui.predictButton.enabled


def test_weights_that_can_be_read_again_are_read_again(session: Session, tmp_path: Path) -> None:
    """A share that was not mounted when the scene was opened, say."""
    session.phantom()
    path = tmp_path / "share.safetensors"
    session.panel.parameters.weights_path = str(path)
    session.settle()
    assert not session.panel.run.ui.predictButton.enabled
    shutil.copyfile(resource_path("Models") / "magdiff_adc.safetensors", path)
    session.host.leave()
    session.host.enter()
    session.settle()
    assert session.panel.run.ui.predictButton.enabled


def test_leaving_and_coming_back_keeps_the_choices(session: Session) -> None:
    ct, _ = session.phantom()
    session.panel.parameters.fractions = 33
    session.settle()
    session.host.leave()
    assert session.panel.parameters is None
    session.host.enter()
    session.settle()
    assert session.panel.parameters.ct is ct
    assert session.panel.prescription.ui.fractionsSpinBox.value == 33


def test_reloading_keeps_the_choices(session: Session) -> None:
    ct, _ = session.phantom()
    session.host.reload()
    session.settle()
    assert session.panel.parameters.ct is ct


def test_reloading_takes_in_every_file_of_the_module(session: Session) -> None:
    names = ("DosePredictionPanel.panel", "DosePredictionScene.prediction_run", "DosePredictionLib.worker.predictor")
    before, numpy = [sys.modules[name] for name in names], sys.modules["numpy"]
    session.phantom()
    click(session.panel.run.ui.predictButton)
    session.standin.process_events(until=lambda: session.predictor.busy)
    session.host.reload()
    session.settle()
    session.standin.process_events(until=lambda: session.predictor.closed)
    panel, run, library = [sys.modules[name] for name in names]
    assert panel is not before[0] and run is not before[1] and library is not before[2]
    assert type(session.panel) is panel.Panel and type(session.panel.logic._run) is run.PredictionRun
    assert run.Predictor is library.Predictor and sys.modules["numpy"] is numpy
    assert session.panel.run.ui.predictButton.enabled, session.status


def test_reloading_a_file_that_cannot_be_read_leaves_the_panel_open(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ct, _ = session.phantom()
    package = sys.modules["DosePredictionPanel"]
    (tmp_path / "edited.py").write_text("def half(\n")
    monkeypatch.setattr(package, "__path__", [*package.__path__, str(tmp_path)])
    panel = session.panel
    session.host.reload()
    session.settle()
    assert any("edited.py" in text and "line 1" in text for text in session.standin.dialogs.texts)
    session.standin.dialogs.clear()
    assert session.panel is panel and panel.parameters.ct is ct and sys.modules["DosePredictionPanel"] is package
    click(panel.run.ui.predictButton)
    session.standin.process_events(until=lambda: session.predictor.busy)


def test_adding_a_scene_keeps_the_choices(session: Session) -> None:
    ct, segmentation = session.phantom()
    slicer.mrmlScene.StartState(slicer.mrmlScene.ImportState)
    other = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "MR")
    slicer.mrmlScene.EndState(slicer.mrmlScene.ImportState)
    session.settle()
    panel = session.panel
    assert panel.parameters.ct is ct and panel.parameters.segmentation is segmentation
    assert panel.inputs.ui.ctSelector.currentNode() is ct
    assert panel.inputs.ui.segmentationSelector.currentNode() is segmentation
    choose(panel.inputs.ui.ctSelector, other)
    session.settle()
    assert panel.parameters.ct is other
    choose(panel.inputs.ui.ctSelector, None)
    session.settle()
    assert panel.parameters.ct is None, "when the user says so"


@pytest.mark.parametrize("state", ["ImportState", "RestoreState", "BatchProcessState"])
def test_the_panel_waits_while_the_scene_is_changing(session: Session, state: str) -> None:
    session.phantom()
    pieces: list[str] = []

    def work() -> Iterator[None]:
        pieces.append("done")
        yield None

    slicer.mrmlScene.StartState(getattr(slicer.mrmlScene, state))
    session.panel.jobs.add(work())
    (segmentation,) = slicer.util.getNodesByClass("vtkMRMLSegmentationNode")
    segmentation.GetSegmentation().AddEmptySegment("", "Mandible")
    until = time.monotonic() + 0.1  # ticks come every 0.02 s
    session.standin.process_events(until=lambda: time.monotonic() > until)
    assert not pieces and "Mandible" not in [row.name for row in session.panel.structures.rows]
    slicer.mrmlScene.EndState(getattr(slicer.mrmlScene, state))
    session.settle()
    assert pieces and "Mandible" in [row.name for row in session.panel.structures.rows]


@pytest.mark.parametrize("state", ["ImportState", "BatchProcessState"])
def test_a_module_entered_while_the_scene_is_changing_chooses_when_it_has_changed(session: Session, state: str) -> None:
    """A half-imported parameter node must not be taken for an empty one, nor a half-imported CT for the only one."""
    session.host.leave()
    slicer.mrmlScene.StartState(getattr(slicer.mrmlScene, state))
    session.host.enter()
    session.standin.process_events()
    assert session.panel.parameters is None
    ct, segmentation = phantom_nodes()
    slicer.mrmlScene.EndState(getattr(slicer.mrmlScene, state))
    session.settle()
    assert session.panel.parameters.ct is ct and session.panel.parameters.segmentation is segmentation


@pytest.mark.parametrize("entered", ["before", "meanwhile"])
def test_scenes_imported_within_a_batch_are_chosen_from_when_all_have_come(session: Session, entered: str) -> None:
    scene = slicer.mrmlScene
    if entered == "meanwhile":
        session.host.leave()
    scene.StartState(scene.BatchProcessState)
    if entered == "meanwhile":
        session.host.enter()
    for _ in range(2):
        scene.StartState(scene.ImportState)
        phantom_nodes()
        scene.EndState(scene.ImportState)
        session.standin.process_events()
    scene.EndState(scene.BatchProcessState)
    session.settle()
    assert session.panel.parameters.ct is None, "of two CTs none is the only one"


def test_a_closed_scene_leaves_no_structures_in_memory(session: Session) -> None:
    gone: list[str] = []
    _, segmentation = session.phantom()
    segmentation.AddObserver("DeleteEvent", lambda *_: gone.append("segmentation"))
    session.predict()
    del segmentation
    slicer.mrmlScene.Clear(False)
    session.settle()
    gc.collect()
    assert gone == ["segmentation"]
    assert session.panel.logic.shown is None


def test_the_sample_button_works_again_after_the_scene_was_closed(session: Session) -> None:
    button = session.panel.inputs.ui.sampleDataButton
    click(button)
    assert not button.enabled
    slicer.mrmlScene.Clear(False)
    session.settle()
    assert button.enabled


def test_an_older_slicer_is_told_what_is_needed(standin: Standin) -> None:
    import qt

    host = standin.load_module(MODULE)
    sys.modules["DosePrediction"].OLDEST_PYTHON = (99, 0)
    host.module.widgetRepresentation()
    host.enter()
    labels = [label.text for label in host.module.widgetRepresentation().findChildren(qt.QLabel)]
    assert "Dose Prediction needs Slicer 5.10 or later." in labels
    host.leave()


def test_closing_the_scene_empties_the_panel(session: Session) -> None:
    session.phantom()
    session.predict()
    slicer.mrmlScene.Clear(False)
    session.settle()
    panel = session.panel
    assert panel.parameters.ct is None and panel.structures.rows == []
    assert panel.structures.ui.structuresTable.rowCount == panel.results.ui.goalsTable.rowCount == 0
    assert not panel.run.ui.predictButton.enabled and not panel.results.ui.exportDoseButton.enabled
    session.phantom()
    assert panel.run.ui.predictButton.enabled


def test_a_saved_scene_brings_every_choice_back(session: Session, tmp_path: Path) -> None:
    session.phantom()
    session.predict()
    panel = session.panel
    values = {
        "fractions": 33, "technique": "VMAT", "site": "head-and-neck", "beam_angles": "0, 120, 240", "samples": 5,
        "steps": 7, "seed": 11, "device": "cpu", "overlay_shown": False, "opacity": 0.7, "threshold_percent": 50.0,
        "isodoses_2d": False, "isodoses_3d": True, "isodose_unit": "Gy", "isodose_levels": "20, 40, 60",
        "window": "bone", "hidden_curves": "SpinalCord",
    }  # fmt: skip
    for name, value in values.items():
        setattr(panel.parameters, name, value)
    session.settle()
    path = str(tmp_path / "scene.mrml")
    slicer.mrmlScene.SetRootDirectory(str(tmp_path))
    slicer.mrmlScene.SetURL(path)
    assert slicer.mrmlScene.Commit(path)
    slicer.mrmlScene.Clear(False)
    session.settle()
    assert panel.parameters.seed == 0
    slicer.mrmlScene.SetURL(path)
    slicer.mrmlScene.Import()
    session.settle()
    assert {name: getattr(panel.parameters, name) for name in values} == values
    assert panel.parameters.ct.GetName() == "Phantom CT"
    assert panel.prescription.ui.techniqueSelector.currentText == "VMAT"
    assert panel.model.ui.seedSpinBox.value == 11
    assert panel.results.ui.opacitySlider.value == 0.7
    assert panel.results.ui.levelsEdit.text == "20, 40, 60"
    assert panel.results.ui.exportDoseButton.enabled, "the predicted dose is there again"


def test_the_sample_patient_is_a_click_away_and_in_sample_data(session: Session) -> None:
    click(session.panel.inputs.ui.sampleDataButton)
    session.settle()
    parameters = session.panel.parameters
    assert parameters.ct is not None and parameters.segmentation is not None and parameters.clinical_dose is not None
    assert session.panel.run.ui.predictButton.enabled, session.panel.run.ui.predictButton.toolTip
    slicer.app.startupCompleted.emit()
    import SampleData

    logic = SampleData.SampleDataLogic()
    source = logic.sourceForSampleName("DosePredictionHeadAndNeck")
    red = slicer.mrmlScene.GetNodeByID("vtkMRMLSliceNodeRed")
    red.SetFieldOfView(10.0, 10.0, 1.0)
    ct, structures, dose = source.customDownloader(source)  # as its button does
    assert ct is not parameters.ct, "a second one"
    for composite in slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode"):
        assert composite.GetBackgroundVolumeID() == ct.GetID() and not composite.GetForegroundVolumeID()
    assert min(red.GetFieldOfView()[:2]) > 100.0, "the whole CT is in sight"
    display = ct.GetDisplayNode()
    assert (display.GetWindowLevelMin(), display.GetWindowLevelMax()) == (-160.0, 240.0), "soft tissue, in HU"
    assert ct.IsA("vtkMRMLScalarVolumeNode") and structures.IsA("vtkMRMLSegmentationNode")
    assert dose.GetAttribute("DicomRtImport.DoseVolume") == "1"
    assert logic.downloadSamples(source.sampleName) == [], "which loads files by their URLs: scripts take load_sample"
