"""The results section: overlay, isodoses, curves, goals, exports."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
import slicer
from ct_series import make_from_dicom
from panel_session import Session
from phantom_scene import ras_of_voxel, scene_nodes
from standin.gestures import choose, click, click_cell, type_into

COLUMNS = ("Verdict", "Structure", "Goal", "Predicted", "Clinical", "Difference")

#: Five millimetres to the patient's left.
SHIFTED = np.array([[1.0, 0, 0, -5.0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])


@pytest.fixture
def predicted(session: Session) -> Session:
    """A prediction, with a clinical dose of 2 Gy less everywhere."""
    ct, _ = session.phantom()
    session.predict()
    session.add_clinical_dose()
    session.predict()
    return session


def dose_of(session: Session) -> Any:
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


def test_small_differences_are_clear(predicted: Session) -> None:
    ui, parameters = predicted.panel.results.ui, predicted.panel.parameters
    dose, clinical = dose_of(predicted), parameters.clinical_dose
    hot = np.unravel_index(slicer.util.arrayFromVolume(dose).argmax(), slicer.util.arrayFromVolume(dose).shape)
    slicer.util.arrayFromVolume(clinical)[hot] += 5.0  # 3 Gy less predicted there than clinical
    slicer.util.arrayFromVolumeModified(clinical)
    assert ui.thresholdSlider.isVisible() and not ui.differenceSlider.isVisible()
    choose(ui.overlaySelector, "Difference, predicted - clinical")
    predicted.settle()
    assert ui.differenceSlider.isVisible() and not ui.thresholdSlider.isVisible()
    node = parameters.ct.GetNodeReference("DosePrediction.DoseDifference")
    difference = slicer.util.arrayFromVolume(node)
    assert difference[hot] == pytest.approx(-3.0, abs=1e-3)
    for from_gy, seen in ((1.0, {2.0: True, -3.0: True, 0.5: False}), (2.5, {2.0: False, -3.0: True, 0.5: False})):
        ui.differenceSlider.value = from_gy
        predicted.settle()
        assert {gray: opacity_at(node, gray) > 0.0 for gray in seen} == seen
    red, _, blue = colour_at(node, -3.0)
    assert blue > red + 0.2, "less was predicted: blue"
    red, _, blue = colour_at(node, 3.0)
    assert red > blue + 0.2, "more was predicted: red"


def colour_at(node: Any, gray: float) -> tuple[float, float, float]:
    return tuple(_looked_up(node, gray)[:3])


def opacity_at(node: Any, gray: float) -> float:
    return _looked_up(node, gray)[3]


def _looked_up(node: Any, gray: float) -> list[float]:
    """Colour and opacity of a value, by the display's window and colour table."""
    display, colour = node.GetDisplayNode(), [0.0] * 4
    table = display.GetColorNode()
    low, high = display.GetWindowLevelMin(), display.GetWindowLevelMax()
    index = round((gray - low) / (high - low) * (table.GetNumberOfColors() - 1))
    table.GetColor(index, colour)
    return colour


def test_the_uncertainty_map_and_the_bands_are_one_standard_deviation(session: Session) -> None:
    session.phantom()
    session.predictor.std_part = 0.03
    session.predict()
    ui, ct = session.panel.results.ui, session.panel.parameters.ct
    dose = slicer.util.arrayFromVolume(dose_of(session))
    std = ct.GetNodeReference("DosePrediction.DoseStandardDeviation")
    assert np.allclose(slicer.util.arrayFromVolume(std), 0.03 * dose, atol=1e-4)
    choose(ui.overlaySelector, "Uncertainty")
    session.settle()
    assert all(composite.GetForegroundVolumeID() == std.GetID() for composite in composites())
    display = std.GetDisplayNode()
    assert (display.GetWindowLevelMin(), display.GetWindowLevelMax()) == pytest.approx((0.0, 3.5)), "5 % of 70 Gy"

    chart = dose_of(session).GetNodeReference("DosePrediction.DvhChart")
    names = lambda: {chart.GetNthPlotSeriesNode(i).GetName() for i in range(chart.GetNumberOfPlotSeriesNodes())}  # noqa: E731
    assert not any("band" in name for name in names())
    click(ui.bandsCheckBox)
    session.settle()
    assert {"PTV70 (lower band)", "PTV70 (upper band)"} <= names()
    # The spread is 3 % of the dose everywhere: the curves are the mean's, read at 0.97 and 1.03 of the dose.
    table = dose_of(session).GetNodeReference("DosePrediction.DvhTable")
    doses, mean, low, high = (
        slicer.util.arrayFromTableColumn(table, name)
        for name in ("Dose [Gy]", "PTV70", "PTV70 (lower band)", "PTV70 (upper band)")
    )
    assert np.allclose(low, np.interp(doses / 0.97, doses, mean), atol=1.0)
    assert np.allclose(high, np.interp(doses / 1.03, doses, mean), atol=1.0)
    d95 = [float(doses[curve >= 95.0].max()) for curve in (low, mean, high)]
    assert d95[0] == pytest.approx(0.97 * d95[1], abs=0.11) and d95[2] == pytest.approx(1.03 * d95[1], abs=0.11)
    click(ui.bandsCheckBox)
    session.settle()
    assert not any("band" in name for name in names())


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


def test_surfaces_in_3d_are_in_a_view_that_is_laid_out(predicted: Session) -> None:
    box = predicted.panel.results.ui.isodoses3DCheckBox
    layout = slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLLayoutNode")
    arrangements = slicer.vtkMRMLLayoutNode
    assert layout.GetViewArrangement() == arrangements.SlicerLayoutFourUpPlotTableView
    click(box)
    predicted.settle()
    for view in ("vtkMRMLViewNode", "vtkMRMLPlotViewNode", "vtkMRMLSliceNode"):
        assert f'"{view}"' in layout.GetCurrentLayoutDescription()
    assert "Conventional Plot" in predicted.status
    click(box)
    for arrangement in (arrangements.SlicerLayoutConventionalPlotView, arrangements.SlicerLayoutFourUpView):
        layout.SetViewArrangement(arrangement)
        click(box)
        click(box)
        assert layout.GetViewArrangement() == arrangement, "the user's, with a 3D view"


def levels_of(model: Any) -> list[float]:
    return sorted({round(float(v), 3) for v in slicer.util.arrayFromModelPointData(model, "isolevels")})


def test_window_presets(predicted: Session) -> None:
    """Black and white in HU, as usual on CT consoles: what a window is for lies between them."""
    display = predicted.panel.parameters.ct.GetDisplayNode()
    for name, black, white in (("bone", -700.0, 1300.0), ("lung", -1350.0, 150.0), ("brain", 0.0, 80.0)):
        choose(predicted.panel.results.ui.windowSelector, name)
        predicted.settle()
        assert (display.GetWindowLevelMin(), display.GetWindowLevelMax()) == (black, white)


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
    assert judged[5] == "+2.00"
    header = table.horizontalHeader()
    header.sectionClicked.emit(COLUMNS.index("Predicted"))
    numbers = [
        float(text.split()[0]) for text in (table.item(row, 3).text() for row in range(table.rowCount)) if text != "-"
    ]
    assert numbers == sorted(numbers)
    header.sectionClicked.emit(COLUMNS.index("Verdict"))
    assert table.item(table.rowCount - 1, 0).text() == "n/a"


def test_a_click_on_a_goal_goes_to_the_structures_maximum(predicted: Session) -> None:
    table = predicted.panel.results.ui.goalsTable
    row = next(row for row in range(table.rowCount) if table.item(row, 1).text() == "SpinalCord")
    click_cell(table, row, 1)
    predicted.settle()
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
    missing = next(row for row in range(table.rowCount) if table.item(row, 0).text() == "n/a")
    click_cell(table, missing, 1)
    predicted.settle()
    assert "nowhere to go" in predicted.status


@pytest.mark.usefixtures("brief_gamma")
def test_exports(predicted: Session, tmp_path: Path) -> None:
    ui, dialogs = predicted.panel.results.ui, predicted.standin.dialogs
    dialogs.answer(str(tmp_path / "dose.nrrd"), str(tmp_path), str(tmp_path / "report.html"), None)
    click(ui.exportDoseButton)
    click(ui.exportTablesButton)
    click(ui.exportReportButton)
    predicted.panel.refresh()
    predicted.settle(seconds=120)
    click(ui.exportReportButton)  # cancelled
    written = sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / "dose.nrrd")))
    assert np.array_equal(written, slicer.util.arrayFromVolume(dose_of(predicted)))
    assert {path.name for path in tmp_path.glob("*.csv")} == {"dvh.csv", "dvh-summary.csv", "goals.csv"}
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "not for clinical decisions" in page and "SpinalCord" in page and "Reference" in page


def test_dicom_is_offered_where_the_ct_came_from_dicom(
    predicted: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ui, ct = predicted.panel.results.ui, predicted.panel.parameters.ct
    assert not ui.exportDicomButton.enabled
    assert "not loaded from DICOM" in ui.exportDicomButton.toolTip
    make_from_dicom(ct, tmp_path / "ct", monkeypatch)
    predicted.host.leave()
    predicted.host.enter()
    predicted.panel.results.take(predicted.panel.logic.shown)
    predicted.settle()
    assert ui.exportDicomButton.enabled
    predicted.standin.dialogs.answer(str(tmp_path / "rtdose.dcm"))
    click(ui.exportDicomButton)
    predicted.settle()
    written = pydicom.dcmread(tmp_path / "rtdose.dcm")
    assert (written.Modality, written.DoseUnits, written.PatientID) == ("RTDOSE", "GY", "phantom")
    dose = slicer.util.arrayFromVolume(dose_of(predicted))
    stored = written.pixel_array * float(written.DoseGridScaling)
    assert stored.max() == pytest.approx(dose.max(), rel=1e-6)
    assert stored.sum() == pytest.approx(float(dose.sum()), rel=1e-5)
    (overview,) = written.PlanOverviewSequence
    (prescription,) = overview.PrescriptionOverviewSequence
    target = predicted.panel.logic.shown.prediction.patient.targets[0]
    assert (prescription.EntityLongLabel, prescription.TotalPrescriptionDose) == (target.name, target.prescription_gy)
    # Under a registration, or after it was hardened, world is not the CT's frame of reference any more.
    transform = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    transform.SetMatrixTransformToParent(slicer.util.vtkMatrixFromArray(SHIFTED))
    for node in (ct, dose_of(predicted)):
        node.SetAndObserveTransformNodeID(transform.GetID())
    predicted.standin.dialogs.answer(str(tmp_path / "moved.dcm"), str(tmp_path / "moved.dcm"))
    for _ in range(2):
        click(ui.exportDicomButton)
        predicted.settle()
        assert "does not lie where its DICOM files say" in predicted.status
        for node in (ct, dose_of(predicted)):
            node.HardenTransform()
    assert not (tmp_path / "moved.dcm").exists()


def test_typed_levels_are_drawn_on_the_next_prediction_too(session: Session) -> None:
    session.phantom()
    session.predict()
    type_into(session.panel.results.ui.levelsEdit, "50, 95")
    session.settle()
    model = dose_of(session).GetNodeReference("DosePrediction.IsodoseSurfaces")
    assert sorted(set(slicer.util.arrayFromModelPointData(model, "isolevels").round(2))) == [35.0, 66.5]
    session.predict()
    assert sorted(set(slicer.util.arrayFromModelPointData(model, "isolevels").round(2))) == [35.0, 66.5]


def test_a_dose_that_is_removed_while_its_levels_are_drawn(session: Session) -> None:
    session.phantom()
    session.predict()
    before = scene_nodes().keys()
    session.panel.parameters.isodose_levels = "50, 95"
    session.standin.process_events(until=lambda: bool(session.panel.jobs))
    slicer.mrmlScene.RemoveNode(dose_of(session))
    session.settle()
    assert "The dose was removed" in session.status and scene_nodes().keys() <= before
    assert session.panel.run.ui.logEdit.plainText.count("Traceback") == 0


def test_no_difference_map_of_the_dose_before_is_left(predicted: Session) -> None:
    ui = predicted.panel.results.ui
    choose(ui.overlaySelector, "Difference, predicted - clinical")
    predicted.settle()
    choose(ui.overlaySelector, "Predicted dose")
    predicted.settle()
    ct = predicted.panel.parameters.ct
    assert slicer.util.arrayFromVolume(ct.GetNodeReference("DosePrediction.DoseDifference")).max() < 2.1
    predicted.predictor.factor = 1.2
    predicted.predict()
    assert ct.GetNodeReference("DosePrediction.DoseDifference") is None
    choose(ui.overlaySelector, "Difference, predicted - clinical")
    predicted.settle()
    assert slicer.util.arrayFromVolume(ct.GetNodeReference("DosePrediction.DoseDifference")).max() > 10.0
