"""Several predictions of one patient: one is kept, another compared with it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import slicer
from DosePredictionScene.headless_case import write_scene
from DosePredictionScene.kept_dose import KEPT_STD_ROLE
from panel_session import Session, assert_never_stood_still, load_scene
from phantom_scene import ras_of_voxel, transform_node
from standin.gestures import choose, click
from standin.main_thread_watch import watched_main_thread

PREDICTED, COMPARED, DIFFERENCE = 3, 4, 5


def dose_of(session: Session) -> Any:
    return session.panel.parameters.ct.GetNodeReference("DosePrediction.Dose")


def cord_row(session: Session) -> list[str]:
    table = session.panel.results.ui.goalsTable
    texts = [[table.item(row, column).text() for column in range(6)] for row in range(table.rowCount)]
    return next(row for row in texts if row[1] == "SpinalCord" and row[3] != "-")


def heading(session: Session) -> str:
    return str(session.panel.results.ui.goalsTable.horizontalHeaderItem(COMPARED).text())


def d50(session: Session, column: str) -> float:
    """Of the target, read off the DVH table."""
    table = dose_of(session).GetNodeReference("DosePrediction.DvhTable")
    gray, percent = (slicer.util.arrayFromTableColumn(table, name) for name in ("Dose [Gy]", column))
    return float(gray[percent >= 50.0].max())


@pytest.fixture
def kept(session: Session) -> Session:
    """A prediction kept, a later one of 10 % more dose, and a clinical dose of 2 Gy less than the later."""
    ct, _ = session.phantom()
    session.predict()
    click(session.panel.results.ui.keepButton)
    session.settle()
    session.predictor.factor = 1.1
    session.panel.parameters.seed = 5
    session.settle()
    session.predict()
    session.add_clinical_dose()
    return session


def kept_node() -> Any:
    return slicer.util.getFirstNodeByName("Kept analytic, seed 0: dose of Phantom CT")


def test_a_kept_prediction_is_not_overwritten(kept: Session) -> None:
    first, second = (slicer.util.arrayFromVolume(node) for node in (kept_node(), dose_of(kept)))
    assert second.max() == pytest.approx(1.1 * first.max(), rel=1e-6)
    assert kept_node().GetAttribute("DicomRtImport.DoseVolume") == "1", "SlicerRT takes it for a dose"
    click(kept.panel.results.ui.keepButton)
    kept.settle()
    texts = [kept.panel.results.ui.compareSelector.itemText(n) for n in range(3)]
    assert texts == ["Clinical dose", kept_node().GetName(), "Kept analytic, seed 5: dose of Phantom CT"]


def test_its_standard_deviation_is_kept_with_it(session: Session) -> None:
    ct, _ = session.phantom()
    session.predictor.std_part = 0.03
    session.predict()
    click(session.panel.results.ui.keepButton)
    session.predictor.std_part, session.predictor.factor = 0.05, 1.1
    session.predict()
    first, std = kept_node(), kept_node().GetNodeReference(KEPT_STD_ROLE)
    dose, deviation = slicer.util.arrayFromVolume(first), slicer.util.arrayFromVolume(std)
    assert np.allclose(deviation, 0.03 * dose, atol=1e-4) and deviation.max() > 2.0
    assert std.GetName() == f"{first.GetName()}, uncertainty"
    assert std.GetAttribute("DicomRtImport.DoseVolume") is None, "SlicerRT must not take it for a dose"
    assert std.GetDisplayNode().GetWindowLevelMax() == pytest.approx(3.5), "5 % of the prescription"
    session.predictor.std_part = None
    session.predict()
    assert ct.GetNodeReference("DosePrediction.DoseStandardDeviation") is None
    assert np.array_equal(slicer.util.arrayFromVolume(std), deviation), "a prediction of one sample leaves it alone"
    click(session.panel.results.ui.keepButton)
    second = slicer.util.getFirstNodeByName("Kept analytic, seed 0: dose of Phantom CT_1")
    assert second is not None and second.GetNodeReference(KEPT_STD_ROLE) is None


def test_goals_and_curves_follow_a_clinical_dose_that_comes_later(kept: Session) -> None:
    row = cord_row(kept)
    assert heading(kept) == "Clin." and row[DIFFERENCE] == "+2.00", "measured anew without predicting again"
    assert d50(kept, "PTV70") - d50(kept, "PTV70 (reference)") == pytest.approx(2.0, abs=0.15)


def test_compared_with_a_kept_prediction(kept: Session) -> None:
    ui = kept.panel.results.ui
    with watched_main_thread() as longest:
        choose(ui.compareSelector, kept_node().GetName())
        kept.settle()
    assert_never_stood_still(longest)
    row = cord_row(kept)
    assert heading(kept) == "Comp."
    assert float(row[PREDICTED]) == pytest.approx(1.1 * float(row[COMPARED]), abs=0.02)
    assert d50(kept, "PTV70") == pytest.approx(1.1 * d50(kept, "PTV70 (reference)"), abs=0.2)
    choose(ui.overlaySelector, f"Difference, predicted - {kept_node().GetName()}")
    kept.settle()
    node = kept.panel.parameters.ct.GetNodeReference("DosePrediction.DoseDifference")
    first = slicer.util.arrayFromVolume(kept_node())
    assert np.allclose(slicer.util.arrayFromVolume(node), 0.1 * first, atol=1e-3)
    assert kept_node().GetName() in node.GetName(), "its name does not speak of the clinical dose"
    nodes = slicer.mrmlScene.GetNumberOfNodes()
    choose(ui.compareSelector, "Clinical dose")
    kept.settle()
    assert heading(kept) == "Clin." and cord_row(kept)[DIFFERENCE] == "+2.00"
    assert np.allclose(slicer.util.arrayFromVolume(node)[first > 3.0], 2.0, atol=1e-3), "so does the map"
    assert slicer.mrmlScene.GetNumberOfNodes() == nodes


def test_the_next_prediction_is_compared_with_the_kept_one(kept: Session) -> None:
    choose(kept.panel.results.ui.compareSelector, kept_node().GetName())
    kept.settle()
    kept.predictor.factor = 1.2
    kept.predict()
    row = cord_row(kept)
    assert float(row[PREDICTED]) == pytest.approx(1.2 * float(row[COMPARED]), abs=0.02)
    slicer.mrmlScene.RemoveNode(kept_node())
    kept.settle()
    assert heading(kept) == "Clin.", "the clinical dose takes the place of a dose that is gone"
    assert float(cord_row(kept)[DIFFERENCE]) > 2.0


def test_hidden_curves_stay_hidden(kept: Session) -> None:
    kept.panel.parameters.hidden_curves = "SpinalCord"
    kept.settle()
    choose(kept.panel.results.ui.compareSelector, kept_node().GetName())
    kept.settle()
    chart = dose_of(kept).GetNodeReference("DosePrediction.DvhChart")
    names = {chart.GetNthPlotSeriesNode(n).GetName() for n in range(chart.GetNumberOfPlotSeriesNodes())}
    assert "PTV70 (reference)" in names and not any(name.startswith("SpinalCord") for name in names)


def test_a_prediction_begun_at_once_after_the_choice_wins(kept: Session) -> None:
    choose(kept.panel.results.ui.compareSelector, kept_node().GetName())
    kept.predictor.factor = 1.3
    kept.predict()
    row = cord_row(kept)
    assert float(row[PREDICTED]) == pytest.approx(1.3 * float(row[COMPARED]), abs=0.02)


def test_a_saved_scene_knows_what_was_compared(kept: Session, tmp_path: Path) -> None:
    choose(kept.panel.results.ui.compareSelector, kept_node().GetName())
    kept.settle()
    row = cord_row(kept)
    write_scene(tmp_path / "scene.mrb")
    slicer.mrmlScene.Clear(False)
    kept.settle()
    load_scene(tmp_path / "scene.mrb", tmp_path / "unpacked")
    kept.settle()
    assert kept.panel.results.ui.compareSelector.currentText == kept_node().GetName()
    assert heading(kept) == "Comp." and cord_row(kept) == row
    choose(kept.panel.results.ui.compareSelector, "Clinical dose")
    kept.settle()
    assert heading(kept) == "Clin." and cord_row(kept)[DIFFERENCE] == "+2.00"


def test_figures_of_a_dose_that_was_removed_go_with_it(session: Session) -> None:
    session.phantom()
    session.predict()
    click(session.panel.results.ui.keepButton)
    session.settle()
    session.predictor.factor = 1.1
    session.predict()
    ui = session.panel.results.ui
    choose(ui.compareSelector, kept_node().GetName())
    session.settle()
    chart = dose_of(session).GetNodeReference("DosePrediction.DvhChart")
    assert chart.GetNumberOfPlotSeriesNodes() == 6 and ui.goalsTable.item(0, COMPARED).text() != ""
    slicer.mrmlScene.RemoveNode(kept_node())
    session.settle()
    assert ui.compareSelector.currentText == "Nothing"
    assert chart.GetNumberOfPlotSeriesNodes() == 3 and "reference" not in chart.GetTitle()
    assert dose_of(session).GetNodeReference("DosePrediction.GoalsTable").GetColumnIndex("Difference") < 0


def test_a_clinical_dose_in_cgy_is_refused_when_it_is_chosen_later(session: Session) -> None:
    ct, _ = session.phantom()
    session.predict()
    dose = slicer.util.arrayFromVolume(dose_of(session))
    clinical = slicer.util.addVolumeFromArray(100.0 * dose, name="Clinical cGy")
    clinical.CopyOrientation(ct)
    choose(session.panel.inputs.ui.clinicalDoseSelector, clinical)
    session.settle()
    assert "cGy" in session.status and cord_row(session)[COMPARED] in ("", "-")
    choose(session.panel.inputs.ui.clinicalDoseSelector, ct)
    session.settle()
    assert cord_row(session)[COMPARED] in ("", "-"), "the CT is no dose"


def test_a_volume_that_goes_is_not_replaced_by_its_neighbour(kept: Session) -> None:
    parameters = kept.panel.parameters
    choose(kept.panel.results.ui.overlaySelector, "Difference, predicted - clinical")
    kept.settle()
    slicer.mrmlScene.RemoveNode(parameters.clinical_dose)
    kept.settle()
    assert parameters.clinical_dose is None
    slicer.mrmlScene.RemoveNode(parameters.ct)
    kept.settle()
    assert parameters.ct is None and not kept.panel.run.ui.predictButton.enabled


@pytest.mark.parametrize("chosen_while", [0, 3, 30])
def test_a_choice_taken_back_while_it_is_measured_leaves_nothing(kept: Session, chosen_while: int) -> None:
    parameters, table = kept.panel.parameters, kept.panel.results.ui.goalsTable
    texts = [table.item(row, 2).text() for row in range(table.rowCount)]
    parameters.goals = "quantec"
    for _ in range(chosen_while):
        kept.standin.process_events()
    parameters.goals = "head-and-neck"
    kept.settle()
    assert [table.item(row, 2).text() for row in range(table.rowCount)] == texts
    assert dose_of(kept).GetAttribute("DosePrediction.MeasuredGoals") == "head-and-neck"


def test_a_scorecard_taken_back_while_it_is_scored_leaves_none(kept: Session) -> None:
    box = kept.panel.results.ui.scorecardSelector
    for index in (box.findData("head-and-neck"), 0):
        box.setCurrentIndex(index)
        box.activated.emit(index)
        kept.standin.process_events()
    kept.settle()
    assert dose_of(kept).GetNodeReference("DosePrediction.ScorecardTable") is None
    assert not kept.panel.results.ui.scorecardTable.visible


def test_a_kept_dose_lies_where_the_dose_did_and_is_in_gray(session: Session) -> None:
    ct, segmentation = session.phantom()
    moved = np.eye(4)
    moved[:3, 3] = (100.0, 20.0, -30.0)
    for node in (ct, segmentation):
        node.SetAndObserveTransformNodeID(transform_node(moved).GetID())
    session.settle()
    session.predict()
    click(session.panel.results.ui.keepButton)
    for voxel in ((0, 0, 0), (12, 20, 24)):
        assert np.allclose(ras_of_voxel(kept_node(), *voxel), ras_of_voxel(dose_of(session), *voxel), atol=1e-6)
        assert np.allclose(ras_of_voxel(kept_node(), *voxel), ras_of_voxel(ct, *voxel), atol=1e-6)
    assert kept_node().GetVoxelValueUnits().GetCodeValue() == "Gy"
