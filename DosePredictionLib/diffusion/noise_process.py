"""What a noise process can do, and sampling with it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Protocol

import torch
from torch import Tensor


class NoiseProcess(Protocol):
    """From a clean sample at time 0 to Gaussian noise at time 1. Times are (N,); samples are (N, ...)."""

    def noisy(self, clean: Tensor, noise: Tensor, time: Tensor) -> Tensor:
        """The sample at a time."""

    def noise(self, noisy: Tensor, clean: Tensor, time: Tensor) -> Tensor:
        """The noise that leads from a clean to a noisy sample; time is not 0."""

    def velocity(self, clean: Tensor, noise: Tensor, time: Tensor) -> Tensor:
        """What a velocity-predicting network should say."""

    def clean(self, noisy: Tensor, velocity: Tensor, time: Tensor) -> Tensor:
        """The clean sample that a velocity points back to."""

    def times(self, steps: int) -> Sequence[float]:
        """The ``steps`` + 1 times that a sampler visits, from 1 to 0."""

    def draw_time(self, uniform: Tensor) -> Tensor:
        """Training times from uniform draws in [0, 1]."""


def per_sample(time: Tensor, like: Tensor) -> Tensor:
    """(N,) times shaped so that they multiply (N, ...)."""
    return time.reshape(-1, *[1] * (like.ndim - 1)).to(like.dtype)


def shifted(time: Tensor, shift: float) -> Tensor:
    """Times moved towards noise: s t / (1 + (s - 1) t) (Esser et al., ICML 2024, equation 23). 0 and 1 stay."""
    return shift * time / (1 + (shift - 1) * time)


def sample_process(
    process: NoiseProcess,
    denoiser: Callable[[Tensor, Tensor], Tensor],
    noise: Tensor,
    steps: int,
    known: Callable[[Tensor], Tensor] | None = None,
    on_step: Callable[[int], None] | None = None,
) -> Tensor:
    """Deterministic sampling: the DDIM update (Song et al., ICLR 2021, eq. 12, eta = 0); for a straight line, Euler's.

    Every step goes from one time of the process's grid to the very next: the time that the network is told is always
    the time that the sample is at.

    Args:
        process: that the denoiser was trained with.
        denoiser: ``denoiser(noisy, time)`` gives the clean sample; ``time`` is (N,).
        noise: standard normal, (N, ...).
        steps: denoiser calls, at least 1.
        known: sets what is known of a clean sample.
        on_step: called with the number of steps done; may raise to stop.

    Returns:
        The clean sample.
    """
    if steps < 1:
        raise ValueError(f"a sampler needs at least one step, not {steps}")
    current = clean = noise
    for index, (now, later) in enumerate(pairwise(process.times(steps))):
        time = torch.full((noise.shape[0],), now, device=noise.device)
        clean = denoiser(current, time)
        if known is not None:
            clean = known(clean)
        if later > 0:
            implied = process.noise(current, clean, time)
            current = process.noisy(clean, implied, torch.full_like(time, later))
        if on_step is not None:
            on_step(index + 1)
    return clean
