"""Building blocks of the 3D denoisers.

Everything here was chosen for speed on ordinary processors in bfloat16: instance norm through the batch-norm kernel
(group norm's backward is several times slower on 3D maps), leaky ReLU instead of SiLU, and space-to-depth instead of
full-resolution convolutions.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import torch
import torch.nn.functional as functional
from torch import Tensor, nn


def activation(x: Tensor) -> Tensor:
    """Leaky ReLU with slope 0.01."""
    return functional.leaky_relu(x, 0.01)


def start_at_zero(layer: nn.Linear | nn.Conv3d) -> None:
    """Set a layer's parameters to zero, so that what it adds begins as nothing."""
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)


def space_to_depth(x: Tensor) -> Tensor:
    """(N, C, Z, Y, X) to (N, 8 C, Z/2, Y/2, X/2) in the channels-last layout; the sizes must be even."""
    n, c, z, y, w = x.shape
    packed = x.new_empty((n, z // 2, y // 2, w // 2, c, 8))
    # Eight copies of every second voxel: a permutation of eight axes in one copy is several times slower.
    for place, (dz, dy, dx) in enumerate(itertools.product((0, 1), repeat=3)):
        packed[..., place] = x[:, :, dz::2, dy::2, dx::2].permute(0, 2, 3, 4, 1)
    return packed.flatten(4).permute(0, 4, 1, 2, 3)


def depth_to_space(x: Tensor) -> Tensor:
    """The inverse of `space_to_depth`, in the default layout."""
    n, c, z, y, w = x.shape
    x = x.permute(0, 2, 3, 4, 1).reshape(n, z, y, w, c // 8, 2, 2, 2).permute(0, 4, 1, 5, 2, 6, 3, 7)
    return x.reshape(n, c // 8, z * 2, y * 2, w * 2)


def unrounded(layer: nn.Conv2d | nn.Conv3d, x: Tensor) -> Tensor:
    """A denoiser's last layer, in float32 under autocast too.

    bfloat16 has eight bits: doses of 16 Gy and more of a network that ends in it lie 0.07 to 0.27 Gy apart. Training
    rounds, as the rounding averages out of its gradients and the layer would take twice the time.
    """
    if layer.training:
        return layer(x)  # type: ignore[no-any-return]
    with torch.autocast(x.device.type, enabled=False):
        return layer(x.to(layer.weight.dtype))  # type: ignore[no-any-return]


class TimeEmbedding(nn.Module):
    """Sinusoidal embedding of the noise time in [0, 1], joined by scalars that hold for the whole patient.

    Args:
        width: length of the embedding.
        scalars: number of patient-wide scalars (voxel spacing, which conditions are present).
    """

    def __init__(self, width: int, scalars: int) -> None:
        super().__init__()
        self.width = width
        self.layers = nn.Sequential(nn.Linear(width + scalars, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU())

    def forward(self, time: Tensor, scalars: Tensor) -> Tensor:
        """(N,) times and (N, scalars) to (N, width)."""
        half = self.width // 2
        frequency = 1000.0 * torch.exp(-math.log(1e4) * torch.arange(half, device=time.device) / half)
        angle = time[:, None].float() * frequency[None]
        return self.layers(torch.cat([angle.sin(), angle.cos(), scalars.float()], dim=1))


class ModulatedInstanceNorm(nn.Module):
    """Instance norm whose scale and shift come from the time embedding (adaptive instance norm)."""

    def __init__(self, channels: int, embedding: int) -> None:
        super().__init__()
        self.project = nn.Linear(embedding, 2 * channels)
        start_at_zero(self.project)

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        """(N, C, Z, Y, X) and (N, embedding) to (N, C, Z, Y, X)."""
        scale, shift = self.project(embedding).float().chunk(2, dim=1)
        if x.shape[0] == 1:
            # Of one item, batch norm in training mode *is* instance norm, and its kernel takes the affine along.
            return functional.batch_norm(x, None, None, 1 + scale[0], shift[0], training=True)
        scale, shift = (part[:, :, None, None, None].to(x.dtype) for part in (scale, shift))
        return torch.addcmul(shift, functional.instance_norm(x), 1 + scale)


class ModulatedChannelNorm(nn.Module):
    """Layer norm over the channels of each voxel, whose scale and shift come from the time embedding.

    Unlike an instance norm it doesn't know the rest of the volume: a patient's dose does not change with how much of
    the volume around the patient is empty.
    """

    def __init__(self, channels: int, embedding: int) -> None:
        super().__init__()
        self.project = nn.Linear(embedding, 2 * channels)
        start_at_zero(self.project)

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        """(N, C, Z, Y, X) and (N, embedding) to (N, C, Z, Y, X)."""
        scale, shift = (part.to(x.dtype) for part in self.project(embedding).float().chunk(2, dim=1))
        channels_last = x.permute(0, 2, 3, 4, 1)
        length = channels_last.shape[-1:]
        if x.shape[0] == 1 and not torch.is_grad_enabled():
            # The kernel takes the affine of one item along; but on processors it sums the gradient over the voxels in
            # bfloat16, where a long sum stops growing: of a patient it is off by 20 % (scale) and 80 % (shift).
            return functional.layer_norm(channels_last, length, 1 + scale[0], shift[0]).permute(0, 4, 1, 2, 3)
        scale, shift = (part[:, None, None, None] for part in (scale, shift))
        return torch.addcmul(shift, functional.layer_norm(channels_last, length), 1 + scale).permute(0, 4, 1, 2, 3)


#: The norms that a denoiser can be built with.
NORMS: dict[str, Callable[[int, int], nn.Module]] = {"instance": ModulatedInstanceNorm, "channel": ModulatedChannelNorm}


class SpatialGuidance(nn.Module):
    """Scale and shift maps from the anatomy at one level (SPADE, Park et al., CVPR 2019, section 3.1).

    Args:
        conditions: channels of the anatomy.
        channels: channels of the features that are modulated.
        hidden: width of the map's own hidden layer.
    """

    def __init__(self, conditions: int, channels: int, hidden: int = 32) -> None:
        super().__init__()
        self.hidden = nn.Conv3d(conditions, hidden, 3, padding=1)
        # Two convolutions and not one that is split: a split copies both halves in the channels-last layout.
        self.scale = nn.Conv3d(hidden, channels, 1)
        self.shift = nn.Conv3d(hidden, channels, 1)
        start_at_zero(self.scale)
        start_at_zero(self.shift)

    def forward(self, anatomy: Tensor) -> tuple[Tensor, Tensor]:
        """(N, conditions, Z, Y, X) to the scale and shift maps, each (N, channels, Z, Y, X)."""
        hidden = activation(self.hidden(anatomy))
        return self.scale(hidden), self.shift(hidden)


class ResidualBlock(nn.Module):
    """Norm, activation and convolution twice, around a skip; time and (optionally) anatomy modulate the norms.

    In training a share ``dropout`` of the channels between the convolutions is left out (Tompson et al., CVPR 2015).
    """

    def __init__(self, inputs: int, outputs: int, embedding: int, norm: str = "instance", dropout: float = 0.0) -> None:
        super().__init__()
        self.dropout = dropout
        self.norm_in = NORMS[norm](inputs, embedding)
        self.conv_in = nn.Conv3d(inputs, outputs, 3, padding=1)
        self.norm_out = NORMS[norm](outputs, embedding)
        self.conv_out = nn.Conv3d(outputs, outputs, 3, padding=1)
        self.skip = nn.Conv3d(inputs, outputs, 1) if inputs != outputs else nn.Identity()
        start_at_zero(self.conv_out)

    def forward(self, x: Tensor, embedding: Tensor, guidance: tuple[Tensor, Tensor] | None = None) -> Tensor:
        """(N, inputs, Z, Y, X) to (N, outputs, Z, Y, X); ``guidance`` modulates the second norm voxel by voxel."""
        hidden = self.conv_in(activation(self.norm_in(x, embedding)))
        hidden = self.norm_out(hidden, embedding)
        if guidance is not None:
            scale, shift = guidance
            hidden = torch.addcmul(hidden + shift, hidden, scale)
        hidden = functional.dropout3d(activation(hidden), self.dropout, self.training and self.dropout > 0)
        return self.skip(x) + self.conv_out(hidden)
