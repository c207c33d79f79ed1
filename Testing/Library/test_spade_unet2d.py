"""The slice-wise denoiser: what it sees of its neighbours, and what it doesn't."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from DosePredictionLib.networks.slice_blocks import SpatialModulation, positional_norm, slices_of
from DosePredictionLib.networks.spade_unet2d import SliceGuidance, SpadeUNet2d

RADII = (1, 2, 3)


def network(radii: tuple[int, ...] = RADII, awake: bool = True) -> SpadeUNet2d:
    """A small network; awake, its zero-initialised layers are filled, so that everything reaches the output."""
    torch.manual_seed(0)
    made = SpadeUNet2d(3, 5, widths=(8, 12, 16), blocks=(1, 1, 1), radii=radii, features=(4, 6, 8), hidden=8,
                       embedding=16)  # fmt: skip
    if awake:
        for name, parameter in made.named_parameters():
            if not parameter.any():
                torch.nn.init.normal_(parameter, std=0.2 if "bias" not in name else 0.05)
    return made.eval()


def inputs(slices: int = 5, margin: int = 3) -> tuple[torch.Tensor, ...]:
    draw = torch.Generator().manual_seed(1)
    return (
        torch.randn(slices, 1, 16, 24, generator=draw),
        torch.full((slices,), 0.4),
        torch.zeros(slices, 5),
        torch.randn(1, 3, slices + 2 * margin, 16, 24, generator=draw),
    )


def test_every_parameter_learns():
    made = network(awake=False).train()
    optimiser = torch.optim.SGD(made.parameters(), lr=0.05)
    for _ in range(4):
        optimiser.zero_grad()
        said = made(*inputs())
        assert said.shape == (5, 1, 16, 24)
        (said - 1).square().mean().backward()
        optimiser.step()
    for name, parameter in made.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().max() > 0, name


@pytest.mark.parametrize(("radii", "reach"), [(RADII, 3), ((0, 0, 2), 2), ((0, 0, 0), 0)])
def test_a_slice_is_guided_by_as_many_neighbours_as_its_widest_level(radii, reach):
    made = network(radii)
    noisy, time, scalars, anatomy = inputs(slices=1, margin=5)
    margin = made.margin

    def middle(volume: torch.Tensor) -> torch.Tensor:
        return made(noisy, time, scalars, volume[:, :, 5 - margin : 6 + margin])

    with torch.no_grad():
        usual = middle(anatomy)
        for apart in range(-5, 6):
            changed = anatomy.clone()
            changed[:, :, 5 + apart] += 1.0
            difference = (middle(changed) - usual).abs().max()
            assert (difference > 1e-4) == (abs(apart) <= reach), apart


def test_deeper_levels_see_wider_neighbourhoods():
    made = network()
    anatomy = inputs()[3]
    with torch.no_grad():
        usual = made.guide(anatomy)
        for level, radius in enumerate(RADII):
            index = made._levels.index(level)
            for apart in range(4):
                changed = anatomy.clone()
                changed[:, :, 3 + 2 + apart] += 1.0  # seen from the third of five slices
                moved = (made.guide(changed).maps[index][0][2] - usual.maps[index][0][2]).abs().max()
                assert (moved > 1e-5) == (apart <= radius), (level, apart)


def test_guidance_computed_once_and_in_parts_says_the_same():
    made = network()
    noisy, time, scalars, anatomy = inputs()
    with torch.no_grad():
        whole = made(noisy, time, scalars, anatomy)
        once = made.guide(anatomy)
        assert isinstance(once, SliceGuidance)
        assert torch.allclose(made(noisy, time, scalars, once), whole, atol=1e-5)
        parts = [made(noisy[a:b], time[a:b], scalars[a:b], made.guide(anatomy[:, :, a : b + 6])) for a, b in
                 ((0, 2), (2, 5))]  # fmt: skip
    # A slice doesn't depend on which slices share its batch: no seam where two batches meet.
    assert torch.allclose(torch.cat(parts), whole, atol=1e-5)


def test_modulation_starts_as_nothing_and_the_norm_is_of_each_pixel():
    scale, shift = SpatialModulation(4, 6)(torch.randn(2, 4, 3, 3))
    assert not scale.any() and not shift.any()
    x = torch.randn(2, 6, 3, 5) * 7 + 2
    normal = positional_norm(x)
    assert torch.allclose(normal.mean(dim=1), torch.zeros(2, 3, 5), atol=1e-5)
    assert torch.allclose(normal.var(dim=1, unbiased=False), torch.ones(2, 3, 5), atol=1e-3)


def test_slices_keep_their_order():
    volumes = torch.arange(2 * 3 * 4 * 2 * 2).reshape(2, 3, 4, 2, 2).float()
    slices = slices_of(volumes)
    assert slices.shape == (8, 3, 2, 2)
    for patient in range(2):
        for layer in range(4):
            assert np.array_equal(slices[4 * patient + layer], volumes[patient, :, layer])
