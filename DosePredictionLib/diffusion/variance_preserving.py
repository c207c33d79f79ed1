"""The variance-preserving noise process on discrete steps, and its samplers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from DosePredictionLib.errors import InputError

#: What a denoiser says of its noisy input: the noise in it, the velocity, or the clean sample.
Prediction = Literal["epsilon", "v", "x0"]
#: Steps that the usual betas are made for.
USUAL_STEPS = 1000
#: ``denoiser(noisy, time)``; ``time`` is (N,) whole steps from 1 to the schedule's last.
StepDenoiser = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class VarianceSchedule:
    """Noise that grows over whole steps while the variance stays one (Ho et al., NeurIPS 2020), linear in beta.

    Step 0 is the clean sample, step ``steps`` nearly pure noise: with the usual numbers 0.0064 of the clean sample is
    left there, not nothing. So it is with fewer or more steps: they are laid evenly over the usual ones (Nichol and
    Dhariwal, ICML 2021, section 4), in between which the logarithm of what is kept is linear.

    Attributes:
        steps: T.
        first_beta, last_beta: variance of the noise that the first and the last of the usual steps add.
        usual_steps: of which those betas are.
    """

    steps: int = USUAL_STEPS
    first_beta: float = 1e-4
    last_beta: float = 0.02
    usual_steps: int = USUAL_STEPS

    @cached_property
    def kept_variance(self) -> Tensor:
        """(T + 1,) float64, the cumulative product of 1 - beta ("alpha bar"); 1 at step 0."""
        betas = torch.linspace(self.first_beta, self.last_beta, self.usual_steps, dtype=torch.float64)
        kept = torch.cat([torch.ones(1, dtype=torch.float64), torch.cumprod(1 - betas, dim=0)])
        if self.steps == self.usual_steps:
            return kept
        places = np.linspace(0, self.usual_steps, self.steps + 1)
        return torch.from_numpy(np.exp(np.interp(places, np.arange(self.usual_steps + 1), kept.log().numpy())))

    def levels(self, time: Tensor, like: Tensor) -> tuple[Tensor, Tensor]:
        """How much of the clean sample and how much noise there is at each item's step, shaped to multiply ``like``.

        Args:
            time: (N,) whole steps from 0 to T.
            like: (N, ...).
        """
        # Rounded before they go to the device: not all have numbers of double precision.
        kept = self.kept_variance
        signal, noise = (
            level.sqrt().to(like.dtype).to(time.device)[time.long()].reshape(-1, *[1] * (like.ndim - 1))
            for level in (kept, 1 - kept)
        )
        return signal, noise

    def noisy(self, clean: Tensor, noise: Tensor, time: Tensor) -> Tensor:
        """The clean sample at a step (Ho et al., eq. 4).

        Args:
            clean, noise: (N, ...).
            time: (N,) whole steps from 0 to T.
        """
        signal, spread = self.levels(time, clean)
        return signal * clean + spread * noise

    def target(self, clean: Tensor, noise: Tensor, time: Tensor, prediction: Prediction) -> Tensor:
        """What a denoiser of this kind should say; the velocity is that of Salimans and Ho (ICLR 2022, appendix D)."""
        if prediction == "epsilon":
            return noise
        if prediction == "x0":
            return clean
        signal, spread = self.levels(time, clean)
        return signal * noise - spread * clean

    def clean(self, noisy: Tensor, said: Tensor, time: Tensor, prediction: Prediction) -> Tensor:
        """The clean sample that a denoiser's output stands for.

        With epsilon the output's error is multiplied by 157 at the last step: clip the result to possible values.
        """
        if prediction == "x0":
            return said
        signal, spread = self.levels(time, noisy)
        if prediction == "epsilon":
            return (noisy - spread * said) / signal
        return signal * noisy - spread * said

    def times(self, steps: int) -> list[int]:
        """The steps that a sampler of ``steps`` calls visits: from T down to 0, equally far apart but for rounding.

        The grid begins at pure noise and each call's next step is the next call's step ("trailing", Lin et al., WACV
        2024, section 3.3).

        Raises:
            InputError: the process has no so many.
        """
        if not 1 <= steps <= self.steps:
            raise InputError(f"The noise process has {self.steps} steps; sample in 1 to {self.steps}, not {steps}.")
        return [round(self.steps * left / steps) for left in range(steps, -1, -1)]

    def ddim_sample(
        self,
        denoiser: StepDenoiser,
        noise: Tensor,
        steps: int,
        eta: float = 0.0,
        *,
        prediction: Prediction = "epsilon",
        known: Callable[[Tensor], Tensor] | None = None,
        on_step: Callable[[int], None] | None = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """From noise to a clean sample in a few steps (DDIM, Song et al., ICLR 2021, eq. 12 and 16).

        Args:
            denoiser: see `StepDenoiser`.
            noise: (N, ...) standard normal.
            steps: denoiser calls, from 1 to T.
            eta: 0 draws no further noise, 1 as much as ancestral sampling, which it is on all T steps (Ho et al.,
                algorithm 2, with the posterior's variance).
            prediction: what the denoiser says.
            known: corrects a clean sample: clips it to possible values, sets the voxels that are known. The noise is
                then what the corrected sample leaves of the noisy one.
            on_step: called with the number of steps done; may raise to stop the sampling.
            generator: on the processor, of the noise that ``eta`` asks for.

        Returns:
            The clean sample, of ``noise``'s shape.

        Raises:
            InputError: more steps than T, or none.
        """
        current, clean = noise, noise
        grid = self.times(steps)
        for done, (step, later) in enumerate(zip(grid[:-1], grid[1:], strict=True), start=1):
            time = torch.full((noise.shape[0],), step, device=noise.device, dtype=torch.long)
            clean = self.clean(current, denoiser(current, time), time, prediction)
            if known is not None:
                clean = known(clean)
            if later > 0:
                kept, kept_later = float(self.kept_variance[step]), float(self.kept_variance[later])
                implied = (current - kept**0.5 * clean) / (1 - kept) ** 0.5
                fresh = eta * ((1 - kept_later) / (1 - kept) * (1 - kept / kept_later)) ** 0.5
                current = kept_later**0.5 * clean + max(0.0, 1 - kept_later - fresh**2) ** 0.5 * implied
                if fresh > 0:
                    drawn = torch.randn(noise.shape, generator=generator, dtype=noise.dtype)
                    current = current + fresh * drawn.to(noise.device)
            if on_step is not None:
                on_step(done)
        return clean
