"""Post-training: what earns a reward, and that doses which score better become likelier."""

from __future__ import annotations

import json
from dataclasses import asdict, replace

import numpy as np
import pytest
import torch
from ball_case import ball_case
from phantom import AXIAL, ball_patient
from tiny import TINY
from torch import nn

from DosePredictionLib.cli.main import main
from DosePredictionLib.conditioning.channels import CHANNELS
from DosePredictionLib.dosimetry.scorecard_reading import find_scorecard
from DosePredictionLib.errors import InputError
from DosePredictionLib.inference.views import KnownViews
from DosePredictionLib.inference.weights import WeightsHeader, load_weights, save_weights
from DosePredictionLib.networks.low_rank import NONE, OLD, add_low_rank, changes_of, merged_state, move_old, version
from DosePredictionLib.systems.registry import SYSTEMS
from DosePredictionLib.training.config import TrainingConfig
from DosePredictionLib.training.dose_policy import Seen
from DosePredictionLib.training.exploration import dose_factors
from DosePredictionLib.training.export import export_weights
from DosePredictionLib.training.loop import TrainingRun
from DosePredictionLib.training.post_training_config import PostTrainingConfig
from DosePredictionLib.training.post_training_run import run_of
from DosePredictionLib.training.post_training_stage import PostTrainingBatch, PostTrainingStage
from DosePredictionLib.training.reward import DoseFigures, dose_figures, optimality, patient_on_grid, reward

SMALL = {
    "default": TINY,
    "diffkt3d": {"width": 64, "heads": 2, "layers": 2, "feed_forward": 64, "merged_hidden": 8, "drop": 0.0},
}  # fmt: skip
SETTINGS = {"samples": 2, "sampling_steps": 2, "exploration": 0.0}


@pytest.fixture(scope="module")
def case():
    return ball_case(peak_gy=75.0)


def weights_of(folder, name, training=None):
    torch.manual_seed(0)
    system = SYSTEMS[name](**{**SMALL[name], "channels": CHANNELS})
    network = system.build_network()
    path = folder / f"{name}.safetensors"
    save_weights(network.state_dict(), WeightsHeader(name, asdict(system), training or {}), path)
    return path


def config(folder, name, **changes) -> TrainingConfig:
    values = {
        "train": "", "validation": "", "output": str(folder / "run"), "system": name, "stage": "post-training",
        "from_weights": str(weights_of(folder, name)), "low_rank": 4, "steps": 4, "decay_steps": 1, "warmup_steps": 1,
        "checkpoint_every": 2, "validate_every": 4, "threads": 1, "device": "cpu", "turn_probability": 0.0,
        "post_training": SETTINGS,
    }  # fmt: skip
    return TrainingConfig(**{**values, **changes})


# Low-rank changes


def test_a_low_rank_change_begins_as_nothing_and_is_merged_exactly():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv3d(2, 5, 3), nn.Flatten(), nn.Linear(5 * 8, 3))
    plain = {name: value.clone() for name, value in network.state_dict().items()}
    x = torch.randn(2, 2, 4, 4, 4)
    before = network(x)
    add_low_rank(network, 2)
    assert torch.allclose(network(x), before, atol=1e-6)
    assert {n for n, p in network.named_parameters() if p.requires_grad} == {
        f"{layer}.parametrizations.weight.0.{part}" for layer in (0, 2) for part in ("down", "up")
    }
    with torch.no_grad():
        for change in changes_of(network):
            change.up.normal_()
    with version(network, OLD):
        assert torch.allclose(network(x), before, atol=1e-6)
    with version(network, NONE):
        assert torch.allclose(network(x), before, atol=1e-6)
    after = network(x)
    assert not torch.allclose(after, before, atol=1e-2)
    move_old(network, 0.0)
    with version(network, OLD):
        assert torch.allclose(network(x), after, atol=1e-5)
    merged = merged_state(network.state_dict())
    assert set(merged) == set(plain)
    fresh = nn.Sequential(nn.Conv3d(2, 5, 3), nn.Flatten(), nn.Linear(5 * 8, 3))
    fresh.load_state_dict(merged)
    assert torch.allclose(fresh(x), after, atol=1e-5)


# Rewards


def test_the_patient_on_the_models_grid_is_the_patient(case):
    patient = patient_on_grid("ball", case.inputs)
    assert [s.name for s in patient.structures] == ["Body", "PTV56", "PTV70", "SpinalCord", "Parotid_R", "Parotid_L"]
    volumes = {s.name: s.mask.array.sum() * s.mask.geometry.voxel_volume_cc for s in patient.structures}
    original = {
        s.standard_name or s.name: s.mask.array.sum() * AXIAL.voxel_volume_cc for s in ball_patient().structures
    }
    assert volumes["PTV70"] == pytest.approx(original["PTV70"], rel=0.1)
    assert volumes["PTV56"] == pytest.approx(original["PTV56"] - original["PTV70"], rel=0.1)
    assert volumes["SpinalCord"] == pytest.approx(original["SpinalCord"], rel=0.1)


def test_figures_and_rewards(case):
    card, settings = find_scorecard("head-and-neck"), PostTrainingConfig()
    patient = patient_on_grid("ball", case.inputs)
    clinical = case.dose_gy.astype(np.float32)
    right = dose_figures(clinical, clinical, patient, card)
    assert right.error_gy == 0 and right.hottest_percent == pytest.approx(100 * 75 / 70, rel=0.02)
    cord = case.inputs.channels[CHANNELS.index("SpinalCord")] > 0.5
    hot = dose_figures(np.where(cord, 60.0, clinical).astype(np.float32), clinical, patient, card)
    assert hot.score_percent < right.score_percent - 5 and hot.error_gy > 0
    assert reward(right, right, settings) > reward(hot, right, settings)
    before = DoseFigures(70.0, 3.0, 108.0)
    same, off, burning = (replace(before, **change) for change in ({}, {"error_gy": 3.5}, {"hottest_percent": 125.0}))
    assert reward(same, before, settings) == pytest.approx(70.0 - 2 * 3.0)
    assert reward(off, before, settings) == pytest.approx(70.0 - 2 * 3.5 - 20 * (3.5 - 3.06))
    assert reward(burning, before, settings) == pytest.approx(70.0 - 6.0 - 20.0)
    # What widening the samples costs in voxel error is nothing that the policy has done.
    assert reward(off, before, settings, widening_gy=0.5) == pytest.approx(70.0 - 2 * 3.5)


def test_rewards_of_a_patient_are_compared_with_each_other():
    spread = optimality(np.array([50.0, 60.0, 70.0]))
    assert spread[1] == pytest.approx(0.5) and spread[0] == 0.0 and spread[2] == 1.0
    skewed = optimality(np.array([50.0, 50.0, 56.0, 80.0]))  # a mean of 59, a median of 53
    assert (skewed > 0.5).tolist() == [False, False, False, True]
    alike = optimality(np.array([60.0, 60.001]))
    assert np.abs(alike - 0.5).max() < 0.01  # noise is not blown up
    narrow = optimality(np.array([60.0, 60.3, 60.6, 60.3]))  # deviation 0.2, as samples of one patient have
    assert narrow.min() == 0.0 and narrow.max() == 1.0
    assert np.allclose(optimality(np.array([1.0, 2.0])), optimality(np.array([101.0, 102.0])))


# The run


@pytest.mark.parametrize("name", ["default", "diffkt3d"])
def test_a_run_resumes_exactly_logs_and_releases_plain_weights(tmp_path, case, name):
    told = config(tmp_path, name)
    whole = TrainingRun(replace(told, output=str(tmp_path / "whole")), [case], [case])
    whole.run()
    TrainingRun(told, [case], [case]).run(until=2)
    resumed = TrainingRun(told, [case], [case])
    assert resumed.step == 2
    resumed.run()
    frozen = load_weights(told.from_weights).network.state_dict()
    for key, value in whole.network.state_dict().items():
        assert torch.equal(value, resumed.network.state_dict()[key]), key
        if key.endswith("original"):
            assert torch.equal(value, frozen[key.replace("parametrizations.weight.original", "weight")])
    loaded = load_weights(export_weights(resumed))
    assert set(loaded.network.state_dict()) == set(frozen) and loaded.header.system == name
    assert loaded.system == load_weights(told.from_weights).system
    records = [json.loads(line) for line in (tmp_path / "run" / "curves.jsonl").read_text().splitlines()]
    assert {"validation_dose_score_gy", "validation_scorecard_percent"} <= set(records[-1])
    _, logged = (loss := whole.stage.loss(whole.network, whole.draws.of_step(3))).total, loss.logged
    assert {"reward", "scorecard_percent", "scorecard_gain", "sample_error_gy", "drift", "anchor_loss"} <= set(logged)
    assert float(logged["drift"]) > 0 and float(logged["policy_pull"]) > 0 and float(logged["anchor_pull"]) > 0


def test_weights_that_are_changed_a_little_still_know_the_views_that_they_were_trained_on(tmp_path, case):
    shown = {"upside_down": 0.35, "names_kept": True}
    told = config(tmp_path, "default", steps=1)
    assert str(weights_of(tmp_path, "default", shown)) == told.from_weights
    run = TrainingRun(told, [case], [case])
    assert run.stage.config.names_kept
    run.run()
    assert KnownViews.of_training(load_weights(export_weights(run)).header.training) == KnownViews(
        upside_down=True, names_kept=True
    )


class OneNumber:
    """A policy whose dose is one number: what the network says, and noise around it."""

    deviation = 0.5

    def see(self, network, case, device):
        one = torch.ones(1, 1, 1, 1, 1)
        return Seen({}, one > 0, one[0, 0] > 0, 0 * one, case, (0, 0, 0))

    def sample(self, network, seen, steps, seeds):
        noise = [torch.randn(1, generator=torch.Generator().manual_seed(seed)) for seed in seeds]
        clean = network(torch.ones(1)) + self.deviation * torch.stack(noise)
        return clean.reshape(-1, 1, 1, 1, 1)

    def doses_gy(self, network, seen, samples):
        return samples.detach().numpy().reshape(-1, 1, 1, 1)

    def draw_time(self, uniform):
        return uniform

    def noisy(self, clean, noise, time):
        return clean + noise

    def wanted(self, clean, noise, time):
        return clean

    def said(self, network, seen, noisy, time):
        return network(torch.ones(1)).expand(noisy.shape)

    def squared(self, network, seen, difference):
        return difference.flatten(1).square().mean(dim=1)


def one_number() -> nn.Module:
    """Says 0, whatever it is given, and can learn to say something else."""
    network = nn.Linear(1, 1, bias=False)
    with torch.no_grad():
        network.weight.zero_()
        add_low_rank(network, 1)
        for change in changes_of(network):
            change.down.fill_(1.0)
    return network


def rewarded_by_their_mean(monkeypatch, sign: float = 1.0) -> None:
    from DosePredictionLib.training import post_training_stage

    monkeypatch.setattr(
        post_training_stage, "dose_figures",
        lambda dose_gy, clinical_gy, patient, card: DoseFigures(100 * sign * float(dose_gy.mean()), 0.0, 0.0),
    )  # fmt: skip


@pytest.mark.parametrize(("sign", "widening"), [(1.0, 1.0), (-1.0, 1.0), (1.0, 3.0)])
def test_doses_that_are_rewarded_become_likelier(tmp_path, case, monkeypatch, sign, widening):
    rewarded_by_their_mean(monkeypatch, sign)
    settings = {**SETTINGS, "samples": 8, "anchor": 0.0, "mix": 1.0, "old_decay": 0.5, "widening": widening}
    stage = PostTrainingStage(config(tmp_path, "default", post_training=settings))
    stage.policy = OneNumber()
    network = one_number()
    optimiser = torch.optim.SGD([p for p in network.parameters() if p.requires_grad], lr=0.05)
    for step in range(40):
        loss = stage.loss(network, PostTrainingBatch((case,), (1000 * step,)))
        loss.total.backward()
        optimiser.step()
        optimiser.zero_grad()
    assert sign * network(torch.ones(1)).item() > OneNumber.deviation
    assert float(loss.logged["drift"]) > 0


def test_a_samples_noise_is_not_the_one_that_it_was_drawn_from(tmp_path, case, monkeypatch):
    rewarded_by_their_mean(monkeypatch)
    stage = PostTrainingStage(config(tmp_path, "default"))
    seen = []

    class Noted(OneNumber):
        def noisy(self, clean, noise, time):
            seen.append(noise)
            return super().noisy(clean, noise, time)

    stage.policy = Noted()
    stage.loss(one_number(), PostTrainingBatch((case,), (7,)))
    drawn_from = [torch.randn(1, generator=torch.Generator().manual_seed(7 + index)) for index in range(2)]
    assert not set(seen[0].flatten().tolist()) & {float(one) for one in drawn_from}


def test_the_anchor_pulls_back_to_the_clinical_dose(tmp_path, case, monkeypatch):
    rewarded_by_their_mean(monkeypatch)
    ends = []
    for anchor in (0.0, 20.0):
        settings = {**SETTINGS, "samples": 8, "anchor": anchor, "mix": 1.0, "old_decay": 0.5}
        stage = PostTrainingStage(config(tmp_path, "default", post_training=settings))
        stage.policy = OneNumber()  # whose clinical dose is 0
        network = one_number()
        optimiser = torch.optim.SGD([p for p in network.parameters() if p.requires_grad], lr=0.01)
        for step in range(40):
            stage.loss(network, PostTrainingBatch((case,), (1000 * step,))).total.backward()
            optimiser.step()
            optimiser.zero_grad()
        ends.append(abs(network(torch.ones(1)).item()))
    assert ends[1] < 0.3 * ends[0]


def test_widened_samples_lie_further_from_the_same_mean_and_the_figures_are_of_the_plain_ones(
    tmp_path, case, monkeypatch
):
    from DosePredictionLib.training import post_training_stage

    scored = []
    monkeypatch.setattr(
        post_training_stage, "dose_figures",
        lambda dose_gy, clinical_gy, patient, card: scored.append(float(dose_gy.mean())) or DoseFigures(0.0, 0.0, 0.0),
    )  # fmt: skip
    stages = {
        widening: PostTrainingStage(
            config(tmp_path, "default", post_training={**SETTINGS, "samples": 5, "widening": widening})
        )
        for widening in (1.0, 3.0)
    }
    doses = {}
    for widening, stage in stages.items():
        stage.policy = OneNumber()
        scored.clear()
        stage.loss(one_number(), PostTrainingBatch((case,), (7,)))
        doses[widening] = np.array(scored)
    plain, wide = doses[1.0][2:], doses[3.0][2:]
    assert len(plain) == 5 and np.allclose(wide - wide.mean(), 3 * (plain - plain.mean()), atol=1e-5)
    assert wide.mean() == pytest.approx(plain.mean(), abs=1e-5)
    assert np.allclose(doses[3.0][:2], plain[0])  # before and now: the first seed, not widened


def test_doses_are_changed_structure_by_structure_and_without_edges(case):
    shape, offset = (48, 48, 48), (3, 2, 1)
    factors = dose_factors(case, shape, offset, 400, 0.05, seed=0).numpy()[:, 0]
    assert factors.shape == (400, *shape)
    inputs = case.inputs
    place = tuple(slice(start, start + n) for start, n in zip(offset, inputs.region.shape, strict=True))
    inside = {name: inputs.channels[inputs.names.index(name)] > 0.5 for name in ("SpinalCord", "Parotid_R")}
    inside["PTV70"] = inputs.channels[inputs.names.index("prescription")] > 0.99
    means = {name: factors[(slice(None), *place)][:, mask].mean(axis=1) for name, mask in inside.items()}
    # A ball of a few cm takes most of its change, a large structure nearly all; each its own.
    assert 0.025 < means["PTV70"].std() < 0.05 and means["PTV70"].mean() == pytest.approx(1, abs=0.01)
    assert abs(np.corrcoef(means["PTV70"], means["Parotid_R"])[0, 1]) < 0.2
    within = factors[(slice(40), *place)]
    for axis in (1, 2, 3):
        assert np.abs(np.diff(within, axis=axis)).max() < 0.6 * np.abs(within - 1).max()
    padded = np.ones(shape, dtype=bool)
    padded[place] = False
    assert (factors[:, padded] == 1).all()
    assert (dose_factors(case, shape, offset, 2, 0.05, seed=1) != dose_factors(case, shape, offset, 2, 0.05, 2)).any()


@pytest.mark.parametrize("name", ["default", "diffkt3d"])
def test_explored_doses_are_the_samples_with_their_structures_changed(tmp_path, case, monkeypatch, name):
    from DosePredictionLib.training import post_training_stage

    target = case.inputs.channels[case.inputs.names.index("prescription")] > 0.99
    found = {}
    for exploration in (0.0, 0.1):
        scored = []
        monkeypatch.setattr(
            post_training_stage, "dose_figures",
            lambda dose, *_, scored=scored: scored.append(float(dose[target].mean())) or DoseFigures(0.0, 0.0, 0.0),
        )  # fmt: skip
        settings = {**SETTINGS, "samples": 12, "exploration": exploration}
        stage = PostTrainingStage(config(tmp_path, name, post_training=settings))
        torch.manual_seed(0)
        with torch.autocast("cpu", dtype=torch.bfloat16):  # as in training
            stage.loss(stage.build_network(), PostTrainingBatch((case,), (5,)))
        found[exploration] = np.array(scored)
    assert np.allclose(found[0.1][:2], found[0.0][:2], rtol=1e-3)  # before and now are not explored
    ratios = found[0.1][2:] / found[0.0][2:]
    assert 0.05 < ratios.std() < 0.2 and ratios.mean() == pytest.approx(1, abs=0.1)


def test_without_the_policys_loss_only_the_clinical_doses_teach(tmp_path, case, monkeypatch):
    rewarded_by_their_mean(monkeypatch)
    stage = PostTrainingStage(
        config(tmp_path, "default", post_training={**SETTINGS, "samples": 8, "policy": 0.0, "anchor": 0.3})
    )
    stage.policy = OneNumber()  # whose clinical dose is 0
    network = one_number()
    for change in changes_of(network):
        change.up.data.fill_(2.0)
    loss = stage.loss(network, PostTrainingBatch((case,), (3,)))
    loss.total.backward()
    (change,) = changes_of(network)
    assert change.up.grad.item() == pytest.approx(0.3 * 2 * 2.0)  # of 0.3 |2 - 0|^2
    # What is logged as the pull is the weights' gradient, where the output is the weight.
    assert float(loss.logged["anchor_pull"]) == pytest.approx(1.2) and float(loss.logged["policy_pull"]) == 0


def test_a_run_is_validated_before_its_first_step(tmp_path, case):
    told = tmp_path / "config.json"
    told.write_text(json.dumps(asdict(config(tmp_path, "default", steps=1))))
    run = run_of(TrainingConfig.read(told), [case], [case])
    run.run()
    records = [json.loads(line) for line in (tmp_path / "run" / "curves.jsonl").read_text().splitlines()]
    first = records[0]
    assert first["step"] == 0 and [record["step"] for record in records] == [0, 1]
    settings = PostTrainingConfig(**SETTINGS)
    loaded = load_weights(run.config.from_weights)
    dose_gy = loaded.system.sample_dose(loaded.network, case.inputs, settings.sampling_steps, 0)
    wanted = dose_figures(
        dose_gy, case.dose_gy.astype(np.float32), patient_on_grid("", case.inputs), find_scorecard("head-and-neck")
    )
    assert first["validation_dose_score_gy"] == pytest.approx(wanted.error_gy, rel=0.01)
    run_of(run.config, [case], [case]).run()
    assert (tmp_path / "run" / "curves.jsonl").read_text().count('"step": 0') == 1
    header = load_weights(export_weights(run)).header
    started = load_weights(run.config.from_weights)
    assert header.training["stage"] == "post-training"
    assert header.training["from_weights"] == {
        "file": f"{tmp_path.name}/default.safetensors", "system": "default", "sha256": started.sha256,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"from_weights": None}, "needs weights to start from"),
        ({"low_rank": 0}, "give low_rank"),
        ({"post_training": {"samples": 1}}, "give at least 2"),
        ({"post_training": {"sample": 4}}, "unknown field"),
        ({"post_training": {"widening": 0.5}}, "widening of at least 1"),
        ({"post_training": {"exploration": 3.0}}, "from 0 to 0.3"),
        ({"post_training": {"policy": 0, "anchor": 0}}, "a policy or an anchor above 0"),
        ({"post_training": {"scorecard": "tarot"}}, "no scorecard called 'tarot'"),
        ({"system": "diffkt3d", "system_config": {}}, "holds weights of the system 'default'"),
    ],
)
def test_what_is_missing_is_said(tmp_path, case, changes, complaint):
    with pytest.raises(InputError, match=complaint):
        TrainingRun(replace(config(tmp_path, "default"), **changes), [case], [case])


def test_the_command_takes_only_its_own_stage(tmp_path, capsys):
    path = tmp_path / "config.json"
    path.write_text(json.dumps({"train": "a", "validation": "b", "output": str(tmp_path / "c")}))
    assert main(["post-train", str(path)]) == 2
    assert 'set "stage": "post-training"' in capsys.readouterr().err
