"""The latent space of the small configuration: cosine coefficients of cubes of voxels."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from DosePredictionLib.networks.block_transform import BlockTransform

#: Typical size of a coefficient of wave numbers k (half waves a cube along each axis): LARGEST / (1 + FALL |k|^2).
#: Read off the doses, targets and CTs of head-and-neck patients, in cubes of 8 voxels of about 4 mm.
LARGEST, FALL = 13.0, 3.0
#: Where latents are standardised, a coefficient is taken to vary by this part of its typical size at least. Those of a
#: small organ hardly ever do: divided by their standard deviation they would be a hundred where the organ is.
LEAST = 0.15


def coefficient_sizes(kept: int) -> Tensor:
    """(kept^3,) typical sizes of the coefficients of one channel, in their order."""
    square = torch.arange(kept, dtype=torch.float32).square()
    return (LARGEST / (1 + FALL * (square[:, None, None] + square[:, None] + square))).flatten()


class BlockCodec(nn.Module):
    """Every modality's cubes of voxels as their lowest cosine coefficients, each divided by its typical size.

    So a latent's channels vary by about one, as noise does; roughly: most of a mask's cubes are alike, and what tells
    the others apart is small beside what all have in common. With ``standardised`` the codec measures mean and standard
    deviation of the patients it is trained with (`standardise`) and keeps them with its weights.

    Args:
        size: voxels along a cube's edge.
        kept: modality to the coefficients kept along each axis.
        channels: modality to its channels.
        scale: of the latent; below 1, noise of unit variance hides more.
        standardised: whether means and sizes are measured; until they are, they are 0 and typical.
    """

    leading = 0

    def __init__(
        self, size: int, kept: Mapping[str, int], channels: Mapping[str, int], scale: float, standardised: bool = False
    ) -> None:
        super().__init__()
        self.standardised = standardised
        if standardised:
            for modality, count in kept.items():
                sizes = coefficient_sizes(count).repeat(channels[modality])
                self.register_buffer(f"{modality}_size", sizes)
                self.register_buffer(f"{modality}_mean", torch.zeros_like(sizes))
        self.stride = (size, size, size)
        self.scale, self.channels = scale, dict(channels)
        self.transforms = nn.ModuleDict({modality: BlockTransform(size, count) for modality, count in kept.items()})

    def encode(self, modality: str, volume: Tensor) -> Tensor:
        """(N, C, Z, Y, X) between -1 and +1 to the latent (N, C', Z/size, Y/size, X/size)."""
        coefficients: Tensor = self.transforms[modality].encode(volume)  # type: ignore[operator]
        return (coefficients - self._means(modality)) * self._factors(modality, volume)

    def decode(self, modality: str, latent: Tensor) -> Tensor:
        """The inverse of `encode`, exact where all coefficients are kept."""
        coefficients = latent / self._factors(modality, latent) + self._means(modality)
        return self.transforms[modality].decode(coefficients)  # type: ignore[operator, no-any-return]

    def standardise(self, modality: str, latents: Tensor) -> None:
        """Measure a modality's means and sizes.

        Args:
            modality: whose.
            latents: (T, C') of cubes that this codec has encoded, before it has measured anything.
        """
        size, mean = self.get_buffer(f"{modality}_size"), self.get_buffer(f"{modality}_mean")
        mean.copy_(latents.mean(dim=0) * size / self.scale)
        size.mul_((latents.std(dim=0) / self.scale).clamp(min=LEAST))

    def _factors(self, modality: str, like: Tensor) -> Tensor:
        """(C', 1, 1, 1) what coefficients are multiplied by."""
        if self.standardised:
            return (self.scale / self.get_buffer(f"{modality}_size"))[:, None, None, None]
        transform: BlockTransform = self.transforms[modality]  # type: ignore[assignment]
        factors = self.scale / coefficient_sizes(transform.kept)
        return factors.repeat(self.channels[modality])[:, None, None, None].to(like.device)

    def _means(self, modality: str) -> Tensor | float:
        """(C', 1, 1, 1) what is taken from coefficients first."""
        return self.get_buffer(f"{modality}_mean")[:, None, None, None] if self.standardised else 0.0
