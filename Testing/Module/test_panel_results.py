"""The results section: overlay, isodoses, curves, goals, exports."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
import slicer
from panel_session import Session, session  # noqa: F401
from phantom_scene import ras_of_voxel
from standin.fixtures import standin  # noqa: F401
from standin.gestures import choose, click, click_cell, type_into

COLUMNS = ("Verdict", "Structure", "Goal", "Predicted", "Clinical", "Difference")


@pytest.fixture
def predicted(session: Session) -> Session:  # noqa: F811
    """A prediction, with a clinical dose of 2 Gy less everywhere."""
    ct, _ = session.phantom()
    session.predict()
    dose = slicer.util.arrayFromVolume(dose_of(session))
    clinical = slicer.util.addVolumeFromArray(np.maximum(dose - 2.0, 0.0), name="Clinical")
    clinical.CopyOrientation(ct)
    session.panel.parameters.clinical_dose = clinical
    session.settle()
    session.predict()
    return session


def dose_of(session: Session) -> Any:  # noqa: F811
    return session.panel.parameters.ct.GetNodeReference("DosePrediction.Dose")


def composites() -> list[Any]:
    return list(slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode"))


def test_overlay_opacity_and_threshold(predicted: Session) -> None:
    ui, dose = predicted.panel.results.ui, dose_of(predicted)
    assert all(node.GetForegroundVolumeID() == dose.GetID() for node in composites())
    ui.opacitySlider.value = 0.8
    ui.thresholdSlider.value = 50.0
    predicted.settle()
    assert all(node.GetForegroundOpacity() == 0.8 for node in composites())
    assert dose.GetDisplayNode().GetLowerThreshold() == 35.0
    click(ui.overlayCheckBox)
    predicted.settle()
    assert not any(node.GetForegroundVolumeID() for node in composites())
    click(ui.overlayCheckBox)
    predicted.settle()
    assert all(node.GetForegroundVolumeID() == dose.GetID() for node in composites())


def test_the_difference_map_is_predicted_less_clinical(predicted: Session) -> None:
    choose(predicted.panel.results.ui.overlaySelector, "Difference, predicted - clinical")
    predicted.settle()
    node = predicted.panel.parameters.ct.GetNodeReference("DosePrediction.DoseDifference")
    assert all(composite.GetForegroundVolumeID() == node.GetID() for composite in composites())
    dose = slicer.util.arrayFromVolume(dose_of(predicted))
    difference = slicer.util.arrayFromVolume(node)
    assert np.allclose(difference[dose > 3.0], 2.0, atol=1e-3)
    assert node.GetAttribute("DicomRtImport.DoseVolume") is None, "SlicerRT must not take a difference for a dose"
    choose(predicted.panel.results.ui.overlaySelector, "Clinical dose")
    predicted.settle()
    clinical = predicted.panel.parameters.clinical_dose
    assert all(composite.GetForegroundVolumeID() == clinical.GetID() for composite in composites())


def test_isodoses_in_percent_and_gray(predicted: Session) -> None:
    ui = predicted.panel.results.ui
    model = dose_of(predicted).GetNodeReference("DosePrediction.IsodoseSurfaces")
    type_into(ui.levelsEdit, "50, 95")
    predicted.settle()
    assert levels_of(model) == [35.0, 66.5]
    choose(ui.isodoseUnitSelector, "Gy")
    predicted.settle()
    assert ui.levelsEdit.text == "35, 66.5" and levels_of(model) == [35.0, 66.5], "the doses stay"
    type_into(ui.levelsEdit, "20, 60")
    predicted.settle()
    assert levels_of(model) == [20.0, 60.0]
    type_into(ui.levelsEdit, "20, much")
    predicted.settle()
    assert "'much' is not an isodose level" in predicted.panel.run.ui.logEdit.plainText
    click(ui.isodoses3DCheckBox)
    click(ui.isodoses2DCheckBox)
    predicted.settle()
    assert model.GetDisplayNode().GetVisibility3D() and not model.GetDisplayNode().GetVisibility2D()


def levels_of(model: Any) -> list[float]:
    return sorted({round(float(v), 3) for v in slicer.util.arrayFromModelPointData(model, "isolevels")})


def test_window_presets(predicted: Session) -> None:
    choose(predicted.panel.results.ui.windowSelector, "bone")
    predicted.settle()
    display = predicted.panel.parameters.ct.GetDisplayNode()
    assert (display.GetWindow(), display.GetLevel()) == (2000.0, 300.0)


def test_curves_are_switched_off_and_on(predicted: Session) -> None:
    import qt

    chart = dose_of(predicted).GetNodeReference("DosePrediction.DvhChart")
    shown = chart.GetNumberOfPlotSeriesNodes()
    ui = predicted.panel.results.ui
    rows = [ui.dvhList.item(index).text() for index in range(ui.dvhList.count)]
    item = ui.dvhList.item(rows.index("SpinalCord"))
    item.setCheckState(qt.Qt.Unchecked)
    predicted.settle()
    names = {chart.GetNthPlotSeriesNode(index).GetName() for index in range(chart.GetNumberOfPlotSeriesNodes())}
    assert len(names) == shown - 2 and not any(name.startswith("SpinalCord") for name in names)
    nodes = slicer.mrmlScene.GetNumberOfNodes()
    predicted.predict()
    assert slicer.mrmlScene.GetNumberOfNodes() == nodes, "hidden curves are found again"
    item = ui.dvhList.item(rows.index("SpinalCord"))
    item.setCheckState(qt.Qt.Checked)
    predicted.settle()
    assert chart.GetNumberOfPlotSeriesNodes() == shown


def test_goals_compare_and_sort(predicted: Session) -> None:
    table = predicted.panel.results.ui.goalsTable
    assert not table.isColumnHidden(COLUMNS.index("Clinical"))
    rows = [[table.item(row, column).text() for column in range(6)] for row in range(table.rowCount)]
    judged = next(row for row in rows if row[1] == "SpinalCord" and row[3] != "-")
    assert float(judged[3].split()[0]) - float(judged[4].split()[0]) == pytest.approx(2.0, abs=0.02)
    assert judged[5] == "+2.00 Gy"
    header = table.horizontalHeader()
    header.sectionClicked.emit(COLUMNS.index("Predicted"))
    numbers = [
        float(text.split()[0])
        for text in (table.item(row, 3).text() for row in range(table.rowCount))
        if text != "-"
    ]
    assert numbers == sorted(numbers)
    header.sectionClicked.emit(COLUMNS.index("Verdict"))
    assert table.item(table.rowCount - 1, 0).text() == "not applicable"


def test_a_click_on_a_goal_goes_to_the_structures_maximum(predicted: Session) -> None:
    table = predicted.panel.results.ui.goalsTable
    row = next(row for row in range(table.rowCount) if table.item(row, 1).text() == "SpinalCord")
    click_cell(table, row, 1)
    dose = dose_of(predicted)
    inside = slicer.util.arrayFromSegmentBinaryLabelmap(
        predicted.panel.parameters.segmentation,
        predicted.panel.parameters.segmentation.GetSegmentation().GetSegmentIdBySegmentName("SpinalCord"),
        dose,
    )
    array = np.where(inside != 0, slicer.util.arrayFromVolume(dose), -1.0)
    point = ras_of_voxel(dose, *(int(i) for i in np.unravel_index(array.argmax(), array.shape)))
    red = slicer.mrmlScene.GetNodeByID("vtkMRMLSliceNodeRed")
    assert red.GetSliceOffset() == pytest.approx(point[2], abs=0.01)
    assert "highest dose in SpinalCord" in predicted.status
    missing = next(row for row in range(table.rowCount) if table.item(row, 0).text() == "not applicable")
    click_cell(table, missing, 1)
    assert "nowhere to go" in predicted.status


def test_exports(predicted: Session, tmp_path: Path) -> None:
    ui, dialogs = predicted.panel.results.ui, predicted.standin.dialogs
    dialogs.answer(str(tmp_path / "dose.nrrd"), str(tmp_path), str(tmp_path / "report.html"), None)
    click(ui.exportDoseButton)
    click(ui.exportTablesButton)
    click(ui.exportReportButton)
    predicted.panel.refresh()
    predicted.settle()
    click(ui.exportReportButton)  # cancelled
    written = sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / "dose.nrrd")))
    assert np.array_equal(written, slicer.util.arrayFromVolume(dose_of(predicted)))
    assert {path.name for path in tmp_path.glob("*.csv")} == {"dvh.csv", "dvh-summary.csv", "goals.csv"}
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "Research use, not for clinical decisions." in page and "SpinalCord" in page and "Clinical" in page
