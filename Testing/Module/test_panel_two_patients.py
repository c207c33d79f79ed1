"""Two patients in one scene: each dose is measured in its own structures, whatever is chosen meanwhile."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
import slicer
from DosePredictionScene.headless_case import write_scene
from DosePredictionScene.self_test import phantom_nodes
from panel_session import Session, load_scene
from standin.gestures import choose, click


def cord_value(session: Session) -> str:
    """What the goals table shows of the cord."""
    table = session.panel.results.ui.goalsTable
    rows = [[table.item(row, column).text() for column in range(4)] for row in range(table.rowCount)]
    return next(row[3] for row in rows if row[1] == "SpinalCord" and row[3] != "-")


def other_patient() -> tuple[Any, Any]:
    """Another patient, whose cord lies in the target."""
    ct, segmentation = phantom_nodes()
    ct.SetName("Other CT")
    segmentation.SetName("Other structures")
    _, y, x = np.indices((24, 40, 48))
    cord = segmentation.GetSegmentation().GetSegmentIdBySegmentName("SpinalCord")
    mask = (np.hypot(y - 20, x - 24) < 3).astype(np.uint8)
    slicer.util.updateSegmentBinaryLabelmapFromArray(mask, segmentation, cord, ct)
    return ct, segmentation


@pytest.fixture
def two(session: Session) -> tuple[Session, tuple[Any, Any], tuple[Any, Any], str]:
    """Both predicted, the second one chosen; and what the first one's cord got."""
    parameters = session.panel.parameters
    first = session.phantom()
    parameters.fractions = 35
    session.settle()
    session.predict()
    value = cord_value(session)
    second = other_patient()
    parameters.ct, parameters.segmentation = second
    parameters.fractions = 30
    session.settle()
    session.predict()
    assert float(cord_value(session)) > float(value) + 10.0
    return session, first, second, value


def exported_cord(session: Session, folder: Path) -> float:
    session.standin.dialogs.answer(str(folder))
    click(session.panel.results.ui.exportTablesButton)
    session.settle()
    rows = csv.DictReader((folder / "goals.csv").open())
    return next(float(row["value"]) for row in rows if row["structure"] == "SpinalCord" and row["value"])


def test_the_first_ones_dose_is_not_measured_in_the_second_ones_structures(two, tmp_path) -> None:
    session, first, _, value = two
    parameters = session.panel.parameters
    parameters.ct = first[0]
    session.settle()
    note = session.panel.results.ui.planNote
    assert note.visible and "now Other structures" in note.text
    assert cord_value(session) == value
    assert exported_cord(session, tmp_path) == pytest.approx(float(value), abs=0.01)
    parameters.fractions = 35
    session.settle()
    parameters.segmentation = first[1]
    session.settle()
    assert not note.visible and cord_value(session) == value


def test_nor_beside_a_clinical_dose(two) -> None:
    session, first, second, value = two
    parameters = session.panel.parameters
    for nodes in (second, first):
        dose = slicer.util.arrayFromVolume(nodes[0].GetNodeReference("DosePrediction.Dose"))
        clinical = slicer.util.addVolumeFromArray(np.maximum(dose - 2.0, 0.0), name=f"Clinical of {nodes[0].GetName()}")
        clinical.CopyOrientation(nodes[0])
        parameters.ct, parameters.clinical_dose = nodes[0], clinical
        session.settle()
    assert cord_value(session) == value
    chart = first[0].GetNodeReference("DosePrediction.Dose").GetNodeReference("DosePrediction.DvhChart")
    assert chart.GetNumberOfPlotSeriesNodes() == 6, "both doses, three structures each"


def test_nor_after_the_scene_was_saved(two, tmp_path) -> None:
    session, first, _, value = two
    session.panel.parameters.ct = first[0]
    session.settle()
    write_scene(tmp_path / "two.mrb")
    slicer.mrmlScene.Clear(False)
    session.settle()
    load_scene(tmp_path / "two.mrb", tmp_path / "unpacked")
    session.settle()
    assert session.panel.parameters.segmentation.GetName() == "Other structures"
    assert exported_cord(session, tmp_path) == pytest.approx(float(value), abs=0.05)


def shown() -> tuple[str, str, str, str]:
    """Names of what the views show: the CT, what lies over it, the chart and the table."""
    composite = slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode")[0]
    selection = slicer.app.applicationLogic().GetSelectionNode()
    ids = (composite.GetBackgroundVolumeID(), composite.GetForegroundVolumeID(), selection.GetActivePlotChartID(),
           selection.GetActiveTableID())  # fmt: skip
    names = [slicer.mrmlScene.GetNodeByID(node_id).GetName() if node_id else "" for node_id in ids]
    return names[0], names[1], names[2], names[3]


def lines_of(ct: Any) -> bool:
    display = ct.GetNodeReference("DosePrediction.Dose").GetNodeReference("DosePrediction.IsodoseSurfaces")
    return bool(display.GetDisplayNode().GetVisibility2D())


def test_the_views_show_the_chosen_patient(two) -> None:
    session, first, second, _ = two
    assert shown()[:2] == ("Other CT", "Other CT predicted dose")
    choose(session.panel.inputs.ui.ctSelector, first[0])
    session.settle()
    dose = "Phantom CT predicted dose"
    assert shown() == ("Phantom CT", dose, f"{dose} DVH chart", f"{dose} goals")
    assert lines_of(first[0]) and not lines_of(second[0])
    choose(session.panel.inputs.ui.ctSelector, second[0])
    session.settle()
    assert shown()[:2] == ("Other CT", "Other CT predicted dose")
    assert lines_of(second[0]) and not lines_of(first[0])


def test_no_patients_dose_lies_over_the_sample_patient(session: Session) -> None:
    ct, _ = session.phantom()
    session.predict()
    click(session.panel.inputs.ui.sampleDataButton)
    session.settle()
    assert shown()[:2] == ("openkbp-pt_236 CT", "") and not lines_of(ct)


def test_a_dose_that_comes_while_another_patient_is_chosen_is_not_left_in_the_views(two) -> None:
    session, first, second, _ = two
    for away in (False, True):
        choose(session.panel.inputs.ui.ctSelector, first[0])
        session.settle()
        click(session.panel.run.ui.predictButton)
        session.standin.process_events(until=lambda: session.predictor.busy)
        choose(session.panel.inputs.ui.ctSelector, second[0])
        session.settle()
        if away:
            session.host.leave()
        session.predictor.finish()
        session.standin.process_events(until=lambda: not session.panel.logic.busy)
        if away:
            session.host.enter()
        session.settle()
        assert shown()[:2] == ("Other CT", "Other CT predicted dose")
        assert lines_of(second[0]) and not lines_of(first[0])


def test_a_difference_map_that_comes_late_is_not_put_over_another_patient(two) -> None:
    session, first, second, _ = two
    parameters = session.panel.parameters
    choose(session.panel.inputs.ui.ctSelector, first[0])
    session.settle()
    click(session.panel.results.ui.keepButton)
    session.settle()
    choose(session.panel.results.ui.compareSelector, session.panel.results.ui.compareSelector.itemText(1))
    session.settle()
    parameters.overlay = "difference"
    session.standin.process_events(until=lambda: bool(session.panel.jobs))
    choose(session.panel.inputs.ui.ctSelector, second[0])
    session.settle()
    assert shown()[0] == "Other CT" and not shown()[1].startswith("Phantom")


def test_a_sample_patient_that_comes_while_the_module_is_left_is_alone(session: Session) -> None:
    ct, _ = session.phantom()
    session.predict()
    click(session.panel.inputs.ui.sampleDataButton)
    session.host.leave()
    session.settle()
    assert shown()[:2] == ("openkbp-pt_236 CT", "") and not lines_of(ct)
    session.host.enter()
    session.settle()
    assert session.panel.parameters.ct.GetName() == "openkbp-pt_236 CT"
    assert shown()[:2] == ("openkbp-pt_236 CT", "") and not lines_of(ct)


def test_a_file_of_one_patient_never_gets_anothers_data(two, tmp_path) -> None:
    session, first, second, _ = two
    ui, dialogs = session.panel.results.ui, session.standin.dialogs
    (tmp_path / "tables").mkdir()
    dialogs.answer(str(tmp_path / "dose.nrrd"), str(tmp_path / "tables"))
    click(ui.exportDoseButton)
    click(ui.exportTablesButton)
    choose(session.panel.inputs.ui.ctSelector, first[0])
    session.settle()
    assert "Another CT was chosen before the file was written" in session.panel.run.ui.logEdit.plainText
    assert not list((tmp_path / "tables").iterdir())
    written = sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / "dose.nrrd")))
    dose = slicer.util.arrayFromVolume(second[0].GetNodeReference("DosePrediction.Dose"))
    assert np.array_equal(written, dose)


def test_levels_that_are_drawn_late_keep_the_threshold_of_their_own_prescription(two) -> None:
    session, first, second, _ = two
    second[0].GetNodeReference("DosePrediction.Dose").SetAttribute("DosePrediction.PrescriptionGy", "30")
    choose(session.panel.inputs.ui.ctSelector, first[0])
    session.settle()
    session.panel.parameters.isodose_levels = "50 95"
    session.standin.process_events(until=lambda: bool(session.panel.jobs))
    choose(session.panel.inputs.ui.ctSelector, second[0])
    session.settle()
    display = first[0].GetNodeReference("DosePrediction.Dose").GetDisplayNode()
    assert display.GetLowerThreshold() == pytest.approx(7.0, abs=0.01)


def test_without_its_structures_a_dose_keeps_its_figures(two, tmp_path) -> None:
    session, first, _, value = two
    slicer.mrmlScene.RemoveNode(first[1])
    choose(session.panel.inputs.ui.ctSelector, first[0])
    session.panel.parameters.fractions = 34
    session.settle()
    assert cord_value(session) == value, "and none of the other patient's"
    assert "Phantom structures, now Other structures" in session.panel.results.ui.planNote.text
    session.standin.dialogs.answer(str(tmp_path))
    click(session.panel.results.ui.exportTablesButton)
    session.settle()
    assert "not in the scene any more" in session.status and not (tmp_path / "goals.csv").exists()


def test_figures_are_those_of_a_dose_that_came_while_another_patient_was_chosen(two, tmp_path) -> None:
    session, first, second, value = two
    session.panel.parameters.ct, session.panel.parameters.segmentation = first
    session.panel.parameters.scorecard = "head-and-neck"
    session.settle()
    points = session.panel.results.ui.scorecardTotalLabel.text
    session.predictor.factor = 0.5
    click(session.panel.run.ui.predictButton)
    session.standin.process_events(until=lambda: session.predictor.busy)
    session.panel.parameters.ct, session.panel.parameters.segmentation = second
    session.settle()
    session.predictor.finish()
    session.standin.process_events(until=lambda: not session.panel.logic.busy)
    session.panel.parameters.ct, session.panel.parameters.segmentation = first
    session.settle()
    assert float(cord_value(session)) == pytest.approx(float(value) / 2, abs=0.02)
    assert exported_cord(session, tmp_path) == pytest.approx(float(value) / 2, abs=0.02)
    assert session.panel.results.ui.scorecardTotalLabel.text != points
