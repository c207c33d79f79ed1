"""A folder of predictions as ``predict`` leaves it is what ``evaluate`` and ``scorecard`` take, whatever the format."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import pytest
from phantom import ball_dose, ball_patient
from test_cli import refused
from tiny import tiny_weights

from DosePredictionLib.cli.main import main
from DosePredictionLib.patient.writer_folder import write_patient_folder

pytestmark = pytest.mark.usefixtures("worker_thread")


def cases(folder: Path, *names: str) -> Path:
    for name in names:
        write_patient_folder(replace(ball_patient(), reference_dose=ball_dose()), folder / name)
    return folder


@pytest.mark.parametrize("suffix", ["nrrd", "nifti"])
@pytest.mark.parametrize("names", [("a",), ("a", "b")])
@pytest.mark.parametrize("command", ["evaluate", "scorecard"])
def test_what_predict_leaves_is_found(command, names, suffix, tmp_path):
    data, out, doses = cases(tmp_path / "data", *names), tmp_path / "out", tmp_path / "doses"
    weights = str(tiny_weights(tmp_path / "tiny.safetensors"))
    predict = ["predict", str(data), "-o", str(doses), "--weights", weights, "--device", "cpu", "--format", suffix]
    assert main(predict) == 0
    table = out / "scores.csv"
    assert (
        main([command, str(data), "--predictions", str(doses), "-o", str(out if command == "evaluate" else table)]) == 0
    )
    rows = list(csv.DictReader(open(table, newline="", encoding="utf-8")))
    assert [row["patient"] for row in rows] == [*names, "mean"]


@pytest.mark.parametrize("command", ["evaluate", "scorecard"])
def test_of_several_cases_a_lone_dose_is_nobodys(command, tmp_path, capsys):
    data, doses = cases(tmp_path / "data", "a", "b"), tmp_path / "doses"
    ball_dose(2.0).write(doses / "dose.nrrd")
    arguments = [command, str(data), "--predictions", str(doses), "-o", str(tmp_path / "out")]
    assert main(arguments) == 2
    assert "There is no prediction for a" in capsys.readouterr().err and not (tmp_path / "out").exists()
    assert "There is no folder" in refused([*arguments[:3], str(tmp_path / "none"), *arguments[4:]], capsys)


@pytest.mark.parametrize("given", [".", "../data", "../data/"])
def test_a_data_set_has_the_name_of_its_folder(given, tmp_path, monkeypatch):
    monkeypatch.chdir(cases(tmp_path / "data", "a"))
    ball_dose(2.0).write(tmp_path / "doses" / "a" / "dose.nrrd")
    assert main(["evaluate", given, "--predictions", str(tmp_path / "doses"), "-o", str(tmp_path / "out")]) == 0
    assert json.loads((tmp_path / "out" / "summary.json").read_text())["dataset"] == "data"


@pytest.mark.parametrize("name", ["dvh", "Goals"])
def test_a_case_called_as_a_table_of_a_prediction(name, tmp_path, capsys):
    """By itself its PATIENT.csv would be that table."""
    data, doses = cases(tmp_path / "data", name), tmp_path / "doses"
    weights = str(tiny_weights(tmp_path / "tiny.safetensors"))
    predict = ["predict", str(data), "-o", str(doses), "--device", "cpu", "--samples", "1"]
    told = refused([*predict, "--format", "openkbp", "--weights", str(tmp_path / "none.safetensors")], capsys)
    assert f"The case {name} would give its table the name of another one, {name.lower()}.csv" in told
    assert not doses.exists()
    assert main([*predict, "--weights", weights]) == 0
    scores = tmp_path / "scores.csv"
    assert main(["scorecard", str(data), "--predictions", str(doses), "-o", str(scores)]) == 0
