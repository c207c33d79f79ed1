"""The training loop: learns, resumes exactly, augments without telling lies."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from phantom import AXIAL, ball_patient, points_mm
from tiny import TINY

from DosePredictionLib.conditioning.channels import CHANNELS
from DosePredictionLib.errors import InputError
from DosePredictionLib.inference.weights import load_weights
from DosePredictionLib.patient.volume import Volume
from DosePredictionLib.systems.default import DefaultSystem
from DosePredictionLib.training.case_cache import load_case, save_case, training_case
from DosePredictionLib.training.config import TrainingConfig
from DosePredictionLib.training.draw import draw_example
from DosePredictionLib.training.export import export_weights
from DosePredictionLib.training.loop import TrainingRun
from DosePredictionLib.training.losses import dose_error_gy


def case(shift_mm: float = 0.0):
    """A ball with a dose that falls off from its target."""
    patient = ball_patient()
    distance = np.linalg.norm(points_mm(AXIAL) - (8.0 + shift_mm, -10.0, 4.0), axis=-1)
    dose = 70.0 * np.exp(-((distance / 40.0) ** 2)) * (patient.structures[0].mask.array > 0)
    return training_case(replace(patient, reference_dose=Volume(dose.astype(np.float32), AXIAL)), CHANNELS)


@pytest.fixture(scope="module")
def cases():
    return [case(), case(3.0), case(-3.0)]


def config(folder, **changes) -> TrainingConfig:
    values = {
        "train": "", "validation": "", "output": str(folder), "system_config": TINY, "steps": 12, "decay_steps": 4,
        "checkpoint_every": 4, "validate_every": 6, "warmup_steps": 2, "threads": 1, "device": "cpu", "batch": 2,
    }  # fmt: skip
    return TrainingConfig(**{**values, **changes})


def test_a_stopped_and_resumed_run_equals_one_that_was_not(tmp_path, cases):
    whole = TrainingRun(config(tmp_path / "whole"), cases, cases[:1])
    whole.run()
    TrainingRun(config(tmp_path / "parts"), cases, cases[:1]).run(until=5)
    resumed = TrainingRun(config(tmp_path / "parts"), cases, cases[:1])
    assert resumed.step == 5
    resumed.run()
    for name, value in whole.network.state_dict().items():
        assert torch.equal(value, resumed.network.state_dict()[name]), name
        assert torch.equal(whole.average[name], resumed.average[name]), name


def test_training_lowers_the_error(tmp_path, cases):
    run = TrainingRun(config(tmp_path, steps=60, decay_steps=20, learning_rate=3e-3, ema=0.9), cases, cases)
    before = run.validation_score()
    run.run()
    assert run.validation_score() < 0.7 * before
    records = [json.loads(line) for line in (tmp_path / "curves.jsonl").read_text().splitlines()]
    assert {"step", "hours", "learning_rate"} <= set(records[0])
    assert any("validation_dose_score_gy" in record for record in records)


def test_exported_weights_predict_as_the_run_does(tmp_path, cases):
    run = TrainingRun(config(tmp_path), cases, cases[:1])
    run.run(until=6)
    loaded = load_weights(export_weights(run))
    assert loaded.header.training["steps"] == 6
    ours = run.averaged_network().state_dict()
    for name, value in loaded.network.state_dict().items():
        assert torch.allclose(value, ours[name], atol=1e-3, rtol=1e-3), name


def test_the_learning_rate_warms_up_stays_and_falls_to_zero():
    rates = [config("", steps=100, decay_steps=20, warmup_steps=10).learning_rate_at(step) for step in range(101)]
    assert rates[0] == pytest.approx(1e-4)
    assert rates[10:80] == pytest.approx([1e-3] * 70)
    assert rates[90] == pytest.approx(5e-4)
    assert rates[100] == 0.0


def test_a_case_survives_the_cache(tmp_path, cases):
    save_case(cases[0], tmp_path / "case.npz")
    again = load_case(tmp_path / "case.npz")
    assert np.array_equal(again.inputs.channels, cases[0].inputs.channels)
    assert np.array_equal(again.dose_gy, cases[0].dose_gy)
    assert again.inputs.names == CHANNELS
    assert again.inputs.geometry.is_close(cases[0].inputs.geometry)


def test_a_draw_moves_channels_and_dose_together(cases):
    system = DefaultSystem(drop=0.0)
    seen = set()
    for seed in range(12):
        example = draw_example(cases[0], system, 16, (seed,))
        high = example.conditions[0, CHANNELS.index("prescription")] == 1.0
        dose_gy = (example.clean[0, 0] + 1) * example.gy_per_unit
        # The dose is highest in the middle of the high target, wherever both were moved or mirrored to.
        peak = np.array(np.unravel_index(int(dose_gy.argmax()), dose_gy.shape))
        middle = torch.nonzero(high).float().mean(dim=0).numpy()
        assert np.abs(peak - middle).max() < 1.5
        left = torch.nonzero(example.conditions[0, CHANNELS.index("Parotid_L")]).float().mean(dim=0)
        right = torch.nonzero(example.conditions[0, CHANNELS.index("Parotid_R")]).float().mean(dim=0)
        assert left[2] > right[2], "left stays left when the patient is mirrored"
        assert dose_gy[~example.region[0, 0]].abs().max() == 0
        assert all(size % 16 == 0 for size in dose_gy.shape)
        seen.add(tuple(peak))
    assert len(seen) > 3
    same = draw_example(cases[0], system, 16, (5,)), draw_example(cases[0], system, 16, (5,))
    assert torch.equal(same[0].noisy, same[1].noisy)


def test_the_loss_is_the_dose_score():
    generator = torch.Generator().manual_seed(0)
    predicted, clean = (torch.rand(1, 1, 4, 5, 6, generator=generator) for _ in range(2))
    region = torch.rand(1, 1, 4, 5, 6, generator=generator) > 0.5
    wanted = (predicted - clean).abs()[region].mean() * 35.0
    assert dose_error_gy(predicted, clean, region, 35.0) == pytest.approx(float(wanted))


def test_a_case_without_dose_is_refused():
    with pytest.raises(InputError, match="no reference dose"):
        training_case(ball_patient(), CHANNELS)


@pytest.mark.parametrize(
    ("text", "complaint"), [("{", "not valid JSON"), ('{"train": "a"}', "missing or unknown"), ('{"tea": 1}', "tea")]
)
def test_a_bad_configuration_is_explained(tmp_path, text, complaint):
    path = tmp_path / "config.json"
    path.write_text(text)
    with pytest.raises(InputError, match=complaint):
        TrainingConfig.read(path)
    with pytest.raises(InputError, match="Cannot read"):
        TrainingConfig.read(tmp_path / "none.json")
