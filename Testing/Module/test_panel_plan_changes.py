"""A plan that changes after its dose was predicted: goals follow, and what does not fit any more is said."""

from __future__ import annotations

from html import unescape
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
import slicer
from ct_series import make_from_dicom
from DosePredictionScene.headless_case import write_scene
from DosePredictionScene.patient_from_nodes import PlanContext
from DosePredictionScene.predicted_plan import PLAN_ATTRIBUTE, choices_predicted_for, predicted_plan
from DosePredictionScene.prediction_request import Request
from DosePredictionScene.prediction_run import PredictionRun
from DosePredictionScene.segment_choices import SegmentChoice, store_choice
from DosePredictionScene.self_test import phantom_nodes
from panel_session import Session, load_scene
from phantom_scene import PromptPredictor
from standin.gestures import choose, click, type_into

from DosePredictionLib.dosimetry.equivalent_dose import alpha_beta_of
from DosePredictionLib.patient.beams import Beam, BeamArrangement
from DosePredictionLib.patient.structure import StructureRole

DOSE_COLUMN = 3
PLAN = PlanContext(fractions=35, technique="IMRT", site="head-and-neck", beams=BeamArrangement.coplanar((0, 72, 144)))


def dose_of(session: Session) -> Any:
    return session.panel.parameters.ct.GetNodeReference("DosePrediction.Dose")


def cord_goal(session: Session) -> str:
    """The goal for the cord's maximum as the table has it."""
    table = session.panel.results.ui.goalsTable
    goals = [table.item(row, 2).text() for row in range(table.rowCount) if table.item(row, 1).text() == "SpinalCord"]
    return str(next(goal for goal in goals if goal.startswith(("D0.03cc", "Max"))))


def note(session: Session) -> str:
    label = session.panel.results.ui.planNote
    return str(label.text) if label.isVisible() else ""


@pytest.fixture
def predicted(session: Session) -> Session:
    session.phantom()
    session.panel.prescription.widget.collapsed = False
    parameters = session.panel.parameters
    parameters.fractions, parameters.technique, parameters.site = 35, "IMRT", "head-and-neck"
    session.settle()
    session.predict()
    return session


def test_goals_follow_the_number_of_fractions_at_once(predicted: Session) -> None:
    table = predicted.panel.results.ui.goalsTable
    before = cord_goal(predicted)
    assert "45" in before and "EQD2" not in before and note(predicted) == ""
    predicted.panel.prescription.ui.fractionsSpinBox.value = 20
    predicted.settle()
    # 45 Gy hold for 25 fractions and more. Equal effect in 20: D (1 + D / 20 / ab) = 45 (1 + 1.8 / ab), ab = 2 Gy.
    assert alpha_beta_of("SpinalCord").gy == 2.0
    equal = max(np.roots([1 / 40, 1.0, -45 * (1 + 1.8 / 2)]).real)
    assert f"{equal:.2f}" in cord_goal(predicted) and "EQD2" in cord_goal(predicted)
    assert not predicted.predictor.busy
    assert "35 fractions, now 20" in note(predicted), "the warnings are still those of 35"
    predicted.panel.prescription.ui.fractionsSpinBox.value = 35
    predicted.settle()
    assert cord_goal(predicted) == before and note(predicted) == "" and table.rowCount > 1


def test_a_field_of_beam_angles_that_is_left_empty_says_that_the_model_knows_no_beams(predicted: Session) -> None:
    field = predicted.panel.prescription.ui.beamAnglesEdit
    assert predicted_plan(dose_of(predicted)).context.beams is None
    assert field.text == "" and field.placeholderText.startswith("not known")
    assert "told of no beams" in field.toolTip


def test_a_changed_prescription_technique_or_beam_is_said_until_the_next_prediction(predicted: Session) -> None:
    structures, ui = predicted.panel.structures, predicted.panel.prescription.ui
    row = [row.name for row in structures.rows].index("PTV70")
    structures.ui.structuresTable.item(row, DOSE_COLUMN).setText("66")
    predicted.settle()
    assert "for another plan: PTV70 70 Gy, now PTV70 66 Gy. Predict again" in note(predicted)
    choose(ui.techniqueSelector, "VMAT")
    type_into(ui.beamAnglesEdit, "0, 90")
    predicted.settle()
    said = note(predicted)
    assert "IMRT, now VMAT" in said and "unknown beams, now beams at 0, 90 degrees" in said
    type_into(ui.beamAnglesEdit, "0, 9x")
    predicted.settle()  # half typed: the section above says so
    type_into(ui.beamAnglesEdit, "0, 90")
    predicted.settle()
    assert note(predicted) == said
    predicted.predict()
    assert note(predicted) == "" and predicted_plan(dose_of(predicted)).targets == (("PTV70", 66.0),)
    choose(ui.techniqueSelector, "not known")
    predicted.settle()
    assert note(predicted) == "", "what is not known contradicts nothing"


@pytest.mark.usefixtures("brief_gamma")
def test_the_report_says_that_the_dose_is_of_an_earlier_plan(predicted: Session, tmp_path: Path) -> None:
    def report(name: str) -> str:
        predicted.standin.dialogs.answer(str(tmp_path / name))
        click(predicted.panel.results.ui.exportReportButton)
        predicted.settle(seconds=120)
        return unescape((tmp_path / name).read_text(encoding="utf-8"))

    assert "another plan" not in report("before.html")
    choose(predicted.panel.prescription.ui.techniqueSelector, "VMAT")
    predicted.settle()
    said = note(predicted).removeprefix("\N{WARNING SIGN} ")
    assert "IMRT, now VMAT" in said and said in report("after.html")


def test_a_saved_scene_knows_the_plan_of_its_dose(predicted: Session, tmp_path: Path) -> None:
    choose(predicted.panel.prescription.ui.techniqueSelector, "VMAT")
    predicted.settle()
    write_scene(tmp_path / "scene.mrb")
    slicer.mrmlScene.Clear(False)
    predicted.settle()
    assert note(predicted) == ""
    load_scene(tmp_path / "scene.mrb", tmp_path / "unpacked")
    predicted.settle()
    assert "IMRT, now VMAT" in note(predicted)
    dose_of(predicted).SetAttribute(PLAN_ATTRIBUTE, "{edited by hand")
    choose(predicted.panel.prescription.ui.techniqueSelector, "Protons")
    predicted.settle()
    assert note(predicted) == ""


def test_the_plan_of_a_dose_that_a_script_predicted_fills_the_empty_fields(session: Session) -> None:
    ct, segmentation = phantom_nodes()
    run = PredictionRun(PromptPredictor)
    shown = run.predict(Request(ct, segmentation, plan=PLAN))
    run.close()
    rows = shown.nodes.goals.GetTable().GetMTime()
    session.panel.parameters.ct, session.panel.parameters.segmentation = ct, segmentation
    session.settle()
    parameters = session.panel.parameters
    assert (parameters.fractions, parameters.technique, parameters.site) == (35, "IMRT", "head-and-neck")
    assert parameters.beam_angles == "0, 72, 144" and note(session) == ""
    assert shown.nodes.goals.GetTable().GetMTime() == rows, "and there is nothing to measure anew"
    parameters.fractions = 0
    session.settle()
    assert parameters.fractions == 0, "what the user takes away stays away"


def target_figures(session: Session) -> list[str]:
    table = session.panel.results.ui.goalsTable
    rows = [[table.item(row, column).text() for column in range(4)] for row in range(table.rowCount)]
    return [f"{row[0]} {row[2]} {row[3]}" for row in rows if row[1] == "PTV70"]


def test_figures_and_rtdose_keep_the_prescription_predicted_for(
    predicted: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ct, segmentation = slicer.util.getNode("Phantom CT"), slicer.util.getNode("Phantom structures")
    structures, before = predicted.panel.structures, target_figures(predicted)
    row = [row.name for row in structures.rows].index("PTV70")
    structures.ui.structuresTable.item(row, DOSE_COLUMN).setText("60")
    predicted.settle()
    assert target_figures(predicted) == before
    cord = segmentation.GetSegmentation().GetSegmentIdBySegmentName("SpinalCord")
    _, y, x = np.indices((24, 40, 48))
    mask = (np.hypot(y - 32, x - 24) < 2).astype(np.uint8)
    slicer.util.updateSegmentBinaryLabelmapFromArray(mask, segmentation, cord, ct)
    predicted.settle()
    assert target_figures(predicted) == before, "measured anew, as the cord was drawn on"
    assert "PTV70 70 Gy, now PTV70 60 Gy" in note(predicted)
    make_from_dicom(ct, tmp_path / "ct", monkeypatch)
    predicted.panel.results.exports.show(dose_of(predicted), ct)
    predicted.standin.dialogs.answer(str(tmp_path / "rtdose.dcm"))
    click(predicted.panel.results.ui.exportDicomButton)
    predicted.settle()
    (overview,) = pydicom.dcmread(tmp_path / "rtdose.dcm").PlanOverviewSequence
    assert overview.PrescriptionOverviewSequence[0].TotalPrescriptionDose == 70.0


def test_two_targets_of_one_name_keep_their_own_prescriptions(session: Session) -> None:
    ct, node = session.phantom()
    segmentation = node.GetSegmentation()
    first, second = segmentation.GetSegmentIdBySegmentName("PTV70"), segmentation.AddEmptySegment("", "PTV")
    cube = np.pad(np.ones((4, 4, 4), np.uint8), ((10, 10), (18, 18), (22, 22)))
    slicer.util.updateSegmentBinaryLabelmapFromArray(cube, node, second, ct)
    segmentation.GetSegment(first).SetName("PTV")
    for segment_id, prescription_gy in ((first, 50.0), (second, 60.0)):
        choice = SegmentChoice(StructureRole.TARGET, None, prescription_gy)
        store_choice(segmentation.GetSegment(segment_id), choice)
    session.settle()
    session.predict()
    assert choices_predicted_for(dose_of(session), node) == {}, "nothing has changed"
    structures, rows = session.panel.structures, [row.name for row in session.panel.structures.rows]
    structures.ui.structuresTable.item(rows.index("PTV"), DOSE_COLUMN).setText("")
    session.settle()
    assert "PTV 50 Gy, PTV 60 Gy, now PTV no dose, PTV 60 Gy" in note(session)
    structures.ui.structuresTable.item(rows.index("PTV"), DOSE_COLUMN).setText("50")
    session.settle()
    store_choice(segmentation.GetSegment(second), SegmentChoice(StructureRole.TARGET, None, 50.0))
    assert choices_predicted_for(dose_of(session), node) == {}, "nothing tells which had 60 Gy"
    session.predict()
    store_choice(segmentation.GetSegment(second), SegmentChoice(StructureRole.TARGET, None, 60.0))
    (then,) = choices_predicted_for(dose_of(session), node).values()
    assert then.prescription_gy == 50.0, "both had"


def test_beams_about_an_isocentre_of_their_own_do_not_fill_the_field(session: Session) -> None:
    """About the targets' middle, which the field means, they would be other beams."""
    ct, segmentation = phantom_nodes()
    run = PredictionRun(PromptPredictor)
    beams = BeamArrangement((Beam(0.0), Beam(90.0)), (10.0, 20.0, 30.0))
    run.predict(Request(ct, segmentation, plan=PlanContext(fractions=35, beams=beams)))
    run.close()
    session.panel.prescription.widget.collapsed = session.panel.results.widget.collapsed = False
    parameters = session.panel.parameters
    parameters.ct, parameters.segmentation = ct, segmentation
    session.settle()
    assert parameters.fractions == 35 and parameters.beam_angles == ""
    predicted_for = "beams at 0, 90 degrees about R -10.0, A -20.0, S 30.0 mm"
    assert f"{predicted_for}, now unknown beams" in note(session)
    type_into(session.panel.prescription.ui.beamAnglesEdit, "0, 90")
    session.settle()
    assert f"{predicted_for}, now beams at 0, 90 degrees." in note(session)
    dose_of(session).SetAttribute(PLAN_ATTRIBUTE, dose_of(session).GetAttribute(PLAN_ATTRIBUTE).replace("10.0", '"?"'))
    assert predicted_plan(dose_of(session)) is None, "edited by hand"


def test_only_coplanar_beams_fill_the_field(session: Session) -> None:
    from DosePredictionPanel.plan_fields import take_plan

    session.phantom()
    parameters = session.panel.parameters
    for turned in (BeamArrangement((Beam(0.0), Beam(40.0, 30.0))), BeamArrangement((Beam(0.0),), (1.0, 2.0, 3.0))):
        take_plan(PlanContext(beams=turned), parameters)
        assert parameters.beam_angles == "", "they would become other beams"
    take_plan(PlanContext(beams=BeamArrangement.coplanar((0.0, 40.0))), parameters)
    assert parameters.beam_angles == "0, 40"


def test_a_changed_site_is_said_and_dose_a_fraction_told(predicted: Session) -> None:
    assert predicted.panel.prescription.ui.targetsLabel.text == "PTV70: 70 Gy (2.00 Gy x 35)"
    predicted.panel.parameters.site = "brain"
    predicted.settle()
    assert "head-and-neck, now brain" in note(predicted)
