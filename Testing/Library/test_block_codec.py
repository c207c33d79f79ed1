"""Latents that are standardised: measured once, kept with the weights, and doses come back as they were."""

from __future__ import annotations

import pytest
import torch
from any_to_any_run import SMALL, small_config, two_balls

from DosePredictionLib.networks.block_codec import LEAST, BlockCodec, coefficient_sizes
from DosePredictionLib.systems.diffkt3d import KEPT, DiffKT3DSystem
from DosePredictionLib.training.export import export_weights
from DosePredictionLib.training.loop import TrainingRun
from DosePredictionLib.training.untrained_parts import latents_of

STANDARDISED = {**SMALL, "codec_config": {"standardised": True}}


@pytest.fixture(scope="module")
def cases():
    return two_balls()


def test_measured_latents_vary_by_one_and_volumes_come_back():
    codec = BlockCodec(8, {"dose": 8}, {"dose": 1}, 1.0, standardised=True)
    generator = torch.Generator().manual_seed(0)
    # Smooth along x, so that coefficients differ in size, and far from zero in the mean.
    volume = torch.randn(1, 1, 64, 64, 64, generator=generator).cumsum(dim=4) * 0.1 - 0.7
    before = codec.encode("dose", volume)
    assert torch.allclose(before, BlockCodec(8, {"dose": 8}, {"dose": 1}, 1.0).encode("dose", volume))
    codec.standardise("dose", before.flatten(2)[0].T)
    latent = codec.encode("dose", volume).flatten(2)[0].T
    assert torch.allclose(latent.mean(dim=0), torch.zeros(512), atol=1e-4)
    loud = before.flatten(2)[0].T.std(dim=0) > LEAST
    assert 200 < int(loud.sum()) < 512 and torch.allclose(latent.std(dim=0)[loud], torch.ones(512)[loud], atol=1e-3)
    assert float(latent.std(dim=0)[~loud].max()) <= 1.0, "what hardly varies is not blown up"
    assert torch.allclose(codec.decode("dose", codec.encode("dose", volume)), volume, atol=1e-4)


def test_a_run_measures_its_patients_once_and_keeps_that_with_its_weights(tmp_path, cases):
    first = TrainingRun(small_config(tmp_path / "a", system_config=STANDARDISED, stage="any-to-any"), cases, cases[:1])
    measured = [latents_of(first.network, first.stage.system, case) for case in cases]
    latents = [latent["ptv"][0][:, occupied] for latent, occupied in measured]
    seen = torch.cat(latents, dim=1)
    assert torch.allclose(seen.mean(dim=1), torch.zeros(len(seen)), atol=1e-3)
    assert float(seen.std(dim=1).max()) == pytest.approx(1.0, abs=1e-3)
    kept = {name: value.clone() for name, value in first.network.state_dict().items() if name.startswith("codec.")}
    assert len(kept) == 2 * len(KEPT)
    assert not torch.allclose(kept["codec.oar_size"], coefficient_sizes(KEPT["oar"]).repeat(7))
    first.run()
    weights = export_weights(first)

    # The next stage goes on in the same latent space, whatever its own patients are; so does a run that is resumed.
    second = TrainingRun(
        small_config(tmp_path / "b", system_config=STANDARDISED, from_weights=str(weights)), cases[:1], cases[:1]
    )
    resumed = TrainingRun(
        small_config(tmp_path / "a", system_config=STANDARDISED, stage="any-to-any", steps=9), cases[:1], cases[:1]
    )
    for name, value in kept.items():
        assert torch.allclose(second.network.state_dict()[name], value, rtol=2e-3, atol=2e-3), name
        assert torch.equal(resumed.network.state_dict()[name], value), name
        assert torch.equal(resumed.average[name], value), name


def test_a_reward_sees_the_difference_of_doses_not_the_mean_dose(tmp_path, cases):
    from DosePredictionLib.training.dose_policy import DiffKT3DPolicy

    run = TrainingRun(small_config(tmp_path, system_config=STANDARDISED), cases, cases[:1])
    policy = DiffKT3DPolicy(DiffKT3DSystem(**STANDARDISED))
    seen = policy.see(run.network, cases[0], torch.device("cpu"))
    assert policy.squared(run.network, seen, torch.zeros_like(seen.clean)).tolist() == pytest.approx([0.0], abs=1e-9)
    hotter = run.network.encode("dose", run.network.decode("dose", seen.clean) + 0.1)
    assert policy.squared(run.network, seen, hotter - seen.clean).tolist() == pytest.approx([0.01], rel=1e-3)
