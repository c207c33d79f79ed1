"""The default denoiser's parts."""

from __future__ import annotations

import pytest
import torch

from DosePredictionLib.errors import InputError
from DosePredictionLib.networks.blocks import (
    ModulatedChannelNorm,
    ModulatedInstanceNorm,
    SpatialGuidance,
    depth_to_space,
    space_to_depth,
)
from DosePredictionLib.networks.guided_unet import GuidedUNet
from DosePredictionLib.systems.default import DefaultSystem


def test_depth_to_space_undoes_space_to_depth():
    x = torch.randn(2, 3, 4, 6, 8)
    packed = space_to_depth(x)
    assert packed.shape == (2, 24, 2, 3, 4)
    assert torch.equal(depth_to_space(packed), x)
    # Channel 0 holds the even voxels of every axis, so neighbours stay neighbours.
    assert torch.equal(packed[:, 0], x[:, 0, ::2, ::2, ::2])


def test_modulated_norm_is_instance_norm_for_each_item():
    torch.manual_seed(0)
    norm = ModulatedInstanceNorm(4, 8)
    x = torch.randn(3, 4, 5, 5, 5) * torch.tensor([1.0, 5.0, 0.1]).reshape(3, 1, 1, 1, 1)
    wanted = torch.nn.functional.instance_norm(x)
    assert torch.allclose(norm(x, torch.randn(3, 8)), wanted, atol=1e-4)


def test_channel_norm_evens_out_each_voxel_and_scales_by_the_embedding():
    torch.manual_seed(0)
    norm = ModulatedChannelNorm(6, 8)
    torch.nn.init.normal_(norm.project.weight)
    x, embedding = torch.randn(2, 6, 3, 4, 5) * 7 + 2, torch.randn(2, 8)
    scale, shift = norm.project(embedding).reshape(2, 2, 6, 1, 1, 1).unbind(1)
    even = (x - x.mean(1, keepdim=True)) / (x.var(1, keepdim=True, unbiased=False) + 1e-5).sqrt()
    wanted = even * (1 + scale) + shift
    assert torch.allclose(norm(x, embedding), wanted, atol=1e-4)
    assert torch.allclose(norm(x[:1], embedding[:1]), wanted[:1], atol=1e-4)  # one item takes another way


def test_a_channel_norms_denoiser_is_blind_to_how_much_is_empty():
    # What an instance norm says of a voxel hangs on the rest of the volume.
    for norm, alike in (("channel", True), ("instance", False)):
        network = small_unet(norm=norm).eval()
        for parameter in network.parameters():
            torch.nn.init.normal_(parameter, std=0.2)
        noisy, conditions, time, scalars = inputs()
        noisy, conditions = noisy.repeat(1, 1, 1, 1, 5), conditions.repeat(1, 1, 1, 1, 5)
        wide = [torch.nn.functional.pad(part, (0, 64)) for part in (noisy, conditions)]
        with torch.no_grad():
            near, far = network(noisy, conditions, time, scalars), network(*wide, time, scalars)
        # The last columns see the padding through the convolutions; the first ones don't.
        assert torch.allclose(near[..., :8], far[..., :8], rtol=1e-4, atol=1e-4) == alike


def small_unet(guidance: int = 4, norm: str = "instance", **built: str) -> GuidedUNet:
    torch.manual_seed(0)
    return GuidedUNet(3, 2, channels=(8, 12, 16), blocks=(1, 1, 1), embedding=16, guidance=guidance, norm=norm, **built)


def inputs(seed: int = 1) -> tuple[torch.Tensor, ...]:
    draw = torch.Generator().manual_seed(seed)
    return (
        torch.randn(1, 1, 16, 8, 24, generator=draw),
        torch.randn(1, 3, 16, 8, 24, generator=draw),
        torch.tensor([0.7]),
        torch.zeros(1, 2),
    )


@pytest.mark.parametrize("built", [{}, {"norm": "channel", "stem": "strided", "join": "add"}])
def test_output_has_the_shape_of_the_dose_and_every_parameter_learns(built):
    network = small_unet(**built)
    # Modulations and residual ends start at zero: after one step every parameter must receive a gradient.
    optimiser = torch.optim.SGD(network.parameters(), lr=0.05)
    for _ in range(3):
        optimiser.zero_grad()
        predicted = network(*inputs())
        assert predicted.shape == (1, 1, 16, 8, 24)
        (predicted - 1).square().mean().backward()
        optimiser.step()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().max() > 0, name


def test_guidance_reaches_every_level():
    network = small_unet()
    for level in network.guidance:
        assert isinstance(level, SpatialGuidance)
        torch.nn.init.normal_(level.shift.weight)
    for block in [block for level in (*network.encoder, *network.decoder) for block in level]:
        torch.nn.init.normal_(block.conv_out.weight, std=0.1)
    noisy, conditions, time, scalars = inputs()
    with torch.no_grad():
        plain = network(noisy, conditions, time, scalars)
        for level in range(len(network.guidance)):
            maps = network.guide(conditions)
            scale, shift = maps[level]
            maps[level] = (scale, torch.zeros_like(shift))
            assert (network(noisy, conditions, time, scalars, maps) - plain).abs().max() > 1e-3


def test_maps_computed_once_give_the_same_dose():
    network = small_unet()
    noisy, conditions, time, scalars = inputs()
    with torch.no_grad():
        once = network(noisy, conditions, time, scalars, network.guide(conditions))
        assert torch.equal(network(noisy, conditions, time, scalars), once)


def test_without_guidance_there_are_no_maps():
    network = small_unet(guidance=0)
    assert list(network.guidance) == []
    assert network(*inputs()).shape == (1, 1, 16, 8, 24)


def test_an_unknown_part_is_named_with_the_known_ones():
    with pytest.raises(InputError, match="no join 'glue'; choose one of: add, concatenate"):
        DefaultSystem(join="glue")
    # Weights that don't say were trained before these were to be chosen.
    assert (DefaultSystem().norm, DefaultSystem().stem, DefaultSystem().join) == (
        "instance", "space-to-depth", "concatenate"
    )  # fmt: skip


def test_dropout_leaves_whole_channels_out_in_training_alone():
    network = small_unet(dropout=0.5)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    plain = small_unet()
    plain.load_state_dict(network.state_dict())  # the weights are those of a network without
    given = inputs()
    with torch.no_grad():
        assert torch.equal(network.eval()(*given), plain.train()(*given))
        one, other = network.train()(*given), network(*given)
        assert not torch.allclose(one, other)
        block = network.encoder[0][0]
        seen = []
        block.conv_out.register_forward_pre_hook(lambda layer, args: seen.append(args[0]))
        for _ in range(50):
            network(*given)
        left_out = (torch.stack(seen) == 0).flatten(3)
        assert torch.equal(left_out.all(dim=3), left_out.any(dim=3)), "a channel is there or is not"
        assert left_out[..., 0].float().mean().item() == pytest.approx(0.5, abs=0.08)


def test_a_dose_is_not_rounded_to_the_eight_bits_that_the_layers_before_have():
    network = small_unet().eval()
    with torch.inference_mode(), torch.autocast("cpu", dtype=torch.bfloat16):
        dose = network(*inputs())
    assert dose.dtype == torch.float32
    assert (dose != dose.bfloat16().float()).float().mean() > 0.95
