"""Maps of two layers: their convolutions' gradients in bfloat16 are those of float32 but for rounding."""

from __future__ import annotations

import copy

import pytest
import torch
from ball_case import ball_case
from test_training import config
from torch import nn

from DosePredictionLib.networks.low_rank import add_low_rank, changes_of
from DosePredictionLib.training.loop import TrainingRun
from DosePredictionLib.training.thin_maps import ThickenedConv3d, thicken_thin_maps


def gradients(
    layer: nn.Conv3d, volume: torch.Tensor, bfloat16: bool
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """A convolution's result, and the gradients of its weights and of its map from a fixed one of the result."""
    layer.zero_grad()
    volume = volume.clone().requires_grad_()
    with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
        result = layer(volume)
    pull = torch.randn(result.shape, generator=torch.Generator().manual_seed(1))
    (result.float() * pull.bfloat16().float()).sum().backward()
    assert layer.weight.grad is not None
    assert volume.grad is not None
    return result.detach().float(), layer.weight.grad.clone(), volume.grad


def off(found: torch.Tensor, expected: torch.Tensor) -> float:
    """Relative error."""
    return float((found - expected).norm() / expected.norm())


@pytest.mark.parametrize(("kernel", "depth"), [(3, 1), (3, 2), (3, 3), (5, 2), (5, 4), ((3, 1, 1), 2)])
def test_gradients_of_thin_maps(kernel, depth):
    torch.manual_seed(0)
    padding = kernel // 2 if isinstance(kernel, int) else (1, 0, 0)
    plain = nn.Conv3d(32, 32, kernel, padding=padding)
    changed = nn.Sequential(copy.deepcopy(plain))
    thicken_thin_maps(changed)
    assert isinstance(changed[0], ThickenedConv3d)
    volume = torch.randn(1, 32, depth, 6, 6)
    # What processors hand out is often what was there before: let that be numbers that show.
    filled = [torch.full((1 << size,), 1e30) for size in range(8, 20)]
    del filled
    for found, expected in zip(gradients(changed[0], volume, True), gradients(plain, volume, False), strict=True):
        assert off(found, expected) < 0.02


def test_gradients_of_low_rank_changes():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv3d(32, 32, 3, padding=1))
    add_low_rank(network, 4)
    torch.nn.init.normal_(next(changes_of(network)).up, std=0.02)
    names = list(network.state_dict())
    thicken_thin_maps(network)
    assert isinstance(network[0], ThickenedConv3d) and list(network.state_dict()) == names
    volume, found = torch.randn(1, 32, 2, 6, 6), []
    filled = [torch.full((1 << size,), 1e30) for size in range(8, 20)]
    del filled
    for bfloat16 in (True, False):
        network.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
            result = network(volume)
        pull = torch.randn(result.shape, generator=torch.Generator().manual_seed(1))
        (result.float() * pull.bfloat16().float()).sum().backward()
        change = next(changes_of(network))
        found.append(torch.cat([change.down.grad.flatten(), change.up.grad.flatten()]))
    assert off(*found) < 0.02


def test_prediction_sees_the_map_as_it_is():
    layer = nn.Conv3d(4, 4, 3, padding=1)
    changed = copy.deepcopy(layer)
    thicken_thin_maps(changed)
    volume = torch.randn(1, 4, 2, 6, 6)
    assert torch.equal(changed.eval()(volume), layer.eval()(volume))


def test_what_does_not_keep_depth_stays_as_it_is():
    layers = nn.Sequential(
        nn.Conv3d(4, 4, 3), nn.Conv3d(4, 4, 3, padding=1, stride=2), nn.Conv3d(4, 4, 3, padding=2, dilation=2),
        nn.Conv3d(4, 4, 3, padding="same"), nn.Conv3d(4, 4, 3, padding=1, padding_mode="replicate"), nn.Conv3d(4, 4, 1),
        nn.Conv3d(4, 4, (1, 3, 3), padding=(0, 1, 1)),
    )  # fmt: skip
    thicken_thin_maps(layers)
    assert all(type(layer) is nn.Conv3d for layer in layers)


def test_training_on_a_processor_has_them(tmp_path):
    run = TrainingRun(config(tmp_path, device="cpu"), [ball_case()], [])
    kept = [layer for layer in run.network.modules() if isinstance(layer, nn.Conv3d) and layer.kernel_size == (3, 3, 3)]
    assert kept
    assert all(isinstance(layer, ThickenedConv3d) for layer in kept)
    assert list(run.network.state_dict()) == list(run.stage.build_network().state_dict())
