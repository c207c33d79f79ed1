"""Variance-preserving diffusion for networks that predict the velocity, with times from 0 to 1."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from DosePredictionLib.diffusion.variance_preserving import VarianceSchedule


@dataclass(frozen=True)
class VariancePreservingVelocity:
    """`VarianceSchedule` as a `NoiseProcess`: time t is step t T, and times in between are rounded to steps.

    Attributes:
        schedule: the steps.
    """

    schedule: VarianceSchedule = field(default_factory=VarianceSchedule)

    def noisy(self, clean: Tensor, noise: Tensor, time: Tensor) -> Tensor:
        """See `NoiseProcess`."""
        return self.schedule.noisy(clean, noise, self._step(time))

    def noise(self, noisy: Tensor, clean: Tensor, time: Tensor) -> Tensor:
        """See `NoiseProcess`."""
        signal, spread = self.schedule.levels(self._step(time), noisy)
        return (noisy - signal * clean) / spread

    def velocity(self, clean: Tensor, noise: Tensor, time: Tensor) -> Tensor:
        """See `NoiseProcess`."""
        return self.schedule.target(clean, noise, self._step(time), "v")

    def clean(self, noisy: Tensor, velocity: Tensor, time: Tensor) -> Tensor:
        """See `NoiseProcess`."""
        return self.schedule.clean(noisy, velocity, self._step(time), "v")

    def times(self, steps: int) -> Sequence[float]:
        """See `NoiseProcess`."""
        return [step / self.schedule.steps for step in self.schedule.times(steps)]

    def draw_time(self, uniform: Tensor) -> Tensor:
        """See `NoiseProcess`; never the clean sample itself."""
        return (uniform * self.schedule.steps).ceil().clamp(min=1) / self.schedule.steps

    def _step(self, time: Tensor) -> Tensor:
        return torch.round(time * self.schedule.steps).long()
