"""One augmented training example."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from DosePredictionLib.conditioning.padding import pad_to, padded_shape
from DosePredictionLib.diffusion.interpolation import draw_time, noisy_sample
from DosePredictionLib.systems.default import DefaultSystem
from DosePredictionLib.training.case_cache import TrainingCase


@dataclass(frozen=True)
class Example:
    """A batch of one.

    Attributes:
        noisy, clean, region: (1, 1, Z, Y, X); dose in model units (zero dose -1, highest prescription +1).
        conditions: (1, C, Z, Y, X).
        time: (1,). scalars: (1, S).
        gy_per_unit: what one model unit is worth.
    """

    noisy: Tensor
    clean: Tensor
    region: Tensor
    conditions: Tensor
    time: Tensor
    scalars: Tensor
    gy_per_unit: float


def draw_example(case: TrainingCase, system: DefaultSystem, multiple: int, seed: tuple[int, ...]) -> Example:
    """Augment a case and add noise; everything random follows from ``seed``, so a resumed run draws the same.

    - mirrored left to right (paired organs and beams too) half of the time,
    - laid at a random place into the padded volume, so that the network's halving grid moves over the anatomy,
    - an optional condition left out with the system's probability.
    """
    rng = np.random.default_rng(seed)
    inputs, dose = case.inputs, case.dose_gy
    for condition in system.optional_conditions:
        if rng.random() < system.drop:
            inputs = inputs.without(condition)
    if rng.random() < 0.5:
        inputs, dose = inputs.mirrored(), dose[:, :, ::-1]
    shape = padded_shape(inputs.region.shape, multiple)
    offset = tuple(int(rng.integers(0, large - small + 1))
                   for small, large in zip(inputs.region.shape, shape, strict=True))  # fmt: skip
    unit_gy = inputs.prescription_gy / 2
    conditions = inputs.padded_channels(shape, offset)
    clean = torch.from_numpy(pad_to(dose.astype(np.float32) / unit_gy - 1, shape, offset, -1.0))[None, None]
    region = torch.from_numpy(pad_to(inputs.region, shape, offset))[None, None]
    generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
    time = draw_time(1, system.pure_noise, generator)
    noise = torch.randn(clean.shape, generator=generator)
    return Example(
        noisy=noisy_sample(clean, noise, time),
        clean=clean,
        region=region,
        conditions=torch.from_numpy(conditions)[None],
        time=time,
        scalars=torch.from_numpy(inputs.scalars)[None],
        gy_per_unit=unit_gy,
    )
