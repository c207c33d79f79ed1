"""Details of training that a run's figures hardly show: voxel sizes, learning rates, clipping, averages, hours."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from addiff_small import stage_config as addiff_config
from ball_case import ball_case
from test_magdiff_adc import SMALL
from test_magdiff_adc import config as magdiff_config
from test_training import config

from DosePredictionLib.conditioning.channels import CHANNELS, SCALARS
from DosePredictionLib.systems.default import DefaultSystem
from DosePredictionLib.training.addiff_stage import AddiffStage
from DosePredictionLib.training.augmentation import Turn, turned
from DosePredictionLib.training.draw import draw_batch
from DosePredictionLib.training.loop import TrainingRun
from DosePredictionLib.training.magdiff_stage import MagdiffStage


@pytest.fixture(scope="module")
def cases():
    return [ball_case(), ball_case(3.0), ball_case(-3.0)]


def test_a_resized_patient_says_its_voxel_size(cases):
    """Along both axes of the plane, and as before along the third."""
    new, old = turned(cases[0], Turn(angle_degrees=30.0, enlarge=1.1)).inputs, cases[0].inputs
    smaller = [size / part for size, part in zip(old.geometry.spacing_mm, (1.1, 1.1, 1.0), strict=True)]
    assert new.geometry.spacing_mm == pytest.approx(smaller)
    assert 1 + new.scalars[:3] == pytest.approx((1 + old.scalars[:3]) / [1.1, 1.1, 1.0], abs=1e-6)


@pytest.mark.parametrize("optimiser", ["adamw", "muon"])
def test_every_optimiser_follows_the_schedule_and_a_changed_weight_decay(tmp_path, cases, optimiser):
    told = config(tmp_path, optimiser=optimiser, steps=6, decay_steps=2, warmup_steps=4)
    run = TrainingRun(told, cases, [])
    for step in range(6):
        run.run(until=step + 1)
        assert {group["lr"] for group in run._groups()} == {told.learning_rate_at(step)}, step
    again = TrainingRun(replace(told, steps=8, weight_decay=0.25), cases, [])
    assert {group["weight_decay"] for group in again._groups()} == {0.25}


def test_gradients_are_clipped_to_norm_one(tmp_path, cases, monkeypatch):
    run, norms = TrainingRun(config(tmp_path), cases, []), []
    honest, step_of = run.stage.loss, run._side_by_side.step
    monkeypatch.setattr(run.stage, "loss", lambda *seen: replace(honest(*seen), total=1e4 * honest(*seen).total))

    def step(optimisers):
        gradients = [one.grad for one in run.network.parameters() if one.grad is not None]
        norms.append(float(torch.cat([one.flatten() for one in gradients]).norm()))
        step_of(optimisers)

    monkeypatch.setattr(run._side_by_side, "step", step)
    run.run(until=2)
    assert norms == pytest.approx([1.0, 1.0], rel=1e-3)


def test_validation_is_of_the_averaged_weights_and_of_the_cases_that_have_a_score(tmp_path, cases, monkeypatch):
    run, seen = TrainingRun(config(tmp_path, learning_rate=0.1), cases, cases[:3]), []
    run.run(until=3)
    scores = iter([2.0, float("nan"), 5.0])
    monkeypatch.setattr(run.stage, "score", lambda network, *_: seen.append(network) or next(scores))
    assert run.validation_score() == 3.5, "a patient without a score spoils nothing"
    assert not seen[0].training
    for name, value in seen[0].state_dict().items():
        assert torch.equal(value, run.average[name]), name
    assert any(not torch.equal(value, run.average[name]) for name, value in run.network.state_dict().items())


@pytest.mark.parametrize(("drop", "there"), [(0.0, True), (1.0, False)])
def test_conditions_are_left_out_as_often_as_the_system_says(cases, drop, there):
    for seed in range(4):
        told = config("", turn_probability=0.0)
        batch = draw_batch([cases[0]], DefaultSystem(drop=drop), told, 16, [(seed,)])
        for condition, channel in (("ct", "ct"), ("beams", "beams_high")):
            assert bool(batch.conditions[0, CHANNELS.index(channel)].any()) is there
            assert float(batch.scalars[0, SCALARS.index(f"has_{condition}")]) == float(there)


def test_a_denoiser_of_velocity_learns_in_the_dose_region_only(cases):
    stage = MagdiffStage(magdiff_config(system_config={**SMALL, "prediction": "v"}))
    batch = stage.draw(cases[:1], [(3,)])
    network = stage.build_network()
    spoilt = replace(batch, clean=torch.where(batch.region, batch.clean, torch.full_like(batch.clean, 5.0)))
    one, other = (stage.loss(network, drawn).logged["squared_error"] for drawn in (batch, spoilt))
    assert float(one) == pytest.approx(float(other), rel=1e-6)


@pytest.fixture
def addiff(tmp_path, cases):
    """The stage of ADDiff-Dose's diffusion, and a batch of one patient with its constraints."""
    told = {"batch": 1, "patches": 0, "mixup": 0.0, "mixed_batches": 0.0, "clinical_weight": 0.5}
    stage = AddiffStage(addiff_config(tmp_path, "dose", **told))
    return stage, stage.draw(cases[:1], [(3,)])


def test_constraints_count_the_less_the_more_noise_there_is(addiff):
    """A clean dose that is guessed from noise is wrong by more than the constraints are about."""
    stage, batch = addiff
    assert batch.constraints
    found = []
    for step in (1, 500, 1000):
        drawn = replace(batch, time=torch.tensor([step]))
        found.append(float(stage.loss(lambda noisy, *_: torch.full_like(noisy, 1.1), drawn).logged["clinical"]))
    kept = stage.system.schedule.kept_variance[[1, 500, 1000]]
    assert found[0] > 0.01
    assert found[1] / found[0] == pytest.approx(float(kept[1] / kept[0]), rel=1e-4)
    assert found[2] < 1e-4 * found[0]


def test_the_ct_encoder_is_told_the_voxel_size_along_its_own_axes(addiff, cases):
    _, batch = addiff
    assert batch.step_mm[0].tolist() == pytest.approx(cases[0].inputs.geometry.spacing_mm[::-1], rel=1e-5)
    assert batch.step_mm[0, 0] != batch.step_mm[0, 2]


def test_hours_go_on_where_a_run_was_stopped(tmp_path, cases):
    run = TrainingRun(config(tmp_path), cases, [])
    run.seconds = 7200.0
    run.run(until=4)
    resumed = TrainingRun(config(tmp_path), cases, [])
    assert resumed.seconds == run.seconds > 7200.0
