"""Scorecards in the panel: bundled ones and files, points beside another dose, what is left out, scenes and exports."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
import slicer
from DosePredictionScene.headless_case import write_scene
from panel_session import Session, assert_never_stood_still, load_scene
from phantom_scene import dangling_references
from standin.gestures import choose, click
from standin.main_thread_watch import watched_main_thread

from DosePredictionLib.dosimetry.scorecard_reading import find_scorecard
from DosePredictionLib.dosimetry.scorecard_scoring import score_dose

STRUCTURE, METRIC, VALUE, POINTS, CLINICAL, MAXIMUM = range(6)
HEAD_AND_NECK, LUNG = (find_scorecard(name) for name in ("head-and-neck", "lung"))


def template(structure: str, points: list[tuple[float, float]], **more: Any) -> dict[str, Any]:
    """One template of a file, the mean dose in Gy unless told otherwise."""
    given = {"MetricType": "MeanDose", "InputValue": 0.0, "InputUnit": "", "OutputUnit": "Gy", **more}
    corners = [{"PointX": value, "Score": score} for value, score in points]
    return {"Structure": {"StructureId": structure}, **given, "ScorePoints": corners}


@pytest.fixture
def card_file(tmp_path: Path) -> Path:
    """A card of which the phantom lacks one structure, and whose third metric isn't known."""
    path = tmp_path / "ours.json"
    templates = [
        template("SpinalCord", [(0.0, 10.0), (100.0, 0.0)]),
        template("Larynx", [(0.0, 5.0), (50.0, 0.0)]),
        template("PTV70", [(0.0, 1.0)], MetricType="Unheard"),
        template("PTV70", [(0.0, 0.0), (70.0, 20.0)], MetricType="DoseAtVolume", InputValue=50.0, InputUnit="%"),
    ]
    path.write_text(json.dumps({"TemplateName": "Ours", "Site": "Any", "ScoreTemplates": templates}))
    return path


@pytest.fixture
def predicted(session: Session) -> Session:
    session.phantom()
    session.predict()
    return session


def ui_of(session: Session) -> Any:
    return session.panel.results.ui


def rows(session: Session) -> list[list[str]]:
    table = ui_of(session).scorecardTable
    return [[table.item(row, column).text() for column in range(6)] for row in range(table.rowCount)]


def dose_of(session: Session) -> Any:
    return session.panel.parameters.ct.GetNodeReference("DosePrediction.Dose")


def table_node(session: Session) -> Any:
    return dose_of(session).GetNodeReference("DosePrediction.ScorecardTable")


def open_file(session: Session, path: Path | str) -> None:
    session.standin.dialogs.answer(str(path))
    choose(ui_of(session).scorecardSelector, "From a file...")
    session.settle()


def test_none_is_chosen_at_first_and_the_cards_of_the_site_come_first(predicted: Session) -> None:
    ui = ui_of(predicted)
    box = ui.scorecardSelector
    texts = lambda: [box.itemText(index) for index in range(box.count)]  # noqa: E731
    assert box.currentText == "None" and not ui.scorecardTable.isVisible() and table_node(predicted) is None
    assert texts() == ["None", HEAD_AND_NECK.name, LUNG.name, "From a file..."]
    predicted.panel.parameters.site = "thorax"
    predicted.settle()
    assert texts() == ["None", LUNG.name, HEAD_AND_NECK.name, "From a file..."] and box.currentText == "None"


def test_a_bundled_card_scores_the_dose_as_the_library_does(predicted: Session) -> None:
    ui, contents = ui_of(predicted), predicted.panel._scroll_area.widget()
    width = contents.width
    with watched_main_thread() as longest:
        choose(ui.scorecardSelector, HEAD_AND_NECK.name)
        predicted.settle()
    assert_never_stood_still(longest)
    prediction = predicted.panel.logic.shown.prediction
    expected = score_dose(HEAD_AND_NECK, prediction.patient, prediction.dose)
    counted = [row for row in expected.rows if row.counts]
    assert counted and len(counted) < len(expected.rows), "the phantom has a cord and a target, and no parotids"
    shown = rows(predicted)
    assert [(row[METRIC], row[VALUE], row[POINTS], row[MAXIMUM]) for row in shown[:-1]] == [
        (row.template.text, f"{row.value:.{2 if row.template.unit else 3}f}", f"{row.score:.1f}",
         f"{row.template.maximum:g}")
        for row in counted
    ]  # fmt: skip
    total = ("Total", "", f"{expected.percent:.1f} %", f"{expected.score:.1f}", "", f"{expected.maximum:g}")
    assert tuple(shown[-1]) == total
    assert f"{expected.score:.1f} of {expected.maximum:g} points" in ui.scorecardTotalLabel.text
    assert ui.scorecardTable.isColumnHidden(CLINICAL), "there is nothing to compare with"
    for row in expected.rows:
        if not row.counts:
            assert f"{row.structure_label} {row.template.text}" in ui.scorecardRemarksEdit.plainText
            assert row.reason.rstrip(".") in ui.scorecardRemarksEdit.plainText
    assert contents.width == width, "long sentences don't widen the panel"
    choose(ui.scorecardSelector, "None")
    predicted.settle()
    assert not ui.scorecardTable.isVisible() and not ui.scorecardRemarksEdit.isVisible()
    assert table_node(predicted) is None and not dangling_references()


def test_a_file_is_scored_beside_the_dose_compared_with(predicted: Session, card_file: Path) -> None:
    ui = ui_of(predicted)
    predicted.add_clinical_dose()
    open_file(predicted, card_file)
    assert ui.scorecardSelector.currentText == "ours.json" and predicted.panel.parameters.scorecard == str(card_file)
    cord, target, total = rows(predicted)
    assert not ui.scorecardTable.isColumnHidden(CLINICAL)
    # Ten points at no dose, none at 100 Gy: a tenth of a point a Gy.
    assert float(cord[POINTS]) == pytest.approx(10.0 - 0.1 * float(cord[VALUE]), abs=0.06)
    assert float(cord[CLINICAL]) == pytest.approx(float(cord[POINTS]) + 0.2, abs=0.11), "2 Gy less"
    # Twenty points at 70 Gy, so 2 Gy less are 4 / 7 of a point less.
    assert float(target[CLINICAL]) == pytest.approx(20.0 * (float(target[VALUE]) - 2.0) / 70.0, abs=0.06)
    assert float(total[POINTS]) == pytest.approx(float(cord[POINTS]) + float(target[POINTS]), abs=0.11)
    assert float(total[CLINICAL]) == pytest.approx(float(cord[CLINICAL]) + float(target[CLINICAL]), abs=0.11)
    assert total[MAXIMUM] == "30", "what was left out can't be earned"
    assert "Clinical: " in ui.scorecardTotalLabel.text
    left_out = ui.scorecardRemarksEdit.plainText.split("\n")
    assert left_out[0] == "Left out because the patient has no Larynx: Larynx Dmean [Gy]."
    assert "Unheard is not known here: PTV70 Unheard [Gy]." in left_out[1]

    predicted.panel.parameters.clinical_dose = None
    predicted.settle()
    assert ui.scorecardTable.isColumnHidden(CLINICAL)
    click(ui.keepButton)
    predicted.settle()
    choose(ui.compareSelector, "Kept analytic, seed 0: dose of Phantom CT")
    predicted.settle()
    assert ui.scorecardTable.horizontalHeaderItem(CLINICAL).text() == "Comp."
    assert rows(predicted)[-1][CLINICAL] == rows(predicted)[-1][POINTS], "nothing else has been predicted yet"
    assert "Compared: " in ui.scorecardTotalLabel.text
    slicer.mrmlScene.RemoveNode(predicted.panel.parameters.compared)
    predicted.settle()
    assert ui.scorecardTable.isColumnHidden(CLINICAL), "the dose compared with is gone"


def test_a_bad_file_gives_a_sentence_and_changes_nothing(predicted: Session, card_file: Path, tmp_path: Path) -> None:
    ui = ui_of(predicted)
    open_file(predicted, card_file)
    before = rows(predicted)
    bad = tmp_path / "bad.json"
    for text, expected in (
        ("{", "bad.json"),
        ("{}", "no scorecard of PlanScoreCard"),
        (json.dumps({"ScoreTemplates": [template("PTV70", [])]}), "Template 1 (PTV70)"),
        (json.dumps({"ScoreTemplates": [template("PTV70", [(1.0, 1.0)], OutputUnit="m")]}), "use Gy, cGy, % or cc"),
    ):
        bad.write_text(text)
        open_file(predicted, bad)
        assert expected in predicted.status and "Traceback" not in predicted.panel.run.ui.logEdit.plainText
        assert predicted.panel.parameters.scorecard == str(card_file)
        assert ui.scorecardSelector.currentText == "ours.json" and rows(predicted) == before
    open_file(predicted, tmp_path / "card.txt")
    assert "does not end with .json" in predicted.status and rows(predicted) == before
    open_file(predicted, "")
    assert predicted.panel.parameters.scorecard == str(card_file), "cancelled"

    # The chosen file itself goes bad.
    card_file.write_text("[]")
    predicted.panel.refresh()
    predicted.settle()
    assert "no scorecard of PlanScoreCard" in predicted.status and rows(predicted) == before


def test_a_new_prediction_and_a_changed_file_are_scored_anew(predicted: Session, card_file: Path) -> None:
    open_file(predicted, card_file)
    before = float(rows(predicted)[0][VALUE])
    predicted.predictor.factor = 0.5
    predicted.predict()
    assert float(rows(predicted)[0][VALUE]) == pytest.approx(before / 2.0, rel=0.03)
    content = json.loads(card_file.read_text())
    content["ScoreTemplates"] = content["ScoreTemplates"][:1]
    card_file.write_text(json.dumps(content))
    predicted.panel.refresh()
    predicted.settle()
    assert [row[STRUCTURE] for row in rows(predicted)] == ["SpinalCord", "Total"]


def test_a_saved_scene_brings_the_scorecard_back_without_its_file(
    predicted: Session, card_file: Path, tmp_path: Path
) -> None:
    ui = ui_of(predicted)
    predicted.add_clinical_dose()
    open_file(predicted, card_file)
    seen = lambda: (rows(predicted), ui.scorecardTotalLabel.text, ui.scorecardRemarksEdit.plainText)  # noqa: E731
    before = seen()
    write_scene(tmp_path / "scene.mrb")
    slicer.mrmlScene.Clear(False)
    predicted.settle()
    assert not rows(predicted) and not ui.scorecardTable.isVisible()
    load_scene(tmp_path / "scene.mrb", tmp_path / "with-file")
    predicted.settle()
    assert seen() == before and ui.scorecardSelector.currentText == "ours.json"

    # On another computer.
    slicer.mrmlScene.Clear(False)
    predicted.settle()
    card_file.unlink()
    load_scene(tmp_path / "scene.mrb", tmp_path / "without-file")
    predicted.settle()
    assert seen() == before and ui.scorecardSelector.currentText == "ours.json (not found here)"
    choose(ui.scorecardSelector, HEAD_AND_NECK.name)
    predicted.settle()
    assert rows(predicted)[-1][MAXIMUM] != before[0][-1][MAXIMUM], "and another card can be chosen"


def test_the_scorecard_is_exported_with_the_tables(predicted: Session, card_file: Path, tmp_path: Path) -> None:
    ui, out = ui_of(predicted), tmp_path / "out"
    out.mkdir()
    predicted.standin.dialogs.answer(str(out))
    click(ui.exportTablesButton)
    predicted.settle()
    assert (out / "goals.csv").exists() and not list(out.glob("scorecard*")), "none is chosen"
    predicted.add_clinical_dose()
    open_file(predicted, card_file)
    predicted.standin.dialogs.answer(str(out), 0x400)  # OK: replace
    click(ui.exportTablesButton)
    predicted.settle()
    shown = rows(predicted)[-1]
    for name, column in (("scorecard.csv", POINTS), ("scorecard-clinical.csv", CLINICAL)):
        with (out / name).open(encoding="utf-8") as file:
            lines = list(csv.DictReader(file))
        assert [line["structure"] for line in lines] == ["SpinalCord", "Larynx", "PTV70", "PTV70", "total"]
        assert float(lines[-1]["score"]) == pytest.approx(float(shown[column]), abs=0.051)
        assert "no Larynx" in lines[1]["reason"]


def test_a_prediction_that_comes_while_the_user_is_elsewhere_is_scored_on_return(
    predicted: Session, card_file: Path, tmp_path: Path
) -> None:
    open_file(predicted, card_file)
    before = float(rows(predicted)[0][VALUE])
    predicted.predictor.factor = 0.5
    click(predicted.panel.run.ui.predictButton)
    predicted.standin.process_events(until=lambda: predicted.predictor.busy)
    predicted.host.leave()
    predicted.predictor.finish()
    predicted.standin.process_events(until=lambda: not predicted.panel.logic.busy)
    predicted.host.enter()
    predicted.settle()
    assert float(rows(predicted)[0][VALUE]) == pytest.approx(before / 2.0, rel=0.03)
    predicted.standin.dialogs.answer(str(tmp_path))
    click(ui_of(predicted).exportTablesButton)
    predicted.settle()
    with (tmp_path / "scorecard.csv").open(encoding="utf-8") as file:
        assert float(next(csv.DictReader(file))["value"]) == pytest.approx(before / 2.0, rel=0.03)


def test_older_scenes_know_of_a_compared_dose_that_is_gone() -> None:
    from DosePredictionScene.compared_with import GONE, compared_with

    table = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTableNode")
    assert compared_with(table) == ""
    table.SetAttribute("DosePrediction.ScorecardCompares", "true")
    assert compared_with(table) == GONE
