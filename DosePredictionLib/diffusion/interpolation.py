"""The noise process: a straight line from the clean sample to Gaussian noise."""

from __future__ import annotations

import torch
from torch import Tensor


def noisy_sample(clean: Tensor, noise: Tensor, time: Tensor) -> Tensor:
    """``(1 - t) clean + t noise`` (Lipman et al., ICLR 2023, example II; Liu et al., ICLR 2023).

    Args:
        clean, noise: (N, ...).
        time: (N,) in [0, 1]; 1 is pure noise.
    """
    time = time.reshape(-1, *[1] * (clean.ndim - 1))
    return (1 - time) * clean + time * noise


def draw_time(count: int, pure_noise: float, generator: torch.Generator) -> Tensor:
    """(count,) training times: 1 with probability ``pure_noise``, otherwise uniform in [0, 1].

    The mean dose comes from one step at t = 1, so that end of the line deserves more than its share.
    """
    uniform = torch.rand(count, generator=generator)
    start = torch.rand(count, generator=generator) < pure_noise
    return torch.where(start, torch.ones(count), uniform)
