"""Wan 2.1's video autoencoder as the latent space of all modalities."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from DosePredictionLib.networks.colour_view import from_colours, to_colours
from DosePredictionLib.networks.wan_autoencoder import WanAutoencoder, WanAutoencoderConfig


def stride_of(config: dict[str, Any]) -> tuple[int, int, int]:
    """Voxels of a latent voxel."""
    return WanAutoencoderConfig.of(config).stride


class WanCodec(nn.Module):
    """Every modality as a film in three colours.

    The first slice is repeated before the volume, so that 4 k slices become the 4 k + 1 that the autoencoder wants and
    the latent has one layer more (``leading``).

    Args:
        config: entries of ``vae/config.json``; what is missing is as in Wan 2.1.
        channels: modality to its channels.
        scale: of the latent.
    """

    leading = 1

    def __init__(self, config: dict[str, Any], channels: Mapping[str, int], scale: float) -> None:
        super().__init__()
        sizes = WanAutoencoderConfig.of(config)
        self.stride, self.channels, self.scale = sizes.stride, dict(channels), scale
        self.autoencoder = WanAutoencoder(sizes)

    def encode(self, modality: str, volume: Tensor) -> Tensor:
        """(N, C, 4 k, Y, X) between -1 and +1 to (N, z_dim, k + 1, Y/8, X/8)."""
        film = to_colours(torch.cat([volume[:, :, :1], volume], dim=2))
        return self.autoencoder.encode(film) * self.scale

    def decode(self, modality: str, latent: Tensor) -> Tensor:
        """The inverse of `encode`, as far as the autoencoder can."""
        film = self.autoencoder.decode(latent / self.scale)[:, :, 1:]
        return from_colours(film, self.channels[modality])
