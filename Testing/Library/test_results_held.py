"""Results that another program has open, as Excel has a table on Windows, cost neither the work nor other cases."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
from phantom import ball_dose, ball_patient
from test_cli import refused
from test_cli_batches import modality_weights
from tiny import tiny_weights

from DosePredictionLib import whole_file
from DosePredictionLib.cli.evaluate import tables_of
from DosePredictionLib.cli.main import main, parser
from DosePredictionLib.cli.result_folders import remove_earlier_prediction
from DosePredictionLib.errors import InputError
from DosePredictionLib.inference import modality
from DosePredictionLib.inference.modality import predict_modality
from DosePredictionLib.patient.image_file import read_scalar_volume
from DosePredictionLib.patient.writer_folder import write_patient_folder

pytestmark = pytest.mark.usefixtures("worker_thread")


@pytest.fixture
def held(monkeypatch) -> set[Path]:
    """Files that can be neither opened for writing nor replaced, as on Windows."""
    files: set[Path] = set()
    replace = os.replace

    def opened(path, mode):
        if Path(path) in files:
            raise PermissionError(13, "Permission denied", str(path))
        return open(path, mode)

    def replaced(source, target):
        if Path(target) in files:
            raise PermissionError(13, "Access is denied", source, None, target)
        replace(source, target)

    monkeypatch.setattr(whole_file, "open", opened, raising=False)
    monkeypatch.setattr(os, "replace", replaced)
    monkeypatch.setattr(whole_file, "_WINDOWS", True)
    monkeypatch.setattr(whole_file, "_HELD_FOR_S", 0.0)
    return files


def earlier_prediction(folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "prediction.json").write_text('{"format": "openkbp", "weights": "default.safetensors"}')
    for name in ("dose.nrrd", "dvh.csv", "goals.csv"):
        (folder / name).write_text("earlier")


@pytest.fixture
def case(tmp_path) -> Path:
    write_patient_folder(replace(ball_patient(), reference_dose=ball_dose()), tmp_path / "cases" / "ball")
    return tmp_path / "cases" / "ball"


@pytest.mark.parametrize("name", ["goals.csv", "prediction.json", "../ball.csv"])
def test_predict_asks_for_an_open_table_before_it_predicts(name, held, case, tmp_path, capsys):
    second = tmp_path / "cases" / "second"
    write_patient_folder(ball_patient(), second)
    earlier_prediction(tmp_path / "out" / "ball")
    (tmp_path / "out" / "ball.csv").write_text("earlier")
    held.add(tmp_path / "out" / "ball" / name if name[0] != "." else tmp_path / "out" / "ball.csv")
    command = ["predict", str(case), str(second), "-o", str(tmp_path / "out"), "--format", "openkbp"]
    # Weights that are not there are told of later: by the process that predicts.
    told = refused([*command, "--weights", str(tmp_path / "none.safetensors")], capsys)
    assert f"{Path(name).name}: Permission denied; is it open in another program?" in told
    assert (tmp_path / "out" / "ball" / "dose.nrrd").read_text() == "earlier"


def test_an_earlier_prediction_goes_whole_or_not_at_all(held, tmp_path):
    folder = tmp_path / "out"
    earlier_prediction(folder)
    held.add(folder / "goals.csv")
    with pytest.raises(InputError, match="goals.csv.*open in another program"):
        remove_earlier_prediction(folder)
    assert sorted(os.listdir(folder)) == ["dose.nrrd", "dvh.csv", "goals.csv", "prediction.json"]
    held.clear()
    remove_earlier_prediction(folder)
    assert os.listdir(folder) == ["prediction.json"], "its goals and DVH would be taken for the next prediction's"


def test_a_table_that_is_opened_meanwhile_costs_the_other_cases_nothing(held, case, tmp_path, capsys):
    write_patient_folder(ball_patient(), tmp_path / "cases" / "second")
    weights, out = tiny_weights(tmp_path / "tiny.safetensors"), tmp_path / "out"
    (out / "ball").mkdir(parents=True)
    (out / "ball" / "dvh.csv").write_text("mine")
    held.add(out / "ball" / "dvh.csv")
    command = ["predict", str(tmp_path / "cases"), "-o", str(out), "--weights", str(weights), "--device", "cpu"]
    assert main([*command, "--samples", "1", "--steps", "1"]) == 2
    told = capsys.readouterr().err
    assert "dose-predict: ball: " in told and "open in another program" in told and "1 of 2 cases" in told
    assert (out / "second" / "goals.csv").is_file() and (out / "ball" / "dvh.csv").read_text() == "mine"


def test_a_file_that_cannot_be_removed_is_asked_for_before_others_are(case, tmp_path, monkeypatch):
    """Programs that share a file for writing, as most do on Windows, keep it from being removed all the same."""
    folder = tmp_path / "out"
    earlier_prediction(folder)
    rename = os.rename

    def renamed(source, target):
        if Path(source) == folder / "goals.csv":
            raise PermissionError(13, "The process cannot access the file because it is being used", str(source))
        rename(source, target)

    monkeypatch.setattr(os, "rename", renamed)
    monkeypatch.setattr(whole_file, "_WINDOWS", True)
    with pytest.raises(InputError, match="goals.csv.*open in another program"):
        remove_earlier_prediction(folder)
    assert sorted(os.listdir(folder)) == ["dose.nrrd", "dvh.csv", "goals.csv", "prediction.json"]


@pytest.fixture
def sampling(tmp_path) -> list[str]:
    """The command that samples two cases' CTs, which it has done before."""
    for name in ("ball", "second"):
        write_patient_folder(ball_patient(), tmp_path / "cases" / name)
        folder = tmp_path / "out" / name
        earlier_prediction(folder)
        (folder / "ct.json").write_text('{"modality": "ct"}')
        (folder / "ct.nrrd").write_text("earlier")
    return ["predict", str(tmp_path / "cases"), "-o", str(tmp_path / "out"), "--target", "ct", "--device", "cpu"]


@pytest.mark.parametrize("name", ["ct.nrrd", "ct.json"])
def test_an_open_ct_is_asked_for_before_one_is_sampled(name, sampling, held, tmp_path, capsys):
    held.add(tmp_path / "out" / "ball" / name)
    told = refused([*sampling, "--weights", str(tmp_path / "none.safetensors")], capsys)
    assert f"{name}: Permission denied; is it open in another program?" in told


def test_a_ct_that_is_opened_meanwhile_costs_the_other_cases_nothing(sampling, held, tmp_path, capsys, monkeypatch):
    folder, weights = tmp_path / "out", modality_weights(tmp_path / "any.safetensors")

    def opened_meanwhile(*arguments):
        held.add(folder / "ball" / "ct.nrrd")
        return predict_modality(*arguments)

    monkeypatch.setattr(modality, "predict_modality", opened_meanwhile)
    # What this command does not write may be open.
    held.update({folder / "ball" / "dvh.csv", folder / "second" / "dose.nrrd"})
    assert main([*sampling, "--weights", str(weights)]) == 2
    told = capsys.readouterr().err
    assert "dose-predict: ball: " in told and "ct.nrrd: Access is denied; is it open" in told and "1 of 2" in told
    assert (folder / "ball" / "ct.nrrd").read_text() == "earlier"
    assert read_scalar_volume(folder / "second" / "ct.nrrd").array.any()


#: What else `evaluate` writes where it is asked to.
ASKED_FOR = {"plan_figures.csv": ["--plan-figures", "head-and-neck"],
             "plan_figures.json": ["--plan-figures", "head-and-neck"],
             "scorecard.csv": ["--scorecard", "head-and-neck"]}  # fmt: skip


@pytest.mark.parametrize("name", ["scores.csv", "structures.csv", "slices.csv", "summary.json", *ASKED_FOR])
def test_evaluate_asks_for_its_open_tables_before_it_predicts(name, held, case, tmp_path, capsys):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / name).write_text("earlier")
    held.add(tmp_path / "out" / name)
    command = ["evaluate", str(case), "-o", str(tmp_path / "out"), *ASKED_FOR.get(name, [])]
    told = refused([*command, "--weights", str(tmp_path / "none.safetensors")], capsys)
    assert f"{name}: Permission denied; is it open in another program?" in told


def test_evaluate_asks_for_open_tables_of_an_earlier_run_that_it_removes(held, case, tmp_path, capsys):
    ball_dose(2.0).write(tmp_path / "doses" / "ball" / "dose.nrrd")
    (tmp_path / "out").mkdir()
    command = ["evaluate", str(case), "--predictions", str(tmp_path / "doses"), "-o", str(tmp_path / "out")]
    for name in ASKED_FOR:
        (tmp_path / "out" / name).write_text("earlier")
        held.add(tmp_path / "out" / name)
        assert f"{name}: Permission denied; is it open in another program?" in refused(command, capsys)
        held.clear()
    assert main(command) == 0
    assert sorted(os.listdir(tmp_path / "out")) == sorted(tables_of(parser().parse_args(command)))


def test_evaluate_asks_for_all_that_it_writes(case, tmp_path, capsys):
    ball_dose(2.0).write(tmp_path / "doses" / "ball" / "dose.nrrd")
    command = ["evaluate", str(case), "--predictions", str(tmp_path / "doses"), "-o", str(tmp_path / "out")]
    asked = [*command, "--plan-figures", "head-and-neck", "--scorecard", "head-and-neck"]
    assert main(asked) == 0
    assert sorted(os.listdir(tmp_path / "out")) == sorted(tables_of(parser().parse_args(asked)))
