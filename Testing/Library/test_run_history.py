"""Runs say what they were trained with, end early with their best weights, and stop between steps."""

from __future__ import annotations

import signal
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from ball_case import ball_case
from test_training import config
from tiny import TINY

from DosePredictionLib.cli.train import between_steps
from DosePredictionLib.errors import InputError
from DosePredictionLib.inference.weights import read_weights
from DosePredictionLib.inference.weights_header import read_weights_header
from DosePredictionLib.systems.registry import system_from_config
from DosePredictionLib.training import loop
from DosePredictionLib.training.coarse_case import halved
from DosePredictionLib.training.config import TrainingConfig
from DosePredictionLib.training.export import export_weights
from DosePredictionLib.training.loop import TrainingRun
from DosePredictionLib.training.run_history import settings_before


@pytest.fixture(scope="module")
def cases():
    return [ball_case(), ball_case(3.0)]


def test_a_finished_run_is_not_told_to_be_another(tmp_path, cases):
    TrainingRun(config(tmp_path, steps=2), cases, cases[:1]).run()
    with pytest.raises(InputError, match="has ended after 2 steps with learning_rate 0.001, not 0.5"):
        TrainingRun(config(tmp_path, steps=2, learning_rate=0.5), cases, cases[:1])
    with pytest.raises(InputError, match="holds a run with another system_config"):
        TrainingRun(config(tmp_path, system_config={**TINY, "pure_noise": 0.9}), cases, cases[:1])
    assert TrainingRun(config(tmp_path, steps=2, threads=0), cases, cases[:1]).step == 2, "of no matter"


def test_a_run_prolonged_with_other_settings_says_so(tmp_path, cases):
    TrainingRun(config(tmp_path, steps=2), cases, cases[:1]).run()
    run = TrainingRun(config(tmp_path, steps=4, names_kept=True), cases, cases[:1])
    run.run()
    told = read_weights_header(export_weights(run)).training
    assert told["names_kept"] is True and told["steps"] == 4
    assert told["earlier"] == [{"until_step": 2, "steps": 2, "names_kept": False}]


def test_a_run_that_is_only_prolonged_has_no_history(tmp_path, cases):
    TrainingRun(config(tmp_path, steps=2), cases, cases[:1]).run()
    run = TrainingRun(config(tmp_path, steps=3), cases, cases[:1])
    run.run()
    assert "earlier" not in read_weights_header(export_weights(run)).training


def test_data_that_were_moved_are_the_same_data(tmp_path, cases):
    TrainingRun(config(tmp_path, steps=2, train="/home/clinic/train"), cases, cases[:1]).run()
    moved = TrainingRun(config(tmp_path, steps=2, train="/mnt/disk/clinic/train"), cases, cases[:1])
    assert "earlier" not in read_weights_header(export_weights(moved)).training
    assert TrainingRun(config(tmp_path, steps=2, train="/data/other"), cases, cases[:1]).step == 2, "looked at again"


@pytest.mark.parametrize(
    ("changes", "told"),
    [({"train": "/data/clinic/other"}, {"train": "clinic/train"}), ({"canvas": [64, 64, 64]}, {"canvas": None}),
     ({"patience": 50}, {"patience": 0})],
)  # fmt: skip
def test_what_changes_the_weights_leaves_a_trace(tmp_path, cases, changes, told):
    first = config(tmp_path, steps=1, train="/data/clinic/train")
    TrainingRun(first, cases, cases[:1]).run()
    run = TrainingRun(replace(first, steps=2, **changes), cases, cases[:1])
    assert run.earlier == [{"until_step": 1, "steps": 1, **told}]


@pytest.mark.parametrize(
    ("before", "now", "trace"),
    [({"devices": 2}, {"devices": 1}, {"devices": 2}), ({"strategy": "ddp"}, {"strategy": "auto"}, {"strategy": "ddp"}),
     ({"validation": "a/b/c", "patience": 2}, {"validation": "d"}, {"validation": "b/c"}),
     ({"validation": "a"}, {"validation": "b"}, {}), ({"validate_every": 1}, {"validate_every": 2}, {})],
)  # fmt: skip
def test_the_way_a_run_is_made_leaves_a_trace_where_it_goes_on(tmp_path, before, now, trace):
    stored = {"steps": 4, "patience": 0, **before}
    config = {**stored, **now}
    assert settings_before(stored, config, 2, tmp_path) == ({"until_step": 2, **trace} if trace else {})
    assert settings_before(stored, config, 4, tmp_path) == {}, "nothing is trained with them"


def test_a_run_that_stalls_leaves_its_best_weights_and_stays_ended(tmp_path, cases, monkeypatch, capsys):
    scores = iter([2.0, 1.0, 3.0, 4.0, 0.1])
    run = TrainingRun(config(tmp_path, steps=12, validate_every=1, patience=2), cases, cases[:1])
    monkeypatch.setattr(run.stage, "score", lambda *_: next(scores))
    averages = []
    monkeypatch.setattr(run, "_note_progress", lambda score, note=run._note_progress: (
        averages.append({name: value.clone() for name, value in run.average.items()}), note(score)))  # fmt: skip
    run.run()
    assert run.step == 4 and "has not improved in 2 validations" in capsys.readouterr().out
    again = TrainingRun(run.config, cases, cases[:1])
    again.run()
    assert again.step == 4, "no step more"
    for name, value in again.released_average.items():
        assert torch.equal(value, averages[1][name]), "of the second validation"


@pytest.mark.parametrize(("patience", "stalls"), [(2, True), (20, False)])
def test_the_best_weights_say_their_own_step(tmp_path, cases, monkeypatch, patience, stalls):
    """Whether the run ends for want of better ones or reaches its last step, and also when it was resumed between."""
    told = config(tmp_path, steps=8, validate_every=2, checkpoint_every=2, patience=patience)
    scores, kept = iter([4.0, 3.0, 3.1, 3.2, 3.3]), {}

    def run_on(until=None):
        run = TrainingRun(told, cases, cases[:1])

        def validated():
            kept[run.step] = {name: value.clone() for name, value in run.average.items()}
            return {run.stage.score_name: next(scores)}

        monkeypatch.setattr(run, "validation_scores", validated)
        run.run(until)
        return run

    run_on(4)
    run = run_on()
    assert run.step == 8 and run._has_stalled is stalls
    path = export_weights(run)
    header = read_weights_header(path)
    assert header.training["steps"] == 4 and header.training["steps_run"] == 8
    for name, value in read_weights(path).state.items():
        assert torch.equal(value, kept[4][name].half().float()), name


def test_without_patience_the_last_weights_are_left_whatever_was_kept_before(tmp_path, cases):
    TrainingRun(config(tmp_path, steps=2, validate_every=1, patience=9), cases, cases[:1]).run()
    run = TrainingRun(config(tmp_path, steps=4, validate_every=1), cases, cases[:1])
    run.run()
    assert run.best_average is not None and run.released_average is run.average
    header = read_weights_header(export_weights(run))
    assert header.training["steps"] == 4 and "steps_run" not in header.training


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_ends_the_run_between_two_steps(tmp_path, cases, monkeypatch, sent):
    before = signal.getsignal(sent)
    whole = TrainingRun(config(tmp_path / "whole"), cases, cases[:1])
    whole.run()
    run = TrainingRun(config(tmp_path / "parts"), cases, cases[:1])
    step_of, count = run._side_by_side.step, []

    def interrupted(optimisers):
        count.append(1)
        if len(count) == 3:
            signal.raise_signal(sent)  # in the middle of the third step
        step_of(optimisers)

    monkeypatch.setattr(run._side_by_side, "step", interrupted)
    with between_steps(run):
        run.run()
    assert run.stop_requested and run.step == 3 and signal.getsignal(sent) is before
    resumed = TrainingRun(config(tmp_path / "parts"), cases, cases[:1])
    assert resumed.step == 3
    resumed.run()
    for name, value in whole.average.items():
        assert torch.equal(value, resumed.average[name]), name


@pytest.mark.parametrize(
    ("changes", "told"),
    [({"batch": 0}, "batch is 0; give a whole number, at least 1"), ({"steps": "100"}, "steps is '100'"),
     ({"steps": 2.5}, "steps is 2.5"), ({"workers": 0}, "workers is 0"), ({"ema": 1}, "ema is 1"),
     ({"learning_rate": "1e-3"}, "learning_rate is '1e-3'"), ({"canvas": [64, 64]}, "canvas is"),
     ({"seed": -1}, "seed is -1"), ({"train": None}, "train is None"), ({"system_config": [1]}, "system_config is"),
     ({"turn_probability": 1.5}, "from 0 to 1"), ({"names_kept": 1}, "true or false"),
     ({"companions": "a.safetensors"}, "give a list of files"), ({"companions": [3]}, "give a list of files"),
     ({"cache": 5}, "cache is 5; give a text"), ({"from_weights": ["a"]}, "from_weights is"),
     ({"canvas": 64}, "canvas is 64; give three numbers")],
)  # fmt: skip
def test_a_field_that_cannot_be_is_named(tmp_path, changes, told):
    with pytest.raises(InputError, match=told):
        config(tmp_path, **changes)


@pytest.mark.parametrize(
    "changes", [{"device": "gpu0"}, {"strategy": "ddpp"}, {"system_config": {**TINY, "widths": [8, 8, 8]}},
                {"system_config": {**TINY, "widths": "big"}}],
)  # fmt: skip
def test_what_cannot_be_run_or_built_is_one_sentence(tmp_path, cases, changes):
    with pytest.raises(InputError, match="The run can't use|makes no network|widths is 'big'; give a list"):
        TrainingRun(config(tmp_path, **changes), cases, cases[:1])


def test_an_output_that_is_a_file_is_named(tmp_path, cases):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="Cannot write to the output"):
        TrainingRun(config(tmp_path / "file"), cases, cases[:1])


@pytest.mark.parametrize(
    ("system", "fields", "steps"),
    [("default", {}, 1), ("magdiff_adc", {}, 1), ("magdiff_adc", {"prediction": "epsilon"}, 8),
     ("addiff_dose", {"prediction": "x0"}, 1), ("addiff_dose", {}, 20), ("diffkt3d", {}, 1),
     ("diffkt3d", {"prediction": "velocity"}, 10)],
)  # fmt: skip
def test_denoisers_that_say_noise_take_more_steps(system, fields, steps):
    assert system_from_config(system, fields).default_steps == steps


def test_every_configuration_is_a_data_class_of_checked_fields():
    from dataclasses import fields

    from DosePredictionLib.training import config_checks as checks

    checked = {*checks._WHOLE, *checks._NUMBERS, *checks._TEXTS, *checks._OBJECTS, *checks._SWITCHES}
    others = {"canvas", "companions", "weight_bits"}
    assert {field.name for field in fields(TrainingConfig)} == checked | others


def test_the_first_steps_may_be_coarse(tmp_path, cases):
    run = TrainingRun(config(tmp_path, coarse_steps=2, turn_probability=0.0, steps=4, batch=1), cases, cases[:1])
    sizes = [run.draws.of_step(step).clean.shape[2:] for step in range(4)]
    assert sizes[0] == sizes[1] and sizes[2] == sizes[3]
    assert all(2 * coarse <= fine + 8 for coarse, fine in zip(sizes[0], sizes[2], strict=True)), "and padding"
    run.run()
    assert read_weights_header(export_weights(run)).training["coarse_steps"] == 2


def test_a_coarse_patient_has_the_same_anatomy_in_millimetres(cases):
    coarse, fine = halved(cases[0]), cases[0]
    assert coarse.inputs.geometry.spacing_mm == tuple(2 * step for step in fine.inputs.geometry.spacing_mm)
    (place, volume_cc), (wanted, wanted_cc) = (
        (np.argwhere(one.inputs.region).mean(axis=0) * one.inputs.geometry.spacing_mm[::-1],
         one.inputs.region.sum() * one.inputs.geometry.voxel_volume_cc) for one in (coarse, fine)
    )  # fmt: skip
    shift = np.array(fine.inputs.geometry.spacing_mm[::-1]) / 2  # coarse voxels' centres lie half a fine one further on
    assert place + shift == pytest.approx(wanted, abs=1.5) and volume_cc == pytest.approx(wanted_cc, rel=0.05)
    assert coarse.dose_gy.mean() == pytest.approx(fine.dose_gy.astype(float).mean(), rel=0.05)


@pytest.mark.parametrize("validate_every", [2, 3, 4, 12])
def test_hours_are_of_all_steps_and_no_validation(tmp_path, cases, monkeypatch, validate_every):
    """However the validations lie to the checkpoints and to what is logged."""
    now = [0.0]

    def passing(seconds, value):
        now[0] += seconds
        return value

    monkeypatch.setattr(loop, "time", SimpleNamespace(perf_counter=lambda: now[0]))
    run = TrainingRun(config(tmp_path, steps=12, validate_every=validate_every), cases, cases[:1])
    monkeypatch.setattr(run.draws, "of_step", lambda step: step)
    monkeypatch.setattr(run, "_optimise", lambda _: passing(10.0, {}))
    monkeypatch.setattr(run, "validation_scores", lambda: passing(1000.0, {run.stage.score_name: 1.0}))
    run.run()
    assert run.seconds == pytest.approx(120.0)
