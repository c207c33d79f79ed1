"""Rectified flow: a straight line from the clean sample to noise, with times shifted towards the noise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from DosePredictionLib.diffusion.interpolation import noisy_sample
from DosePredictionLib.diffusion.noise_process import per_sample, shifted


@dataclass(frozen=True)
class RectifiedFlow:
    """``(1 - t) clean + t noise`` (Liu et al., ICLR 2023); its velocity is noise - clean, as Wan 2.1 has it.

    Attributes:
        shift: large volumes need more noise to hide what neighbouring voxels say of each other; Wan 2.1 uses 3.
    """

    shift: float = 3.0

    def noisy(self, clean: Tensor, noise: Tensor, time: Tensor) -> Tensor:
        """See `NoiseProcess`."""
        return noisy_sample(clean, noise, time)

    def noise(self, noisy: Tensor, clean: Tensor, time: Tensor) -> Tensor:
        """See `NoiseProcess`."""
        time = per_sample(time, noisy)
        return (noisy - (1 - time) * clean) / time

    def velocity(self, clean: Tensor, noise: Tensor, time: Tensor) -> Tensor:
        """See `NoiseProcess`."""
        return noise - clean

    def clean(self, noisy: Tensor, velocity: Tensor, time: Tensor) -> Tensor:
        """See `NoiseProcess`."""
        return noisy - per_sample(time, noisy) * velocity

    def times(self, steps: int) -> Sequence[float]:
        """See `NoiseProcess`."""
        return shifted(torch.linspace(1, 0, steps + 1, dtype=torch.float64), self.shift).tolist()

    def draw_time(self, uniform: Tensor) -> Tensor:
        """See `NoiseProcess`."""
        return shifted(uniform, self.shift)
