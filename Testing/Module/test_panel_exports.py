"""Exports where something lies already, and names typed without an ending."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from panel_session import Session
from standin.gestures import click

from DosePredictionLib.errors import InputError

OK, CANCEL = 0x400, 0x400000  # of QMessageBox
EARLIER = "of another patient\n"
NAMES = ("dvh.csv", "dvh-summary.csv", "goals.csv", "scorecard.csv", "scorecard-clinical.csv")


@pytest.fixture
def predicted(session: Session) -> Session:
    session.phantom()
    session.predict()
    return session


@pytest.fixture
def used_folder(tmp_path: Path) -> Path:
    """A folder with the tables of another patient."""
    folder = tmp_path / "tables"
    folder.mkdir()
    for name in (*NAMES, "notes.csv"):
        (folder / name).write_text(EARLIER)
    return folder


def write_tables_into(session: Session, folder: Path, answer: int) -> None:
    session.standin.dialogs.answer(str(folder), answer)
    click(session.panel.results.ui.exportTablesButton)
    session.settle()


def test_tables_of_another_patient_are_replaced_only_when_the_user_agrees(
    predicted: Session, used_folder: Path
) -> None:
    write_tables_into(predicted, used_folder, CANCEL)
    assert all(path.read_text() == EARLIER for path in used_folder.iterdir())
    assert all(name in predicted.standin.dialogs.texts[-1] for name in NAMES)
    write_tables_into(predicted, used_folder, OK)
    assert {path.name for path in used_folder.iterdir()} == {*NAMES[:3], "notes.csv"}, "no scorecard is chosen"
    assert (used_folder / "notes.csv").read_text() == EARLIER
    assert all((used_folder / name).read_text() != EARLIER for name in NAMES[:3])


def test_earlier_tables_stay_whole_where_the_new_ones_cannot_be_written(
    predicted: Session, used_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_arguments: object) -> None:
        raise InputError("The disk is full.")

    monkeypatch.setattr("DosePredictionPanel.exported_tables.write_goals_csv", fail)
    write_tables_into(predicted, used_folder, OK)
    assert predicted.status == "The disk is full."
    assert {path.name for path in used_folder.iterdir()} == {*NAMES, "notes.csv"}
    assert all(path.read_text() == EARLIER for path in used_folder.iterdir())


@pytest.mark.usefixtures("brief_gamma")
def test_a_name_typed_without_an_ending_gets_one(predicted: Session, tmp_path: Path) -> None:
    ui, dialogs = predicted.panel.results.ui, predicted.standin.dialogs
    for button, typed, written in (
        (ui.exportReportButton, "pat1", "pat1.html"),
        (ui.exportDoseButton, "pat1-dose", "pat1-dose.nrrd"),
        (ui.exportDoseButton, "pat1.v2", "pat1.v2.nrrd"),
        (ui.exportDoseButton, "pat1.NII.GZ", "pat1.NII.GZ"),
        (ui.exportDoseButton, "pat1.mha", "pat1.mha"),
    ):
        dialogs.answer(str(tmp_path / typed))
        click(button)
        predicted.settle(seconds=120)
        assert predicted.status == f"Written: {tmp_path / written}"
        assert (tmp_path / written).stat().st_size > 0
    assert len(list(tmp_path.glob("pat1*"))) == 5
    dialogs.answer(str(tmp_path / "pat1"), CANCEL)
    (tmp_path / "pat1.html").write_text(EARLIER)
    click(ui.exportReportButton)
    predicted.settle()
    assert "pat1.html" in dialogs.texts[-1] and (tmp_path / "pat1.html").read_text() == EARLIER


def test_remembered_names_are_exported_as_json(predicted: Session, tmp_path: Path) -> None:
    ui = predicted.panel.structures.ui
    ui.presetsGroupBox.collapsed = False
    predicted.standin.dialogs.answer("Our clinic", str(tmp_path / "names"))
    click(ui.savePresetButton)
    click(ui.exportPresetButton)
    assert (tmp_path / "names.json").is_file() and not (tmp_path / "names").exists()


@pytest.mark.usefixtures("brief_gamma")
def test_exported_tables_and_report_are_of_the_predicted_dose(session: Session, tmp_path: Path) -> None:
    ct, _ = session.phantom()
    session.predictor.std_part = 0.03
    session.predict()
    session.add_clinical_dose(20.0)
    ui = session.panel.results.ui
    session.standin.dialogs.answer(str(tmp_path), str(tmp_path / "report.html"))
    click(ui.exportTablesButton)
    click(ui.exportReportButton)
    session.settle(seconds=120)
    cord = session.panel.logic.shown.prediction.dvhs["SpinalCord"]
    summary, goals, curves = (
        list(csv.DictReader((tmp_path / name).open(encoding="utf-8")))
        for name in ("dvh-summary.csv", "goals.csv", "dvh.csv")
    )
    means = {row["structure"]: float(row["mean_gy"]) for row in summary}
    assert means["SpinalCord"] == pytest.approx(cord.mean_gy, abs=0.01)
    last = max(float(row["dose_gy"]) for row in curves if float(row["SpinalCord"]) > 0.0)
    assert last == pytest.approx(cord.max_gy, abs=0.06)
    goal = next(row for row in goals if row["structure"] == "SpinalCord" and row["metric"] == "D0.03cc")
    assert float(goal["value"]) == pytest.approx(cord.max_gy, abs=1.0)
    assert "<h2>Uncertainty</h2>" in (tmp_path / "report.html").read_text(encoding="utf-8")
