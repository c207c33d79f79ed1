"""``train`` as a user calls it: again on a finished run, and with options that make no sense."""

from __future__ import annotations

import itertools
import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from phantom import ball_dose, ball_patient
from tiny import TINY, tiny_weights

from DosePredictionLib.cli.main import main
from DosePredictionLib.inference.weights import read_weights
from DosePredictionLib.patient.writer_folder import write_patient_folder
from DosePredictionLib.training import time_left


@pytest.fixture
def run_file(tmp_path) -> Path:
    """A configuration of two steps on one patient."""
    write_patient_folder(replace(ball_patient(), reference_dose=ball_dose()), tmp_path / "cases" / "ball")
    told = {
        "train": str(tmp_path / "cases"), "validation": str(tmp_path / "cases"), "output": str(tmp_path / "run"),
        "system_config": TINY, "steps": 2, "decay_steps": 1, "threads": 1, "device": "cpu", "validate_every": 100,
    }  # fmt: skip
    path = tmp_path / "run.json"
    path.write_text(json.dumps(told))
    return path


def test_the_same_weights_are_the_same_file(tmp_path):
    """Safetensors writes its metadata in any order."""
    files = {tiny_weights(tmp_path / f"{number}.safetensors").read_bytes() for number in range(8)}
    assert len(files) == 1


def test_a_finished_run_that_is_trained_again_keeps_the_weights_that_were_evaluated(run_file, tmp_path):
    assert main(["train", str(run_file)]) == 0
    weights = tmp_path / "run" / "weights.safetensors"
    before = read_weights(weights).sha256
    assert main(["train", str(run_file)]) == 0
    assert read_weights(weights).sha256 == before


@pytest.mark.parametrize("step", ["0", "-3"])
def test_a_run_that_would_train_nothing_is_refused(run_file, tmp_path, capsys, step):
    assert main(["train", str(run_file), "--until", step]) == 2
    told = capsys.readouterr().err
    assert f"--until is {step}, so nothing would be trained" in told and told.count("\n") == 1
    assert not (tmp_path / "run").exists()


@pytest.fixture
def clock(monkeypatch) -> None:
    """Each look at the clock takes a second, so that a step with its measurement takes some."""
    seconds = itertools.count()
    monkeypatch.setattr("DosePredictionLib.training.time_left.monotonic", lambda: float(next(seconds)))


def test_a_run_with_a_limit_of_time_ends_before_it_and_goes_on_exactly(run_file, tmp_path, capsys, clock):
    told = json.loads(run_file.read_text()) | {"steps": 12, "validate_every": 4}
    run_file.write_text(json.dumps(told))
    assert main(["train", str(run_file), "--minutes", "0.5"]) == 0
    last = capsys.readouterr().out.splitlines()[-1]
    reached = int(re.fullmatch(r"Step (\d+) of 12: the 0.5 minutes are nearly over; .* goes on from here.", last)[1])
    assert 0 < reached < 12 and not (tmp_path / "run" / "weights.safetensors").exists()
    assert main(["train", str(run_file)]) == 0
    in_parts = read_weights(tmp_path / "run" / "weights.safetensors").state

    run_file.write_text(json.dumps(told | {"output": str(tmp_path / "whole")}))
    assert main(["train", str(run_file)]) == 0
    whole = read_weights(tmp_path / "whole" / "weights.safetensors").state
    assert all(torch.equal(value, in_parts[name]) for name, value in whole.items())
    curves = [(tmp_path / name / "curves.jsonl").read_text().splitlines() for name in ("run", "whole")]
    steps = [[json.loads(line)["step"] for line in lines] for lines in curves]
    assert steps[0] == steps[1] == [4, 8, 12]


def test_a_run_whose_time_is_over_before_its_first_step_says_so(run_file, capsys, clock):
    assert main(["train", str(run_file), "--minutes", "0.01"]) == 0
    assert "Step 0 of 2: the 0.01 minutes are nearly over" in capsys.readouterr().out


@pytest.mark.parametrize("minutes", ["0", "-3", "nan"])
def test_no_minutes_are_refused(run_file, tmp_path, capsys, minutes):
    assert main(["train", str(run_file), "--minutes", minutes]) == 2
    told = capsys.readouterr().err
    assert f"--minutes is {minutes}, so nothing would be trained" in told and told.count("\n") == 1
    assert not (tmp_path / "run").exists()


def test_a_validation_has_to_fit_into_the_time_left_too(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(time_left, "monotonic", lambda: now[0])
    left = time_left.TimeLeft(100.0)
    for part, seconds in ((time_left.STEP, 2.0), (time_left.CHECKPOINT, 3.0)):
        with left.measured(part):
            now[0] += seconds
    now[0] = 80.0  # 20 s are left, of which a step and a checkpoint need 5, and ten validated cases 20 at a guess
    assert left.is_enough(0) and not left.is_enough(10)
    now[0] = 60.0
    with left.measured(time_left.VALIDATION):
        now[0] += 4.0
    now[0] = 80.0
    assert left.is_enough(10)
    now[0] = 99.0
    assert not left.is_enough(0)


def test_a_first_step_that_compiles_does_not_keep_its_time_free(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(time_left, "monotonic", lambda: now[0])
    left = time_left.TimeLeft(200.0)
    enough = []
    for seconds in (60.0, 1.0, 3.0, 1.0):
        with left.measured(time_left.STEP):
            now[0] += seconds
        now[0], before = 189.0, now[0]  # 11 s are left
        enough.append(left.is_enough(0))
        now[0] = before
    assert enough == [False, True, True, True]
    now[0] = 191.0  # the longest step but the first takes 3 s
    assert not left.is_enough(0)
