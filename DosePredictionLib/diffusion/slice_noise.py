"""Noise for slices that are denoised one by one and become a volume."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def correlated_noise(
    shape: tuple[int, int, int], spacing_mm: float, length_mm: float, generator: torch.Generator
) -> Tensor:
    """Standard normal noise that changes slowly from slice to slice, so that neighbouring slices are denoised alike.

    White noise smoothed along z by a Gaussian and brought back to variance one. Each slice by itself is white noise,
    as in training; the correlation of two voxels ``d`` mm apart along z is exp(-d^2 / (4 length_mm^2)). With slices'
    noise drawn independently the assembled volume has a jump wherever the denoiser is not sure.

    Args:
        shape: (Z, Y, X).
        spacing_mm: between slices.
        length_mm: the Gaussian's standard deviation; 0 gives independent slices.
        generator: on the processor, so that the noise is the same for every device.

    Returns:
        (Z, Y, X) float32.
    """
    layers, height, width = shape
    reach = math.ceil(4 * length_mm / spacing_mm)
    white = torch.randn((layers + 2 * reach, height * width), generator=generator)
    if not reach:
        return white.reshape(shape)
    distance_mm = torch.arange(-reach, reach + 1) * spacing_mm
    kernel = torch.exp(-(distance_mm**2) / (2 * length_mm**2))
    # A banded matrix: (Z, Z + 2 reach), each row the kernel at its slice.
    band = torch.zeros(layers, layers + 2 * reach)
    for layer in range(layers):
        band[layer, layer : layer + len(kernel)] = kernel / kernel.square().sum().sqrt()
    return (band @ white).reshape(shape)
