"""The latent space of the small configuration: cosine coefficients of cubes of voxels."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from DosePredictionLib.networks.block_transform import BlockTransform

#: Typical size of a coefficient of wave numbers k (half waves a cube along each axis): LARGEST / (1 + FALL |k|^2).
#: Read off the doses, targets and CTs of head-and-neck patients, in cubes of 8 voxels of about 4 mm.
LARGEST, FALL = 13.0, 3.0


def coefficient_sizes(kept: int) -> Tensor:
    """(kept^3,) typical sizes of the coefficients of one channel, in their order."""
    square = torch.arange(kept, dtype=torch.float32).square()
    return (LARGEST / (1 + FALL * (square[:, None, None] + square[:, None] + square))).flatten()


class BlockCodec(nn.Module):
    """Every modality's cubes of voxels as their lowest cosine coefficients, each divided by its typical size.

    So a latent's channels all vary by about one, as noise does.

    Args:
        size: voxels along a cube's edge.
        kept: modality to the coefficients kept along each axis.
        channels: modality to its channels.
        scale: of the latent; below 1, noise of unit variance hides more.
    """

    leading = 0

    def __init__(self, size: int, kept: Mapping[str, int], channels: Mapping[str, int], scale: float) -> None:
        super().__init__()
        self.stride = (size, size, size)
        self.scale, self.channels = scale, dict(channels)
        self.transforms = nn.ModuleDict({modality: BlockTransform(size, count) for modality, count in kept.items()})

    def encode(self, modality: str, volume: Tensor) -> Tensor:
        """(N, C, Z, Y, X) between -1 and +1 to the latent (N, C', Z/size, Y/size, X/size)."""
        return self.transforms[modality].encode(volume) * self._factors(modality, volume)  # type: ignore[operator]

    def decode(self, modality: str, latent: Tensor) -> Tensor:
        """The inverse of `encode`, exact where all coefficients are kept."""
        return self.transforms[modality].decode(latent / self._factors(modality, latent))  # type: ignore[operator]

    def _factors(self, modality: str, like: Tensor) -> Tensor:
        """(C', 1, 1, 1) what coefficients are multiplied by."""
        transform: BlockTransform = self.transforms[modality]  # type: ignore[assignment]
        factors = self.scale / coefficient_sizes(transform.kept)
        return factors.repeat(self.channels[modality])[:, None, None, None].to(like.device)
