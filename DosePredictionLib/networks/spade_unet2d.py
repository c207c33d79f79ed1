"""The slice-wise denoiser: a 2D U-Net whose norms are modulated by the anatomy of adjacent slices, level by level."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as functional
from torch import Tensor, nn

from DosePredictionLib.networks.blocks import TimeEmbedding, activation, unrounded
from DosePredictionLib.networks.slice_blocks import (
    ScaleAndShift,
    SliceBlock,
    SpatialModulation,
    positional_norm,
    slices_of,
    start_at_zero,
)


@dataclass(frozen=True)
class SliceGuidance:
    """What the anatomy says to the denoiser; it doesn't depend on the noise, so a sampler computes it once.

    Attributes:
        stem: (M, width, Y/2, X/2) the slices' own anatomy at the network's input.
        maps: scale and shift of every block's norm, in the order in which the blocks run.
    """

    stem: Tensor
    maps: tuple[ScaleAndShift, ...]

    def part(self, chosen: slice) -> SliceGuidance:
        """The guidance of some of the slices."""
        return SliceGuidance(
            self.stem[chosen], tuple((scale[chosen], shift[chosen]) for scale, shift in self.maps)
        )  # fmt: skip


class AdjacentSlices(nn.Module):
    """The anatomy's features at every level, each mixed from 2k + 1 neighbouring slices.

    A 2D encoder sees each slice by itself; then, level by level, one convolution spans the neighbours, wider in the
    deeper levels. Volumes come with a margin of as many slices as the widest neighbourhood reaches; it is used up.

    Args:
        conditions: number of the patient's channels.
        radii: k of each level, finest first.
        features: width of the encoder's levels.
        hidden: channels of the mixed features.
    """

    def __init__(self, conditions: int, radii: Sequence[int], features: Sequence[int], hidden: int) -> None:
        super().__init__()
        self.radii = tuple(radii)
        self.margin = max(radii)
        self.stem = nn.Conv3d(conditions * 4, features[0], (1, 3, 3), padding=(0, 1, 1))
        self.levels = nn.ModuleList(nn.Conv3d(width, width, (1, 3, 3), padding=(0, 1, 1)) for width in features)
        self.downsample = nn.ModuleList(
            nn.Conv3d(fine, coarse, (1, 2, 2), stride=(1, 2, 2))
            for fine, coarse in zip(features[:-1], features[1:], strict=True)
        )
        self.mix = nn.ModuleList(
            nn.Conv3d(width, hidden, (2 * radius + 1, 3, 3), padding=(0, 1, 1))
            for width, radius in zip(features, radii, strict=True)
        )

    def forward(self, packed: Tensor) -> list[Tensor]:
        """(N, 4 conditions, margin + Z + margin, Y/2, X/2) to each level's (N Z, hidden, Y/2^l, X/2^l)."""
        x = activation(self.stem(packed))
        mixed = []
        for level, (block, mix, radius) in enumerate(zip(self.levels, self.mix, self.radii, strict=True)):
            if level:
                x = activation(self.downsample[level - 1](x))
            x = x + activation(block(x))
            unused = self.margin - radius
            mixed.append(slices_of(activation(mix(x[:, :, unused : x.shape[2] - unused]))))
        return mixed


class SpadeUNet2d(nn.Module):
    """Denoises slices of a dose under multi-layer guidance from the anatomy of their neighbours (MAGDiff).

    Space-to-depth by two in the plane brings slices to half resolution before the first convolution and depth-to-space
    brings them back. A slice's own channels enter beside the noisy dose; those of its neighbours as scale and shift
    maps of a norm in every block.

    Args:
        conditions: number of the patient's channels.
        scalars: number of patient-wide scalars.
        widths: channels of the U-Net's levels, finest (half resolution) first.
        blocks: of each level, in the encoder and again in the decoder (the deepest level is in the encoder only).
        radii: k of the 2k + 1 neighbouring slices that guide each level; 0 for the slice alone.
        features: width of the anatomy's own encoder, level by level.
        hidden: channels of the guidance before it becomes scale and shift.
        embedding: length of the time embedding.

    Slices must have sizes that are multiples of `size_multiple`.
    """

    def __init__(
        self,
        conditions: int,
        scalars: int,
        widths: Sequence[int] = (48, 96, 144, 192),
        blocks: Sequence[int] = (1, 1, 2, 1),
        radii: Sequence[int] = (1, 2, 3, 4),
        features: Sequence[int] = (32, 48, 64, 64),
        hidden: int = 48,
        embedding: int = 128,
    ) -> None:
        super().__init__()
        levels = len(widths)
        self.size_multiple = 2**levels
        self.margin = max(radii)
        self.time_embedding = TimeEmbedding(embedding, scalars)
        self.anatomy = AdjacentSlices(conditions, radii, features, hidden)
        self.stem_anatomy = nn.Conv2d(conditions * 4, widths[0], 3, padding=1)
        self.stem_dose = nn.Conv2d(4, widths[0], 3, padding=1, bias=False)
        # Each block by its level, input and output channels, in the order in which they run.
        down = [(level, width, width) for level, width in enumerate(widths) for _ in range(blocks[level])]
        up = [(level, widths[level] * (1 if index else 2), widths[level])
              for level in reversed(range(levels - 1)) for index in range(blocks[level])]  # fmt: skip
        self._levels = tuple(level for level, _, _ in (*down, *up))
        self.blocks = nn.ModuleList(SliceBlock(inputs, outputs, embedding) for _, inputs, outputs in (*down, *up))
        self.modulation = nn.ModuleList(SpatialModulation(hidden, outputs) for _, _, outputs in (*down, *up))
        self.downsample = nn.ModuleList(
            nn.Conv2d(widths[level], widths[level + 1], 2, stride=2) for level in range(levels - 1)
        )
        self.upsample = nn.ModuleList(
            nn.ConvTranspose2d(widths[level + 1], widths[level], 2, stride=2) for level in range(levels - 1)
        )
        self.head = nn.Conv2d(widths[0], 4, 3, padding=1)
        start_at_zero(self.head)
        # Convolutions are fastest on processors in this layout, for volumes and slices alike.
        for module in self.modules():
            if isinstance(module, nn.Conv3d):
                module.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
            elif isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
                module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def guide(self, anatomy: Tensor) -> SliceGuidance:
        """The guidance of every slice but those of the margin.

        Args:
            anatomy: (N, conditions, margin + Z + margin, Y, X) whole or parts of patients.

        Returns:
            Of M = N Z slices, patient by patient.
        """
        n, c, z, y, x = anatomy.shape
        packed = anatomy.reshape(n, c, z, y // 2, 2, x // 2, 2).permute(0, 2, 3, 5, 1, 4, 6)
        packed = packed.reshape(n, z, y // 2, x // 2, 4 * c).permute(0, 4, 1, 2, 3)
        own = slices_of(packed[:, :, self.margin : z - self.margin])
        levels = self.anatomy(packed)
        maps = tuple(
            modulation(levels[level]) for modulation, level in zip(self.modulation, self._levels, strict=True)
        )  # fmt: skip
        return SliceGuidance(self.stem_anatomy(own), maps)

    def forward(self, noisy: Tensor, time: Tensor, scalars: Tensor, anatomy: Tensor | SliceGuidance) -> Tensor:
        """What the denoiser says of the slices, (M, 1, Y, X).

        Args:
            noisy: (M, 1, Y, X) noisy dose.
            time: (M,) in [0, 1]; 1 is the last step of the noise process.
            scalars: (M, scalars) of each slice's patient.
            anatomy: as `guide` takes it, or what `guide` made of it.
        """
        guidance = anatomy if isinstance(anatomy, SliceGuidance) else self.guide(anatomy)
        embedding = self.time_embedding(time, scalars)
        x = self.stem_dose(functional.pixel_unshuffle(noisy, 2)) + guidance.stem
        skips = []
        level = 0
        for index, block in enumerate(self.blocks):
            wanted = self._levels[index]
            if wanted > level:
                skips.append(x)
                x = self.downsample[level](x)
            elif wanted < level:
                x = torch.cat([self.upsample[wanted](x), skips.pop()], dim=1)
            level = wanted
            x = block(x, embedding, guidance.maps[index])
        return functional.pixel_shuffle(unrounded(self.head, activation(positional_norm(x))), 2)
