"""The networks that diffusion is compared with: they learn, and predict as they were trained."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from ball_case import ball_case

from DosePredictionLib.errors import InputError
from DosePredictionLib.inference.weights import load_weights
from DosePredictionLib.networks.baselines import DeepLabV3Plus
from DosePredictionLib.systems.baseline import BaselineSystem
from DosePredictionLib.systems.registry import system_from_config
from DosePredictionLib.training.baseline_stage import AdversarialPair, BaselineStage
from DosePredictionLib.training.config import TrainingConfig
from DosePredictionLib.training.export import export_weights
from DosePredictionLib.training.loop import TrainingRun

SEEN = (48, 48, 48)
#: Steps after which each of them has learned; batch norms need more for their statistics than others for a dose.
ARCHITECTURES = {"unet": 12, "pix2pix": 12, "deeplabv3plus": 25, "dosenet": 12}


@pytest.fixture(scope="module")
def case():
    return ball_case()


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_baseline_learns_and_its_weights_predict(tmp_path, case, architecture):
    told = TrainingConfig(
        "", "", str(tmp_path), system="baseline",
        system_config={"architecture": architecture, "width": 8, "drop": 0.0, "field_of_view": SEEN},
        steps=ARCHITECTURES[architecture], decay_steps=5, warmup_steps=2, learning_rate=5e-3, ema=0.8,
        turn_probability=0.0, threads=1, device="cpu", validate_every=100, checkpoint_every=100,
    )  # fmt: skip
    run = TrainingRun(told, [case], [case])
    before = run.validation_score()
    run.run()
    after = run.validation_score()
    assert after < 0.75 * before
    loaded = load_weights(export_weights(run))
    assert not any("discriminator" in name for name in loaded.network.state_dict())
    counted: list[int] = []
    dose = loaded.system.sample_dose(loaded.network, case.inputs, 1, 0, counted.append)
    assert counted == [1]
    assert dose.shape == case.inputs.region.shape and dose.min() >= 0 and not dose[~case.inputs.region].any()
    error = float(np.abs(dose - case.dose_gy.astype(np.float32))[case.inputs.region].mean())
    assert error == pytest.approx(after, rel=0.05)


def test_a_network_sees_windows_of_the_size_it_was_trained_with(case):
    """Whatever the patient's size: its norms would take a larger or smaller volume for another patient."""
    system = BaselineSystem(architecture="unet", width=8, field_of_view=(32, 48, 32))
    network, seen = system.build_network().eval(), []
    network.register_forward_pre_hook(lambda _, inputs: seen.append(tuple(inputs[0].shape[2:])))
    assert case.inputs.region.shape[0] > 32 and case.inputs.region.shape[2] > 32
    whole = system.sample_dose(network, case.inputs, 1, 0)
    small = case.inputs.cropped((8, 8, 8), (20, 20, 20))
    part = system.sample_dose(network, small, 1, 0)
    assert len(seen) > 4 and set(seen) == {(32, 48, 32)}
    assert whole.shape == case.inputs.region.shape and part.shape == (20, 20, 20)


def test_a_network_is_trained_on_what_it_sees_later(case):
    told = TrainingConfig("", "", "", system="baseline", batch=2, system_config={"field_of_view": [32, 48, 32]})
    batch = BaselineStage(told).draw([case, case], [(0, 0), (0, 1)])
    assert batch.conditions.shape == (2, len(case.inputs.names), 32, 48, 32) and not len(batch.structures.count)
    with pytest.raises(InputError, match=r"sees, \(32, 48, 32\), and not on the canvas \(64, 64, 64\)"):
        BaselineStage(replace(told, canvas=(64, 64, 64)))


def test_each_player_is_pulled_by_its_own_loss_only():
    pair = AdversarialPair(torch.nn.Conv3d(2, 1, 1), Discriminator())
    predicted, fooling, told_apart = pair(torch.randn(1, 2, 4, 4, 4), torch.randn(1, 1, 4, 4, 4))
    of_discriminator = list(pair.discriminator.parameters())
    of_generator = list(pair.generator.parameters())
    assert all(g is None for g in torch.autograd.grad(fooling, of_discriminator, retain_graph=True, allow_unused=True))
    assert all(g is None for g in torch.autograd.grad(told_apart, of_generator, retain_graph=True, allow_unused=True))
    assert torch.autograd.grad(fooling, of_generator, retain_graph=True)[0].abs().sum() > 0
    assert torch.autograd.grad(told_apart, of_discriminator)[0].abs().sum() > 0
    assert predicted.shape == (1, 1, 4, 4, 4)


def test_a_loud_discriminator_takes_nothing_from_the_generators_step(tmp_path, case, monkeypatch):
    """Clipped together, a discriminator with a gradient of length 80 would leave the generator an eightieth."""
    told = TrainingConfig(
        "", "", str(tmp_path), system="baseline",
        system_config={"architecture": "pix2pix", "width": 8, "drop": 0.0, "field_of_view": SEEN},
        turn_probability=0.0, threads=1, device="cpu",
    )  # fmt: skip
    run = TrainingRun(told, [case], [case])
    plain = run.stage.loss

    def loud(network, batch):
        loss = plain(network, batch)
        shout = 1e3 * sum(weight.square().sum() for weight in network.discriminator.parameters())
        return replace(loss, total=loss.total + shout)

    monkeypatch.setattr(run.stage, "loss", loud)
    seen = {}

    def lengths(_):
        for name in ("generator", "discriminator"):
            gradients = [w.grad for w in getattr(run.network, name).parameters() if w.grad is not None]
            seen[name] = float(torch.stack([gradient.norm() for gradient in gradients]).norm())

    monkeypatch.setattr(run._side_by_side, "step", lengths)
    run.run(1)
    assert seen["discriminator"] == pytest.approx(1.0, abs=1e-3)
    assert 0.1 < seen["generator"] <= 1.0 + 1e-3


class Discriminator(torch.nn.Module):
    """As MONAI's: a list of features, the answer last."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Conv3d(3, 1, 1)

    def forward(self, x):
        return [x, self.layer(x)]


def test_two_and_a_half_dimensions_see_the_neighbouring_slices_only():
    torch.manual_seed(0)
    network = DeepLabV3Plus(2, neighbours=1).eval()
    one = torch.randn(1, 2, 8, 32, 32)
    changed = one.clone()
    changed[:, :, 4] += 1.0
    with torch.no_grad():
        difference = (network(one) - network(changed)).abs().amax(dim=(0, 1, 3, 4))
    assert (difference[[3, 4, 5]] > 1e-5).all() and difference[[0, 1, 2, 6, 7]].max() < 1e-5


def test_an_unknown_architecture_is_named_with_those_there_are():
    with pytest.raises(InputError, match="no baseline 'dose_net'; choose one of unet, pix2pix, deeplabv3plus, dosenet"):
        system_from_config("baseline", {"architecture": "dose_net"}).build_network()
