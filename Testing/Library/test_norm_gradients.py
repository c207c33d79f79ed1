"""The norms' gradients in bfloat16, summed over a patient's voxels, are those of float32 but for rounding."""

from __future__ import annotations

import pytest
import torch

from DosePredictionLib.networks.blocks import NORMS


@pytest.mark.parametrize("norm", sorted(NORMS))
@pytest.mark.parametrize("items", [1, 2])
def test_scales_and_shifts(norm, items):
    torch.manual_seed(0)
    channels, embedding = 32, torch.randn(items, 24)
    volume = torch.randn(items, channels, 24, 40, 48).to(memory_format=torch.channels_last_3d)
    # A dose error's: of one size, and of one sign a little more often than of the other.
    pull = 3e-6 * torch.sign(torch.randn(volume.shape) + 0.02)
    found = []
    for number in (torch.bfloat16, torch.float32):
        torch.manual_seed(1)
        layer = NORMS[norm](channels, 24)
        torch.nn.init.normal_(layer.project.weight, std=0.02)
        with torch.autocast("cpu", torch.bfloat16, enabled=number is torch.bfloat16):
            result = layer(volume.to(number), embedding)
        result.backward(pull.to(result.dtype))
        found.append(torch.cat([layer.project.weight.grad.flatten(), layer.project.bias.grad]))
    assert float((found[0] - found[1]).norm() / found[1].norm()) < 0.02


@pytest.mark.parametrize("norm", sorted(NORMS))
def test_training_and_prediction_are_one_function(norm):
    torch.manual_seed(0)
    layer = NORMS[norm](16, 8)
    torch.nn.init.normal_(layer.project.weight)
    volume, embedding = torch.randn(1, 16, 6, 8, 10), torch.randn(1, 8)
    trained = layer(volume, embedding)
    with torch.inference_mode():
        torch.testing.assert_close(layer(volume, embedding), trained.detach())
