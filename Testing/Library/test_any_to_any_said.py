"""What DiffKT3D's network is asked to say, and what its answer is judged by."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from any_to_any_run import SMALL, small_config, two_balls
from torch import Tensor, nn

from DosePredictionLib.networks.dose_transformer import DoseTransformer, TransformerShape
from DosePredictionLib.training.any_to_any_stage import AnyToAnyStage
from DosePredictionLib.training.loop import TrainingRun


@pytest.fixture(scope="module")
def cases():
    return two_balls()


def narrow(gated: bool) -> DoseTransformer:
    """Tokens of 16 channels for patches of 64 numbers."""
    torch.manual_seed(0)
    shape = TransformerShape(width=16, heads=1, layers=1, feed_forward=16, slot_width=0)
    return DoseTransformer({"dose": 64}, shape, gated=gated)


def test_what_passes_a_gate_is_the_noisy_latent_and_nothing_of_pure_noise():
    network = narrow(True).eval()
    noisy, times = torch.randn(3, 64, 2, 2, 2), torch.tensor([0.25, 0.5, 1.0])
    occupied = torch.ones(2, 2, 2, dtype=torch.bool)
    occupied[0, 0, 0] = False
    with torch.no_grad():
        network.heads["dose"].weight.zero_()
        network.gates["dose"].bias.zero_()  # half open
        said = network(noisy, times, "dose", {}, occupied)
    wanted = noisy * (1 - times)[:, None, None, None, None] * occupied
    assert torch.allclose(said, wanted, atol=1e-6)


def test_details_that_a_narrow_token_cannot_repeat_come_through_a_gate():
    """Independent numbers with a little noise: the best error is t^2 / ((1 - t)^2 + t^2), far below 48 of 64 lost."""
    time = 0.2
    best = time**2 / ((1 - time) ** 2 + time**2)

    def error_after_training(gated: bool) -> float:
        network = narrow(gated)
        optimiser = torch.optim.Adam(network.parameters(), 0.02)
        generator = torch.Generator().manual_seed(0)
        error = torch.tensor(0.0)
        for _ in range(150):
            clean, noise = (torch.randn(8, 64, 2, 4, 4, generator=generator) for _ in range(2))
            said = network((1 - time) * clean + time * noise, torch.full((8,), time), "dose", {})
            error = (said - clean).square().mean()
            optimiser.zero_grad()
            error.backward()
            optimiser.step()
        return float(error.detach())

    assert error_after_training(False) > 0.5
    assert error_after_training(True) == pytest.approx(best, rel=0.15)


def test_training_with_gates_lowers_the_dose_error(tmp_path, cases):
    told = small_config(
        tmp_path, system_config={**SMALL, "gated": True}, steps=40, decay_steps=14, learning_rate=3e-3, ema=0.8,
        curve_weight=0.0, criteria_weight=0.0, checkpoint_every=100,
    )  # fmt: skip
    run = TrainingRun(told, cases, cases)
    before = run.validation_score()
    run.run()
    assert run.validation_score() < 0.6 * before


class AlwaysSays(nn.Module):
    """A denoiser whose clean latent is that of one value everywhere."""

    def __init__(self, codec: nn.Module, value: float) -> None:
        super().__init__()
        self.codec, self.value = codec, value

    def forward(self, noisy: Tensor, time: Tensor, target: str, conditions: object, occupied: Tensor) -> Tensor:
        volume = self.codec.decode(target, noisy)
        return self.codec.encode(target, torch.full_like(volume, self.value))


def test_the_best_answer_about_bone_that_may_be_there_is_the_mean(cases):
    """Three in ten say bone, seven soft tissue: the median would say soft tissue, and no sample ever showed bone."""
    told = small_config("", system_config={**SMALL, "dose_share": 0.0, "ct_share": 1.0}, stage="any-to-any")
    stage = AnyToAnyStage(told)
    batch = stage.draw([cases[0]], [(0, 2, 0)])
    assert batch.target == "ct"
    bone, tissue = 0.4, -0.2

    def expected_loss(value: float) -> float:
        network = stage.build_network()
        network.denoiser = AlwaysSays(network.codec, value)
        losses = [float(stage.loss(network, replace(batch, clean=torch.full_like(batch.clean, found))).total)
                  for found in (bone, tissue)]  # fmt: skip
        return 0.3 * losses[0] + 0.7 * losses[1]

    mean = 0.3 * bone + 0.7 * tissue
    assert expected_loss(mean) < min(expected_loss(tissue), expected_loss(mean - 0.05), expected_loss(mean + 0.05))
    assert expected_loss(mean) == pytest.approx(0.3 * 0.7 * (bone - tissue) ** 2, rel=1e-3)
