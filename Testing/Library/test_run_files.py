"""Files of a run that were cut off or can't be written cost one sentence, no traceback, and never the whole run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from ball_case import ball_case
from test_training import config

from DosePredictionLib.errors import InputError
from DosePredictionLib.training import checkpoint_file
from DosePredictionLib.training.config import TrainingConfig
from DosePredictionLib.training.curve_lines import curve_records
from DosePredictionLib.training.curves import draw_curves
from DosePredictionLib.training.loop import CHECKPOINT, CURVES, TrainingRun
from DosePredictionLib.training.stages import stage_of


@pytest.fixture(scope="module")
def cases():
    return [ball_case(), ball_case(3.0)]


def begun(folder: Path, cases, **changes) -> TrainingRun:
    run = TrainingRun(config(folder, steps=4, checkpoint_every=2, validate_every=1, **changes), cases, cases[:1])
    run.run(until=2)
    return run


@pytest.mark.parametrize("error", [RuntimeError("PytorchStreamWriter failed"), OSError(28, "No space left on device")])
def test_no_room_for_the_checkpoint_is_one_sentence_and_leaves_the_old_one(tmp_path, cases, monkeypatch, error):
    run = begun(tmp_path, cases)
    before = (tmp_path / CHECKPOINT).read_bytes()

    def full(state, path):
        Path(path).write_bytes(b"half")
        raise error

    monkeypatch.setattr(checkpoint_file.torch, "save", full)
    with pytest.raises(InputError, match=r"Cannot write .*checkpoint\.pt: (No space left|there seems to be no room)"):
        run.run(until=3)
    assert (tmp_path / CHECKPOINT).read_bytes() == before
    assert {path.name for path in tmp_path.iterdir()} == {CHECKPOINT, CURVES}, "nothing half-written"


def test_what_a_killed_process_left_half_written_goes(tmp_path, cases):
    run = begun(tmp_path, cases)
    for name in (".partial-abc.pt", "checkpoint.partial"):
        (tmp_path / name).write_bytes(b"half")
    run.run(until=3)
    assert {path.name for path in tmp_path.iterdir()} == {CHECKPOINT, CURVES}


@pytest.mark.parametrize("spoil", [lambda data: b"", lambda data: data[: len(data) // 2], lambda data: b"no zip" * 99,
                                   lambda data: data[:-10]])  # fmt: skip
def test_a_checkpoint_that_was_cut_off_is_named(tmp_path, cases, spoil):
    run = begun(tmp_path, cases)
    path = tmp_path / CHECKPOINT
    path.write_bytes(spoil(path.read_bytes()))
    with pytest.raises(InputError, match=r"checkpoint\.pt is cut off or damaged .* take it away"):
        TrainingRun(run.config, cases, cases[:1])


@pytest.mark.parametrize("content", [[1, 2], {"step": 1}])
def test_a_file_that_is_no_checkpoint_is_named(tmp_path, cases, content):
    run = begun(tmp_path, cases)
    torch.save(content, tmp_path / CHECKPOINT)
    with pytest.raises(InputError, match="is no checkpoint of a training run"):
        TrainingRun(run.config, cases, cases[:1])


def lines(folder: Path) -> list[tuple[int, bool]]:
    """The steps of a run's curves, and which of them are of a validation."""
    records = [json.loads(line) for line in (folder / CURVES).read_text(encoding="utf-8").splitlines()]
    return [(record["step"], any(name.startswith("validation_") for name in record)) for record in records]


def test_curves_have_every_step_once_after_a_kill(tmp_path, cases):
    run = begun(tmp_path, cases)
    curves = tmp_path / CURVES
    whole = curves.read_text(encoding="utf-8")
    # As a process leaves them that went on to step 3 without a checkpoint and was killed while it wrote.
    later = {**json.loads(whole.splitlines()[-1]), "step": 3}
    training = json.dumps({"step": 2, "hours": 0.0, "learning_rate": 0.1, "loss_gy": 3.0}) + "\n"
    curves.write_text(training + whole.splitlines()[-1] + "\n" + json.dumps(later) + '\n{"step": 4, "hou')
    assert draw_curves(tmp_path) is None or (tmp_path / "curves.png").exists(), "no traceback"
    resumed = TrainingRun(run.config, cases, cases[:1])
    resumed.run()
    assert lines(tmp_path) == [(2, False), (2, True), (3, True), (4, True)]
    curves.write_text(whole + whole)  # as kills have left them in the past
    assert [record["step"] for record in curve_records(curves)] == [1, 2]


def test_a_run_from_its_beginning_has_its_own_curves_alone(tmp_path, cases):
    begun(tmp_path, cases)
    (tmp_path / CHECKPOINT).unlink()
    begun(tmp_path, cases)
    assert lines(tmp_path) == [(1, True), (2, True)]


def test_looking_at_a_run_changes_nothing(tmp_path, cases):
    run = begun(tmp_path, cases)
    (tmp_path / CURVES).write_text("not ours")
    TrainingRun(run.config, cases, cases[:1])
    assert (tmp_path / CURVES).read_text() == "not ours"


@pytest.mark.parametrize(
    ("changes", "told"),
    [({}, r"\[50, 51, 53\], which the network of 'default' can't halve; give multiples of \[4, 4, 4\]"),
     ({"system": "magdiff_adc", "system_config": {"widths": [8, 8], "radii": [1, 1]}}, r"multiples of \[1, 4, 4\]"),
     ({"system": "addiff_dose", "stage": "ct_vae", "system_config": {}, "batch": 2}, r"multiples of \[16, 16, 16\]"),
     ({"system": "addiff_dose", "system_config": {}}, r"and at least \[24, 32, 32\]"),
     ({"system": "diffkt3d", "system_config": {}}, r"multiples of \[16, 16, 16\]"),
     ({"system": "baseline", "system_config": {}}, "A baseline is trained on what it sees")],
)  # fmt: skip
def test_a_canvas_that_the_network_cannot_halve_is_named_before_anything_begins(tmp_path, cases, changes, told):
    with pytest.raises(InputError, match=told):
        TrainingRun(config(tmp_path, **{"canvas": [50, 51, 53], **changes}), cases, cases[:1])
    assert not list(tmp_path.iterdir())


CONFIGURATIONS = sorted(Path(__file__).parents[1].glob("Benchmarks/*.json"))
WITH_CANVAS = [path for path in CONFIGURATIONS if "canvas" in json.loads(path.read_text())]


def test_the_configurations_used_can_be_read():
    assert len(CONFIGURATIONS) > 20
    for path in CONFIGURATIONS:
        assert TrainingConfig.read(path).output.endswith(path.stem), path


@pytest.mark.parametrize("path", WITH_CANVAS, ids=lambda path: path.stem)
def test_the_configurations_used_have_a_canvas_that_fits(path):
    stage_of(TrainingConfig.read(path))
