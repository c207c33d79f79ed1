"""The table of structures: what was understood, corrections, presets, segments that change while it is open."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from DosePredictionScene.patient_from_nodes import patient_from_nodes
from DosePredictionScene.self_test import phantom_nodes
from panel_session import Session
from standin.gestures import choose, click

from DosePredictionLib.patient.structure import StructureRole

NAME, ROLE, STANDARD, DOSE, MATCH = range(5)


def row_of(session: Session, name: str) -> int:
    return [row.name for row in session.panel.structures.rows].index(name)


def text(session: Session, name: str, column: int) -> str:
    return str(session.panel.structures.ui.structuresTable.item(row_of(session, name), column).text())


def edit(session: Session, name: str, column: int, value: str) -> None:
    session.panel.structures.ui.structuresTable.item(row_of(session, name), column).setText(value)
    session.settle()


def segment_of(segmentation: Any, name: str) -> Any:
    return segmentation.GetSegmentation().GetSegment(segmentation.GetSegmentation().GetSegmentIdBySegmentName(name))


def test_each_segment_is_listed_with_what_it_was_taken_for(session: Session) -> None:
    session.phantom()
    rows = {row.name: row.choice for row in session.panel.structures.rows}
    assert rows["PTV70"].role is StructureRole.TARGET and text(session, "PTV70", DOSE) == "70"
    assert text(session, "SpinalCord", STANDARD) == "SpinalCord" and text(session, "SpinalCord", MATCH) == "100%"
    assert rows["BODY"].role is StructureRole.EXTERNAL


def test_organs_that_the_model_looks_for_and_that_are_missing_are_named(session: Session) -> None:
    session.phantom()
    note = session.panel.structures.ui.structuresNote
    assert note.text.startswith("All structures were understood.\nMissing organs that the model looks for: Brain")
    assert "SpinalCord" not in note.text
    edit(session, "SpinalCord", STANDARD, "Brainstem")
    assert "looks for: SpinalCord, Parotid_R, " in note.text


def test_corrections_reach_the_patient(session: Session) -> None:
    ct, segmentation = session.phantom()
    box = session.panel.structures._role_boxes[row_of(session, "SpinalCord")]
    choose(box, "measured")
    session.settle()
    edit(session, "PTV70", DOSE, "66,5 Gy")
    patient = patient_from_nodes(ct, segmentation)
    assert patient.prescription_gy == 66.5
    assert {s.name: s.role for s in patient.structures}["SpinalCord"] is StructureRole.OTHER
    assert text(session, "PTV70", MATCH) == "chosen"
    edit(session, "SpinalCord", STANDARD, "Brainstem")
    cord = {s.name: s for s in patient_from_nodes(ct, segmentation).structures}["SpinalCord"]
    assert cord.standard_name == "Brainstem" and cord.role is StructureRole.OAR
    click(session.panel.structures.ui.guessAgainButton)
    session.settle()
    assert text(session, "PTV70", DOSE) == "70" and text(session, "SpinalCord", STANDARD) == "SpinalCord"


def test_a_name_may_be_spelt_as_one_likes_but_must_be_known(session: Session) -> None:
    ct, segmentation = session.phantom()
    edit(session, "SpinalCord", STANDARD, "left parotid")
    assert text(session, "SpinalCord", STANDARD) == "Parotid_L"
    parotid = {s.name: s for s in patient_from_nodes(ct, segmentation).structures}["SpinalCord"]
    assert parotid.standard_name == "Parotid_L" and parotid.role is StructureRole.OAR
    edit(session, "SpinalCord", STANDARD, "thing 7")
    assert session.status.startswith("'thing 7' is no TG-263 name that is known")
    assert text(session, "SpinalCord", STANDARD) == "Parotid_L", "the one before stays"
    edit(session, "SpinalCord", STANDARD, "VB_T5")
    other = {s.name: s for s in patient_from_nodes(ct, segmentation).structures}["SpinalCord"]
    assert other.standard_name == "VB_T5" and other.role is StructureRole.OAR, "TG-263 has more than are known here"
    edit(session, "SpinalCord", STANDARD, "")
    assert text(session, "SpinalCord", STANDARD) == ""


def test_a_dose_in_cgy_or_none_is_marked_and_keeps_from_predicting(session: Session) -> None:
    session.phantom()
    button = session.panel.run.ui.predictButton
    edit(session, "PTV70", DOSE, "7000")
    assert not button.enabled and "It looks like cGy: type 70." in button.toolTip
    edit(session, "PTV70", DOSE, "")
    assert "The target PTV70 has no dose" in button.toolTip
    edit(session, "PTV70", DOSE, "seventy")
    assert "'seventy' is not a dose" in session.panel.run.ui.logEdit.plainText
    assert text(session, "PTV70", DOSE) == "", "what was no number is taken back"
    edit(session, "PTV70", DOSE, "70")
    assert button.enabled


def test_two_structures_in_one_role_are_marked(session: Session) -> None:
    _, segmentation = session.phantom()
    segment_of(segmentation, "SpinalCord").SetName("PTV_7000")
    session.settle()
    button = session.panel.run.ui.predictButton
    assert not button.enabled and "are both" in button.toolTip
    assert text(session, "PTV70", MATCH).startswith("\N{WARNING SIGN}")


def test_an_unknown_name_is_marked(session: Session) -> None:
    _, segmentation = session.phantom()
    segment_of(segmentation, "SpinalCord").SetName("Xyzzy")
    session.settle()
    assert "Please check: Xyzzy" in session.panel.structures.ui.structuresNote.text
    assert session.panel.run.ui.predictButton.enabled


def test_segments_deleted_and_added_while_the_panel_is_open(session: Session) -> None:
    _, segmentation = session.phantom()
    ids = segmentation.GetSegmentation()
    ids.RemoveSegment(ids.GetSegmentIdBySegmentName("SpinalCord"))
    session.settle()
    table = session.panel.structures.ui.structuresTable
    assert table.rowCount == 2 and {row.name for row in session.panel.structures.rows} == {"PTV70", "BODY"}
    ids.AddEmptySegment("", "Brainstem")
    session.settle()
    assert table.rowCount == 3 and text(session, "Brainstem", STANDARD) == "Brainstem"


def test_another_segmentation_is_another_table(session: Session) -> None:
    session.phantom()
    _, other = phantom_nodes()
    other.SetName("Other structures")
    segment_of(other, "PTV70").SetName("PTV_6000")
    choose(session.panel.inputs.ui.segmentationSelector, other)
    session.settle()
    assert text(session, "PTV_6000", DOSE) == "60"


def unfold(session: Session) -> None:
    """Show the buttons of the remembered names."""
    session.panel.structures.ui.presetsGroupBox.collapsed = False
    session.settle()


def test_remembered_names_are_folded_until_they_are_asked_for(session: Session) -> None:
    session.phantom()
    ui = session.panel.structures.ui
    assert not ui.applyPresetButton.isVisible() and not ui.savePresetButton.isVisible()
    unfold(session)
    assert ui.savePresetButton.isVisible() and ui.presetSelector.isVisible()


def test_an_institutions_names_are_remembered(session: Session) -> None:
    _, segmentation = session.phantom()
    segment_of(segmentation, "SpinalCord").SetName("MyCord")
    session.settle()
    edit(session, "MyCord", STANDARD, "SpinalCord")
    structures = session.panel.structures
    unfold(session)
    session.standin.dialogs.answer("Our clinic")
    click(structures.ui.savePresetButton)
    _, other = phantom_nodes()
    other.SetName("Other structures")
    segment_of(other, "SpinalCord").SetName("mycord")
    choose(session.panel.inputs.ui.segmentationSelector, other)
    session.settle()
    click(structures.ui.applyPresetButton)
    session.settle()
    assert text(session, "mycord", STANDARD) == "SpinalCord"
    click(structures.ui.deletePresetButton)
    assert not structures.ui.applyPresetButton.enabled


def test_an_institutions_names_go_to_a_colleague_as_a_file(session: Session, tmp_path: Path) -> None:
    _, segmentation = session.phantom()
    segment_of(segmentation, "SpinalCord").SetName("Rdzeń kręgowy")
    session.settle()
    edit(session, "Rdzeń kręgowy", STANDARD, "SpinalCord")
    ui, dialogs = session.panel.structures.ui, session.standin.dialogs
    unfold(session)
    dialogs.answer("Our clinic", str(tmp_path / "names.json"))
    click(ui.savePresetButton)
    click(ui.exportPresetButton)
    stored = json.loads((tmp_path / "names.json").read_text(encoding="utf-8"))
    assert stored["structures"]["Rdzeń kręgowy"]["standard_name"] == "SpinalCord"
    click(ui.deletePresetButton)
    assert not ui.exportPresetButton.enabled and ui.presetSelector.currentText == "none remembered yet"
    (tmp_path / "other.json").write_text('{"name": "no names"}')
    dialogs.answer(str(tmp_path / "other.json"), str(tmp_path / "names.json"))
    click(ui.importPresetButton)
    assert "other.json holds no structure names" in session.status and not ui.applyPresetButton.enabled
    click(ui.importPresetButton)
    assert ui.presetSelector.currentText == "Our clinic"
    click(ui.guessAgainButton)
    session.settle()
    assert text(session, "Rdzeń kręgowy", STANDARD) != "SpinalCord"
    click(ui.applyPresetButton)
    session.settle()
    assert text(session, "Rdzeń kręgowy", STANDARD) == "SpinalCord"


def test_names_are_still_remembered_when_the_application_starts_again(session: Session) -> None:
    session.phantom()
    unfold(session)
    session.standin.dialogs.answer("Our clinic")
    click(session.panel.structures.ui.savePresetButton)
    session.host.reload()
    session.settle()
    assert session.panel.structures.ui.presetSelector.currentText == "Our clinic"


def test_the_table_does_not_scroll_sideways(session: Session) -> None:
    session.phantom()
    table = session.panel.structures.ui.structuresTable
    header = table.horizontalHeader()
    assert table.columnCount == 5 and header.length() <= table.viewport().width
    assert all(table.columnWidth(column) >= 40 for column in range(5))


def test_a_structure_named_after_the_prediction_is_measured_at_once(session: Session) -> None:
    ct, segmentation = phantom_nodes()
    segments = segmentation.GetSegmentation()
    segments.GetSegment(segments.GetSegmentIdBySegmentName("SpinalCord")).SetName("xyz")
    session.panel.parameters.ct, session.panel.parameters.segmentation = ct, segmentation
    session.settle()
    session.predict()
    results = session.panel.results.ui
    box = results.scorecardSelector
    box.setCurrentIndex(box.findData("head-and-neck"))
    box.activated.emit(box.currentIndex)
    session.settle()

    def goals() -> list[tuple[str, str]]:
        table = results.goalsTable
        return [(table.item(row, 1).text(), table.item(row, 0).text()) for row in range(table.rowCount)]

    def scored() -> list[str]:
        table = results.scorecardTable
        return [table.item(row, 0).text() for row in range(table.rowCount)]

    before = scored()
    assert ("SpinalCord", "n/a") in goals()
    table = session.panel.structures.ui.structuresTable
    row = next(i for i, one in enumerate(session.panel.structures.rows) if one.name == "xyz")
    table.item(row, 2).setText("SpinalCord")
    session.settle()
    assert ("SpinalCord", "n/a") not in goals() and "xyz" in [name for name, _ in goals()]
    assert len(scored()) > len(before), "on the scorecard, too"
