"""A scene saved with a prediction, closed and loaded: entering the module, all is as it was, and can be exported."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
import slicer
from DosePredictionScene.headless_case import write_scene
from panel_session import Session, load_scene
from PySide6 import QtCore, QtWidgets
from standin.gestures import choose, click


@pytest.fixture
def saved(session: Session, tmp_path: Path) -> Path:
    """A scene with a prediction looked at in a way of one's own."""
    ct, _ = session.phantom()
    session.predictor.std_part = 0.03
    session.predict()
    session.add_clinical_dose()
    session.predict()
    ui, parameters = session.panel.results.ui, session.panel.parameters
    parameters.hidden_curves, parameters.window, parameters.isodose_levels = "SpinalCord", "bone", "50, 95"
    parameters.threshold_percent, parameters.opacity = 30.0, 0.7
    session.settle()
    choose(ui.overlaySelector, "Uncertainty")
    session.settle()
    path = tmp_path / "scene.mrb"
    write_scene(path)
    return path


def seen(session: Session) -> dict[str, Any]:
    """What a user sees of a prediction."""
    panel, parameters = session.panel, session.panel.parameters
    dose = parameters.ct.GetNodeReference("DosePrediction.Dose")
    chart = dose.GetNodeReference("DosePrediction.DvhChart")
    goals, curves = panel.results.ui.goalsTable, panel.results.ui.dvhList
    composites = slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode")
    (plot_view,) = slicer.util.getNodesByClass("vtkMRMLPlotViewNode")
    (table_view,) = slicer.util.getNodesByClass("vtkMRMLTableViewNode")
    isodoses = dose.GetNodeReference("DosePrediction.IsodoseSurfaces")
    return {
        "dose": float(slicer.util.arrayFromVolume(dose).sum()),
        "curves": [chart.GetNthPlotSeriesNode(i).GetName() for i in range(chart.GetNumberOfPlotSeriesNodes())],
        "checked": {curves.item(i).text(): int(curves.item(i).checkState()) for i in range(curves.count)},
        "goals": [[goals.item(row, column).text() for column in range(6)] for row in range(goals.rowCount)],
        "overlay": {slicer.mrmlScene.GetNodeByID(node.GetForegroundVolumeID()).GetName() for node in composites},
        "opacity": {node.GetForegroundOpacity() for node in composites},
        "threshold": dose.GetDisplayNode().GetLowerThreshold(),
        "window": parameters.ct.GetDisplayNode().GetWindow(),
        "levels": sorted({round(float(v), 2) for v in slicer.util.arrayFromModelPointData(isodoses, "isolevels")}),
        "chart": plot_view.GetPlotChartNode() is chart,
        "table": table_view.GetTableNode() is dose.GetNodeReference("DosePrediction.GoalsTable"),
        "roles": {row.name: row.choice.role for row in panel.structures.rows},
        "chosen overlay": panel.results.ui.overlaySelector.currentText,
    }


@contextmanager
def progress_dialog() -> Iterator[list[int]]:
    """What Slicer shows while it loads: it counts nodes, and lets the application run at each; gives those counts."""
    dialog = QtWidgets.QProgressDialog("Loading file ...", "", 0, 100)
    dialog.setCancelButton(None)
    dialog.setWindowModality(QtCore.Qt.WindowModality.WindowModal)
    dialog.setMinimumDuration(0)  # Slicer's dialog comes after a second, which a large scene takes
    dialog.setValue(0)
    dialog.setValue(25)
    counts: list[int] = []

    def count(*_: Any) -> None:
        counts.append(min(26 + len(counts), 99))
        dialog.setValue(counts[-1])

    tag = slicer.mrmlScene.AddObserver(slicer.mrmlScene.NodeAddedEvent, count)
    try:
        yield counts
    finally:
        slicer.mrmlScene.RemoveObserver(tag)
        dialog.setValue(100)
        dialog.deleteLater()


def test_a_saved_scene_shows_the_prediction_as_it_was(session: Session, saved: Path, tmp_path: Path) -> None:
    before = seen(session)
    assert "SpinalCord" not in before["curves"] and before["checked"]["SpinalCord"] == 0
    assert before["overlay"] == {"Phantom CT predicted dose, uncertainty"}
    session.host.leave()
    slicer.mrmlScene.Clear(False)
    session.standin.process_events()
    load_scene(saved, tmp_path / "unpacked")
    session.host.enter()
    session.settle()
    after = seen(session)
    assert after.pop("dose") == pytest.approx(before.pop("dose"), rel=1e-6)
    assert after == before
    session.predict()
    assert "Dose predicted" in session.status, "and it can be predicted again"
    assert seen(session)["goals"] == before["goals"]


def test_a_scene_opened_with_the_panel_in_sight_is_left_alone_until_all_of_it_is_there(
    session: Session, saved: Path, tmp_path: Path
) -> None:
    before = seen(session)
    with progress_dialog() as counts:
        load_scene(saved, tmp_path / "unpacked")
    assert len(counts) > 20, "the application ran at every node"
    session.settle()
    after = seen(session)
    assert after.pop("dose") == pytest.approx(before.pop("dose"), rel=1e-6)
    assert after == before
    dose = session.panel.parameters.ct.GetNodeReference("DosePrediction.Dose")
    kinds = [dose.GetNthDisplayNode(number).GetClassName() for number in range(dose.GetNumberOfDisplayNodes())]
    assert sorted(kinds) == ["vtkMRMLColorLegendDisplayNode", "vtkMRMLScalarVolumeDisplayNode"]
    assert "does not say" not in session.panel.run.ui.logEdit.plainText


def test_a_dose_does_not_lie_over_the_ct_of_a_scene_that_is_added(session: Session, tmp_path: Path) -> None:
    composites = slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode")
    other = slicer.util.addVolumeFromArray(np.zeros((4, 4, 4), np.int16), name="Other CT")
    for node in composites:
        node.SetBackgroundVolumeID(other.GetID())
    slicer.mrmlScene.RemoveNode(session.panel.parameters.node)
    write_scene(tmp_path / "other.mrb")
    slicer.mrmlScene.Clear(False)
    session.settle()
    session.phantom()
    session.predict()
    with progress_dialog():
        load_scene(tmp_path / "other.mrb", tmp_path / "unpacked", add=True)
    session.settle()
    other = slicer.mrmlScene.GetFirstNodeByName("Other CT")
    assert {node.GetBackgroundVolumeID() for node in composites} == {other.GetID()}
    assert {node.GetForegroundVolumeID() for node in composites} == {None}


@pytest.mark.usefixtures("brief_gamma")
def test_what_was_loaded_can_be_exported(session: Session, saved: Path, tmp_path: Path) -> None:
    goals = seen(session)["goals"]
    slicer.mrmlScene.Clear(False)
    session.settle()
    load_scene(saved, tmp_path / "unpacked")
    session.settle()
    ui, out = session.panel.results.ui, tmp_path / "out"
    out.mkdir()
    session.standin.dialogs.answer(str(out), str(out / "dose.nrrd"), str(out / "report.html"))
    click(ui.exportTablesButton)
    session.settle()
    with (out / "goals.csv").open(encoding="utf-8") as file:
        verdicts = Counter(row["verdict"] for row in csv.DictReader(file))
    assert verdicts["pass"] == sum(row[0] == "pass" for row in goals) > 0
    click(ui.exportDoseButton)
    session.settle()
    dose = session.panel.parameters.ct.GetNodeReference("DosePrediction.Dose")
    assert np.array_equal(
        sitk.GetArrayFromImage(sitk.ReadImage(str(out / "dose.nrrd"))), slicer.util.arrayFromVolume(dose)
    )
    click(ui.exportReportButton)
    session.settle(seconds=120)
    assert "SpinalCord" in (out / "report.html").read_text(encoding="utf-8")


@pytest.mark.usefixtures("brief_gamma")
def test_the_uncertainty_of_a_loaded_scene_is_reported(session: Session, saved: Path, tmp_path: Path) -> None:
    slicer.mrmlScene.Clear(False)
    session.settle()
    load_scene(saved, tmp_path / "unpacked")
    session.settle()
    session.standin.dialogs.answer(str(tmp_path / "report.html"))
    click(session.panel.results.ui.exportReportButton)
    session.settle(seconds=120)
    assert "<h2>Uncertainty</h2>" in (tmp_path / "report.html").read_text(encoding="utf-8")
