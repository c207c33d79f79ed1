"""One patient through a denoiser."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from DosePredictionLib.conditioning.channels import ModelInput
from DosePredictionLib.conditioning.padding import centred_offset, pad_to, padded_shape, window
from DosePredictionLib.diffusion.sampler import sample
from DosePredictionLib.networks.guided_unet import GuidedUNet


def sample_dose(
    network: GuidedUNet,
    inputs: ModelInput,
    steps: int,
    seed: int,
    on_step: Callable[[int], None] | None = None,
) -> np.ndarray:
    """One sample of the dose in Gy on the model's grid, zero outside the dose region and never negative.

    Args:
        network: a denoiser in evaluation mode; its device is used. On processors and GPUs alike it runs in bfloat16.
        inputs: the conditioned patient.
        steps: denoiser calls.
        seed: of the noise. The noise is drawn on the processor, so that it is the same for every device.
        on_step: called after each denoiser call with the number done; may raise to stop.

    Returns:
        float32 (Z, Y, X) on ``inputs.geometry``.
    """
    device = next(network.parameters()).device
    shape = padded_shape(inputs.region.shape, network.size_multiple)
    offset = centred_offset(inputs.region.shape, shape)

    def tensor(array: np.ndarray) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(array))[None].to(device)

    conditions = tensor(inputs.padded_channels(shape, offset))
    scalars = tensor(inputs.scalars)
    region = tensor(pad_to(inputs.region, shape, offset))[None]
    noise = torch.randn((1, 1, *shape), generator=torch.Generator().manual_seed(seed)).to(device)
    with torch.inference_mode(), torch.autocast(device.type, dtype=torch.bfloat16):
        maps = network.guide(conditions)

        def denoiser(noisy: Tensor, time: Tensor) -> Tensor:
            return network(noisy, conditions, time, scalars, maps).float()

        def outside_is_zero_dose(clean: Tensor) -> Tensor:
            return torch.where(region, clean, torch.full_like(clean, -1.0))

        clean = sample(denoiser, noise, steps, outside_is_zero_dose, on_step)
    dose_gy = (clean[0, 0].float().cpu().numpy() + 1.0) * (inputs.prescription_gy / 2)
    return np.maximum(dose_gy[window(inputs.region.shape, offset)], 0.0) * inputs.region
