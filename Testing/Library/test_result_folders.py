"""What a prediction leaves: the challenge's tables in their place, and an earlier one's results until it is whole."""

from __future__ import annotations

import errno
import json
import os
import re
from dataclasses import replace
from pathlib import Path

import pytest
from phantom import ball_dose, ball_patient
from test_cli import refused
from test_cli_batches import modality_weights
from tiny import tiny_weights

from DosePredictionLib import whole_file
from DosePredictionLib.cli import results_at_once as results_at_once_module
from DosePredictionLib.cli.main import main
from DosePredictionLib.cli.result_folders import check_openkbp_tables, remove_earlier_prediction
from DosePredictionLib.cli.results_at_once import moved_when_whole, results_at_once
from DosePredictionLib.errors import InputError
from DosePredictionLib.patient.cases import Case
from DosePredictionLib.patient.writer_folder import write_patient_folder


def test_a_table_in_the_challenges_layout_is_only_replaced_by_its_own_successor(tmp_path):
    folder, table = tmp_path / "ball", tmp_path / "ball.csv"
    folder.mkdir()
    table.write_text("another model's")
    for content in ("{}", '{"format": "nrrd"}'):
        (folder / "prediction.json").write_text(content)
        remove_earlier_prediction(folder, table)
        assert table.exists()
        with pytest.raises(InputError, match="was left by no prediction"):
            check_openkbp_tables([Case(tmp_path / "x", "ball")], [folder], tmp_path)
    (folder / "prediction.json").write_text('{"format": "openkbp", "weights": "default.safetensors"}')
    check_openkbp_tables([Case(tmp_path / "x", "ball")], [folder], tmp_path)
    remove_earlier_prediction(folder, table)
    assert not table.exists()


def test_a_case_predicted_anew_by_itself_leaves_no_table_of_its_batch(tmp_path):
    """The batch's table lies beside the folder; a table beside the folder of a single case is another model's."""
    folder = tmp_path / "ball"
    folder.mkdir()
    (folder / "prediction.json").write_text('{"format": "openkbp", "patient": "ball", "weights": "x.safetensors"}')
    beside, within = tmp_path / "ball.csv", folder / "ball.csv"
    beside.write_text("another model's")
    within.write_text("the single case's")
    remove_earlier_prediction(folder)
    assert beside.exists() and not within.exists()
    beside.write_text("the batch's")
    remove_earlier_prediction(folder)
    assert not beside.exists()


@pytest.fixture
def earlier(tmp_path, worker_thread) -> list[str]:
    """The command that predicts the ball anew into tmp_path/out, where a prediction of two samples and a CT lie."""
    write_patient_folder(ball_patient(), tmp_path / "ball")
    weights = tiny_weights(tmp_path / "tiny.safetensors")
    command = ["predict", str(tmp_path / "ball"), "-o", str(tmp_path / "out"), "--device", "cpu"]
    assert main([*command, "--weights", str(weights), "--samples", "2"]) == 0
    sampled = ["--target", "ct", "--weights", str(modality_weights(tmp_path / "any.safetensors"))]
    assert main([*command, *sampled, "--seed", "5"]) == 0
    return command


@pytest.mark.parametrize("full_at", ["dose.nrrd", "goals.csv", "ct.nrrd"])
def test_a_full_disk_leaves_the_earlier_results_as_they_are(full_at, earlier, tmp_path, monkeypatch, capsys):
    before = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    assert {"dose.nrrd", "dose_std.nrrd", "goals.csv", "prediction.json", "ct.nrrd", "ct.json"} <= before.keys()
    move = whole_file.move_onto

    def full(source, path):
        if path.name == full_at and path.parent != tmp_path / "out":
            raise OSError(errno.ENOSPC, "No space left on device")
        move(source, path)

    monkeypatch.setattr(whole_file, "move_onto", full)
    weights = tmp_path / ("any.safetensors" if full_at == "ct.nrrd" else "tiny.safetensors")
    target = ["--target", "ct"] if full_at == "ct.nrrd" else []
    told = refused([*earlier, *target, "--weights", str(weights), "--samples", "1"], capsys)
    assert f"{tmp_path / 'out' / full_at}: No space left on device; make room there" in told
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == before
    monkeypatch.setattr(whole_file, "move_onto", move)
    assert main([*earlier, *target, "--weights", str(weights), "--samples", "1"]) == 0
    assert ("dose_std.nrrd" in [path.name for path in (tmp_path / "out").iterdir()]) is (full_at == "ct.nrrd")


def test_results_that_fail_leave_no_folder_behind(tmp_path):
    with pytest.raises(InputError, match="no prediction"), moved_when_whole(tmp_path / "new" / "folder") as folder:
        (folder / "dose.nrrd").write_text("half")
        raise InputError("no prediction")
    assert list(tmp_path.iterdir()) == []


def test_a_result_folder_on_another_disk_keeps_its_table_beside_it(tmp_path, monkeypatch):
    """As a link or a mount is: between disks nothing can be moved."""
    disk, out = tmp_path / "disk", tmp_path / "out"
    disk.mkdir()
    out.mkdir()
    (out / "ball").symlink_to(disk, target_is_directory=True)
    replace = os.replace

    def on_one_disk(source, target):
        if Path(source).resolve().is_relative_to(disk) != Path(target).parent.resolve().is_relative_to(disk):
            raise OSError(errno.EXDEV, "Invalid cross-device link")
        replace(source, target)

    monkeypatch.setattr(os, "replace", on_one_disk)
    for table in ("first", "second"):
        with results_at_once(out / "ball", out / "ball.csv") as new:
            (new / "openkbp").mkdir()
            (new / "openkbp" / "ball.csv").write_text(table)
            made = {"format": "openkbp", "patient": "ball", "weights": "x.safetensors"}
            (new / "prediction.json").write_text(json.dumps(made))
        assert (out / "ball.csv").read_text() == table
        assert [path.name for path in disk.iterdir()] == ["prediction.json"]
        assert {path.name for path in out.iterdir()} == {"ball", "ball.csv"}


class Killed(BaseException):
    """Ends the process at once: nothing that follows is done."""


def killed_at(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The process ends before its move of this number into the results' place, and cleans nothing up."""
    moved = []

    def move(source, path):
        if not any(part.startswith(".partial-") for part in Path(path).parent.parts):
            moved.append(path)
            if len(moved) > number:
                raise Killed
        whole_file.os.replace(source, path)

    monkeypatch.setattr(results_at_once_module, "move_onto", move)
    monkeypatch.setattr(whole_file.shutil, "rmtree", lambda *args, **options: None)


@pytest.mark.parametrize("again", [False, True])
@pytest.mark.parametrize("number", [0, 1, 2, 3, 4])
@pytest.mark.usefixtures("worker_thread")
def test_a_prediction_that_is_killed_between_its_files_is_told_and_goes(number, again, tmp_path, monkeypatch, capsys):
    """Wherever it is killed there is the whole prediction, or a sentence; the next one finds nothing of it."""
    write_patient_folder(replace(ball_patient(), reference_dose=ball_dose()), tmp_path / "ball")
    weights, out = tiny_weights(tmp_path / "tiny.safetensors"), tmp_path / "out"
    command = ["predict", str(tmp_path / "ball"), "-o", str(out), "--device", "cpu", "--weights", str(weights),
               "--samples", "2"]  # fmt: skip
    if again:
        assert main([*command, "--seed", "4"]) == 0
    with monkeypatch.context() as patched, pytest.raises(Killed):
        killed_at(number, patched)
        main(command)
    left = {path.name for path in out.iterdir()}
    assert len([name for name in left if name.startswith(".partial-")]) == 1
    assert not left & {"dose.nrrd"}, "it comes last"
    mine = out / ".partial-0123456789abcdef"
    mine.mkdir()
    (mine / "notes.txt").write_text("mine")
    capsys.readouterr()
    if number or again:
        doses = ["--dose", str(out / "dose.nrrd")]
        for reader in (["report", *doses, "-o", str(tmp_path / "page.html")], ["compare", *doses, "-o", str(out)],
                       ["scorecard", *doses, "-o", str(tmp_path / "card.csv")], ["figures", *doses, "-o", str(out)],
                       ["scorecard", "--predictions", str(out), "-o", str(tmp_path / "card.csv")],
                       ["evaluate", "--predictions", str(out), "-o", str(tmp_path / "scores")]):  # fmt: skip
            told = refused([reader[0], str(tmp_path / "ball"), *reader[1:]], capsys)
            assert f"The prediction in {out} is incomplete" in told
    assert main(command) == 0
    assert {path.name for path in out.iterdir() if path.name.startswith(".")} == {mine.name}
    assert json.loads((out / "prediction.json").read_text())["seed"] == 0 and (out / "dose_std.nrrd").exists()
    assert main(["scorecard", str(tmp_path / "ball"), "--predictions", str(out), "-o", str(tmp_path / "c.csv")]) == 0


def test_a_table_of_the_challenge_that_is_killed_before_it_stands_can_be_predicted_anew(tmp_path, monkeypatch):
    out = tmp_path / "out"
    with monkeypatch.context() as patched, pytest.raises(Killed):
        killed_at(1, patched)
        with results_at_once(out / "ball", out / "ball.csv") as new:
            (new / "openkbp").mkdir()
            for name in ("openkbp/ball.csv", "dose.nrrd"):
                (new / name).write_text("new")
            (new / "prediction.json").write_text('{"format": "openkbp", "weights": "x.safetensors"}')
    assert not (out / "ball.csv").exists() and (out / "ball" / "prediction.json").exists()
    check_openkbp_tables([Case(tmp_path / "x", "ball")], [out / "ball"], out)


def test_two_that_write_into_one_folder_at_once_leave_each_other_alone(tmp_path):
    """As a patient's dose and CT, or two of its modalities, that are sampled at the same time."""
    out = tmp_path / "out"
    with moved_when_whole(out) as first:
        (first / "ct.json").write_text("{}")
        with moved_when_whole(out) as second:
            (second / "ptv.json").write_text("{}")
        (first / "ct.nrrd").write_text("an image")
    assert {path.name for path in out.iterdir()} == {"ct.json", "ct.nrrd", "ptv.json"}


def test_a_full_disk_beside_a_new_folder_is_told_and_leaves_none(tmp_path, monkeypatch):
    """The table in the challenge's layout goes to its place by itself."""

    def full(*paths):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(results_at_once_module.shutil, "copyfile", full)
    out = tmp_path / "out"
    told = rf"Cannot write {re.escape(str(out / 'ball.csv'))}: No space left on device"
    with pytest.raises(InputError, match=told), results_at_once(out / "ball", out / "ball.csv") as new:
        (new / "openkbp").mkdir()
        (new / "openkbp" / "ball.csv").write_text("new")
    assert list(tmp_path.iterdir()) == []
