"""From noise to a sample with a denoiser that predicts the clean sample."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

Denoiser = Callable[[Tensor, Tensor], Tensor]


def sample(
    denoiser: Denoiser,
    noise: Tensor,
    steps: int,
    known: Callable[[Tensor], Tensor] | None = None,
    on_step: Callable[[int], None] | None = None,
) -> Tensor:
    """Deterministic sampling along the straight line of `interpolation.noisy_sample`, on equal steps of time.

    At each step the denoiser's clean sample and the current noisy one fix the noise between them, and the line is
    followed to the next time (the DDIM update, Song et al., ICLR 2021, eq. 12 with eta = 0, for this process).

    Args:
        denoiser: ``denoiser(noisy, time)`` gives the clean sample; ``time`` is (N,).
        noise: (N, C, Z, Y, X) standard normal.
        steps: number of denoiser calls, at least 1.
        known: sets the voxels whose clean value is known (outside the dose region) in a clean sample. Without it later
            steps see inputs they were never trained on.
        on_step: called with the number of steps done; may raise to stop the sampling.

    Returns:
        The clean sample, (N, C, Z, Y, X).
    """
    if steps < 1:
        raise ValueError(f"a sampler needs at least one step, not {steps}")
    current = noise
    clean = noise
    for index in range(steps):
        time = 1.0 - index / steps
        clean = denoiser(current, torch.full((noise.shape[0],), time, device=noise.device))
        if known is not None:
            clean = known(clean)
        later = 1.0 - (index + 1) / steps
        if later > 0:
            implied_noise = (current - (1 - time) * clean) / time
            current = (1 - later) * clean + later * implied_noise
        if on_step is not None:
            on_step(index + 1)
    return clean
