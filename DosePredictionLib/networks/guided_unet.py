"""The default denoiser: a whole-volume U-Net guided by the anatomy at every level."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as functional
from torch import Tensor, nn

from DosePredictionLib.networks.blocks import (
    NORMS,
    ResidualBlock,
    SpatialGuidance,
    TimeEmbedding,
    activation,
    depth_to_space,
    space_to_depth,
    unrounded,
)
from DosePredictionLib.networks.fine_level import FineLevel

STEMS = ("strided", "space-to-depth")
JOINS = ("add", "concatenate")


class ResidualLevel(nn.ModuleList):
    """The residual blocks of one level, one after the other."""

    def forward(self, x: Tensor, embedding: Tensor, guidance: tuple[Tensor, Tensor] | None) -> Tensor:
        """(N, C, Z, Y, X) through all blocks, each with the same time and guidance."""
        for block in self:
            x = block(x, embedding, guidance)
        return x


class GuidedUNet(nn.Module):
    """Predicts the clean dose from a noisy one, the patient's channels and the noise time.

    The first convolution brings the volume to half resolution and depth-to-space brings it back, so that nothing else
    runs at full resolution but a `FineLevel`, where there is one. The patient's channels enter twice: beside the noisy
    dose at the input, and, averaged to each level's resolution, as scale and shift maps in every level's blocks (the
    multi-layer anatomical guidance of MAGDiff, in 3D).

    Args:
        conditions: number of the patient's channels.
        scalars: number of patient-wide scalars.
        channels: width of each level, finest (half resolution) first.
        blocks: residual blocks of each level, in the encoder and again in the decoder.
        embedding: length of the time embedding.
        guidance: width of the guidance maps' hidden layer; 0 leaves the guidance out (for ablation).
        norm: one of `NORMS`.
        stem: "strided", a convolution of 4 x 4 x 4 voxels at every second voxel, or "space-to-depth" and a convolution
            of 3 x 3 x 3 cubes of two voxels. The latter sees a little farther and takes longer.
        join: how a decoder's level meets the encoder's: "add", or "concatenate", which doubles the channels there.
        dropout: share of the channels that training leaves out inside each block.
        fine: channels of a level at full resolution; 0 for none.

    Volumes must have sizes that are multiples of `size_multiple`.
    """

    def __init__(
        self,
        conditions: int,
        scalars: int,
        channels: Sequence[int] = (32, 64, 128, 256),
        blocks: Sequence[int] = (1, 2, 2, 1),
        embedding: int = 128,
        guidance: int = 16,
        norm: str = "instance",
        stem: str = "space-to-depth",
        join: str = "concatenate",
        dropout: float = 0.0,
        fine: int = 0,
    ) -> None:
        super().__init__()
        levels = len(channels)
        self.size_multiple = 2**levels
        self.time_embedding = TimeEmbedding(embedding, scalars)
        self.strided, self.adds = stem == "strided", join == "add"
        if self.strided:
            self.stem = nn.Conv3d(conditions + 1, channels[0], 4, stride=2, padding=1)
        else:
            self.stem = nn.Conv3d((conditions + 1) * 8, channels[0], 3, padding=1)
        self.guidance = nn.ModuleList(SpatialGuidance(conditions, width, guidance) for width in channels if guidance)
        self.encoder = nn.ModuleList(
            ResidualLevel(ResidualBlock(width, width, embedding, norm, dropout) for _ in range(count))
            for width, count in zip(channels, blocks, strict=True)
        )
        self.downsample = nn.ModuleList(
            nn.Conv3d(channels[level], channels[level + 1], 2, stride=2) for level in range(levels - 1)
        )
        self.upsample = nn.ModuleList(
            nn.ConvTranspose3d(channels[level + 1], channels[level], 2, stride=2) for level in range(levels - 1)
        )
        self.decoder = nn.ModuleList(
            ResidualLevel(
                ResidualBlock(
                    channels[level] * (1 if self.adds or index else 2), channels[level], embedding, norm, dropout
                )
                for index in range(blocks[level])
            )
            for level in range(levels - 1)
        )
        self.norm = NORMS[norm](channels[0], embedding)
        self.head = nn.Conv3d(channels[0], 8, 3, padding=1)
        self.fine = FineLevel(conditions + 1, fine, channels[0], embedding, norm, dropout) if fine else None

    def guide(self, conditions: Tensor) -> list[tuple[Tensor, Tensor] | None]:
        """Scale and shift maps of every level; they don't depend on the time, so a sampler computes them once.

        Args:
            conditions: (N, conditions, Z, Y, X).
        """
        if not self.guidance:
            return [None] * len(self.encoder)
        maps: list[tuple[Tensor, Tensor] | None] = []
        anatomy = conditions
        for level in self.guidance:
            anatomy = functional.avg_pool3d(anatomy, 2)
            maps.append(level(anatomy))
        return maps

    def forward(
        self,
        noisy: Tensor,
        conditions: Tensor,
        time: Tensor,
        scalars: Tensor,
        maps: list[tuple[Tensor, Tensor] | None] | None = None,
    ) -> Tensor:
        """The clean dose, (N, 1, Z, Y, X).

        Args:
            noisy: (N, 1, Z, Y, X) noisy dose.
            conditions: (N, conditions, Z, Y, X) the patient's channels.
            time: (N,) noise time; 1 is pure noise.
            scalars: (N, scalars).
            maps: what `guide` gave for these conditions; computed here when left out.
        """
        maps = self.guide(conditions) if maps is None else maps
        embedding = self.time_embedding(time, scalars)
        shown = self._input(conditions, noisy)
        x = self.stem(shown if self.strided else space_to_depth(shown))
        if self.fine is not None:
            features, added = self.fine.down(shown, embedding)
            x = x + added
        skips = []
        for level, blocks in enumerate(self.encoder):
            x = blocks(x, embedding, maps[level])
            if level < len(self.downsample):
                skips.append(x)
                x = self.downsample[level](x)
        for level in reversed(range(len(self.decoder))):
            x, skip = self.upsample[level](x), skips.pop()
            x = x + skip if self.adds else torch.cat([x, skip], dim=1)
            x = self.decoder[level](x, embedding, maps[level])
        dose = depth_to_space(unrounded(self.head, activation(self.norm(x, embedding))))
        return dose if self.fine is None else dose + self.fine.up(features, x, embedding)

    def _input(self, conditions: Tensor, noisy: Tensor) -> Tensor:
        """What the first convolutions see, in the layout and number type that they are fastest in."""
        if torch.is_autocast_enabled(conditions.device.type):
            number = torch.get_autocast_dtype(conditions.device.type)
            conditions, noisy = conditions.to(number), noisy.to(number)
        x = torch.cat([conditions, noisy], dim=1)
        whole = self.strided or self.fine is not None
        return x.contiguous(memory_format=torch.channels_last_3d) if whole else x
