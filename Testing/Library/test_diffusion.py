"""Noise process and sampler, against cases with a known answer."""

from __future__ import annotations

import pytest
import torch

from DosePredictionLib.diffusion.interpolation import draw_time, noisy_sample
from DosePredictionLib.diffusion.sampler import sample


def gaussian_denoiser(mean: float, deviation: float):  # noqa: ANN201
    """The exact posterior mean of the clean sample when clean samples are normal."""

    def denoiser(noisy: torch.Tensor, time: torch.Tensor) -> torch.Tensor:
        t = float(time[0])
        gain = (1 - t) * deviation**2 / ((1 - t) ** 2 * deviation**2 + t**2)
        return mean + gain * (noisy - (1 - t) * mean)

    return denoiser


def test_the_ends_of_the_line_are_clean_and_noise():
    clean, noise = torch.randn(3, 1, 4, 4, 4), torch.randn(3, 1, 4, 4, 4)
    mixed = noisy_sample(clean, noise, torch.tensor([0.0, 1.0, 0.25]))
    assert torch.equal(mixed[0], clean[0])
    assert torch.equal(mixed[1], noise[1])
    assert torch.allclose(mixed[2], 0.75 * clean[2] + 0.25 * noise[2])


def test_half_of_the_times_are_pure_noise():
    times = draw_time(20000, 0.5, torch.Generator().manual_seed(0))
    assert (times == 1).float().mean() == pytest.approx(0.5, abs=0.02)
    rest = times[times < 1]
    assert rest.mean() == pytest.approx(0.5, abs=0.02)


def test_the_share_of_pure_noise_is_the_one_asked_for():
    for share in (0.0, 0.2, 0.9):
        times = draw_time(20000, share, torch.Generator().manual_seed(0))
        assert (times == 1).float().mean() == pytest.approx(share, abs=0.02)


def test_one_step_gives_the_mean_and_many_steps_the_distribution():
    noise = torch.randn(1, 1, 40, 40, 40, generator=torch.Generator().manual_seed(1))
    denoiser = gaussian_denoiser(2.0, 0.5)
    one = sample(denoiser, noise, 1)
    assert one.std() < 1e-6
    assert one.mean() == pytest.approx(2.0)
    spreads = [float(sample(denoiser, noise, steps).std()) for steps in (4, 16, 64)]
    assert spreads[0] < spreads[1] < spreads[2]
    assert spreads[2] == pytest.approx(0.5, rel=0.05)
    assert float(sample(denoiser, noise, 64).mean()) == pytest.approx(2.0, abs=0.02)


def test_known_voxels_are_set_at_every_step():
    seen = []

    def denoiser(noisy: torch.Tensor, time: torch.Tensor) -> torch.Tensor:
        seen.append(noisy.clone())
        return torch.zeros_like(noisy)

    noise = torch.randn(1, 1, 4, 4, 4)
    mask = torch.zeros_like(noise, dtype=torch.bool)
    mask[..., :2] = True
    clean = sample(denoiser, noise, 4, known=lambda x: torch.where(mask, x, torch.full_like(x, -1.0)))
    assert (clean[~mask] == -1).all()
    # At t = 3/4 the unknown half is 1/4 * (-1) + 3/4 * noise, on the very line of training.
    assert torch.allclose(seen[1][~mask], -0.25 + 0.75 * noise[~mask], atol=1e-6)


def test_no_steps_are_refused():
    with pytest.raises(ValueError, match="at least one step"):
        sample(lambda noisy, time: noisy, torch.zeros(1, 1, 2, 2, 2), 0)
