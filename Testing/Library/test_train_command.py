"""``train`` as a user calls it: again on a finished run, and with options that make no sense."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from phantom import ball_dose, ball_patient
from tiny import TINY, tiny_weights

from DosePredictionLib.cli.main import main
from DosePredictionLib.inference.weights import read_weights
from DosePredictionLib.patient.writer_folder import write_patient_folder


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
