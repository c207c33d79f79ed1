"""The video autoencoder of Wan 2.1, with the module names of its published weights.

Written from the published description and weights layout (Wan Team, arXiv:2503.20314, section 4.1; the folder ``vae``
of the diffusers format). Slices take the place of frames: convolutions look back along z only, the first slice stands
alone, and every four slices after it become one latent slice, so that volumes have 4 k + 1 slices. Here the whole
volume goes through at once; the original goes slice by slice with caches, which comes to the same.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Any

import torch
import torch.nn.functional as functional
from torch import Tensor, nn


@dataclass(frozen=True)
class WanAutoencoderConfig:
    """Sizes, by the names that ``vae/config.json`` has.

    Attributes:
        base_dim: channels of the outermost level.
        z_dim: channels of the latent.
        dim_mult: channels of the levels, in multiples of ``base_dim``.
        num_res_blocks: residual blocks of each level.
        temperal_downsample: which of the halvings halve z too (the format's spelling).
        latents_mean, latents_std: of each latent channel; latents are brought to mean 0 and deviation 1 with them.
    """

    base_dim: int = 96
    z_dim: int = 16
    dim_mult: tuple[int, ...] = (1, 2, 4, 4)
    num_res_blocks: int = 2
    temperal_downsample: tuple[bool, ...] = (False, True, True)
    latents_mean: tuple[float, ...] = (
        -0.7571, -0.7089, -0.9113, 0.1075, -0.1745, 0.9653, -0.1517, 1.5508,
        0.4134, -0.0715, 0.5517, -0.3632, -0.1922, -0.9497, 0.2503, -0.2921,
    )  # fmt: skip
    latents_std: tuple[float, ...] = (
        2.8184, 1.4541, 2.3275, 2.6558, 1.2196, 1.7708, 2.6052, 2.0743,
        3.2687, 2.1526, 2.8652, 1.5579, 1.6382, 1.1253, 2.8251, 1.9160,
    )  # fmt: skip

    @classmethod
    def of(cls, values: dict[str, Any]) -> WanAutoencoderConfig:
        """From a ``config.json``; entries that are not sizes are passed over."""
        known = {field.name for field in fields(cls)}
        sizes: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items() if k in known}
        return cls(**sizes)

    @property
    def stride(self) -> tuple[int, int, int]:
        """Voxels of a latent voxel."""
        plane = 2 ** len(self.temperal_downsample)
        return (2 ** sum(self.temperal_downsample), plane, plane)


class CausalConv3d(nn.Conv3d):
    """A convolution that looks back along z: all its padding there lies before the first slice."""

    def __init__(self, inputs: int, outputs: int, kernel: int | tuple[int, int, int], padding: int = 0) -> None:
        super().__init__(inputs, outputs, kernel)
        self.around = (padding, padding, padding, padding, 2 * padding, 0)

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, Z, Y, X) to (N, outputs, Z, Y, X)."""
        return super().forward(functional.pad(x, self.around))


class ChannelNorm(nn.Module):
    """Root-mean-square norm over the channels."""

    def __init__(self, channels: int, dimensions: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(channels, *[1] * dimensions))

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, ...) to the same."""
        return functional.normalize(x, dim=1) * math.sqrt(x.shape[1]) * self.gamma


class ResidualBlock(nn.Module):
    """Norm, SiLU and convolution twice, around a skip."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.norm1 = ChannelNorm(inputs, 3)
        self.conv1 = CausalConv3d(inputs, outputs, 3, 1)
        self.norm2 = ChannelNorm(outputs, 3)
        self.conv2 = CausalConv3d(outputs, outputs, 3, 1)
        self.conv_shortcut = CausalConv3d(inputs, outputs, 1) if inputs != outputs else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, Z, Y, X) to (N, outputs, Z, Y, X)."""
        hidden = self.conv1(functional.silu(self.norm1(x)))
        return self.conv2(functional.silu(self.norm2(hidden))) + self.conv_shortcut(x)


class SliceAttention(nn.Module):
    """Attention of one head among the voxels of each slice."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = ChannelNorm(channels, 2)
        self.to_qkv = nn.Conv2d(channels, 3 * channels, 1)
        self.proj = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, Z, Y, X) to the same."""
        n, c, z, height, width = x.shape
        slices = x.transpose(1, 2).flatten(0, 1)
        parts = self.to_qkv(self.norm(slices)).flatten(2).transpose(1, 2).unsqueeze(1).chunk(3, dim=-1)
        seen = functional.scaled_dot_product_attention(*parts).squeeze(1).transpose(1, 2)
        seen = self.proj(seen.reshape(n * z, c, height, width))
        return x + seen.unflatten(0, (n, z)).transpose(1, 2)


def _slicewise(layers: nn.Module, x: Tensor) -> Tensor:
    n, _, z = x.shape[:3]
    return layers(x.transpose(1, 2).flatten(0, 1)).unflatten(0, (n, z)).transpose(1, 2)


class Downsample(nn.Module):
    """Halves y and x, and with ``along_z`` the slices after the first."""

    def __init__(self, channels: int, along_z: bool) -> None:
        super().__init__()
        self.resample = nn.Sequential(nn.ZeroPad2d((0, 1, 0, 1)), nn.Conv2d(channels, channels, 3, stride=2))
        if along_z:
            self.time_conv = nn.Conv3d(channels, channels, (3, 1, 1), stride=(2, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, Z, Y, X) to (N, C, (Z - 1) / 2 + 1 or Z, Y/2, X/2)."""
        x = _slicewise(self.resample, x)
        if not hasattr(self, "time_conv") or x.shape[2] == 1:
            return x
        return torch.cat([x[:, :, :1], self.time_conv(x)], dim=2)


class Upsample(nn.Module):
    """Doubles y and x, and with ``along_z`` the slices after the first."""

    def __init__(self, channels: int, along_z: bool) -> None:
        super().__init__()
        self.resample = nn.Sequential(
            nn.Upsample(scale_factor=(2.0, 2.0), mode="nearest-exact"), nn.Conv2d(channels, channels // 2, 3, padding=1)
        )
        if along_z:
            self.time_conv = CausalConv3d(channels, 2 * channels, (3, 1, 1))
            self.time_conv.around = (0, 0, 0, 0, 2, 0)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, Z, Y, X) to (N, C/2, 2 (Z - 1) + 1 or Z, 2Y, 2X)."""
        if hasattr(self, "time_conv") and x.shape[2] > 1:
            rest = self.time_conv(x[:, :, 1:]).unflatten(1, (2, -1))
            doubled = torch.stack([rest[:, 0], rest[:, 1]], dim=3).flatten(2, 3)
            x = torch.cat([x[:, :, :1], doubled], dim=2)
        return _slicewise(self.resample, x)


class MiddleBlock(nn.Module):
    """Attention between two residual blocks."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.attentions = nn.ModuleList([SliceAttention(channels)])
        self.resnets = nn.ModuleList(ResidualBlock(channels, channels) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, Z, Y, X) to the same."""
        return self.resnets[1](self.attentions[0](self.resnets[0](x)))


class UpBlock(nn.Module):
    """Residual blocks and, but for the last, an upsampling that halves the channels."""

    def __init__(self, inputs: int, outputs: int, blocks: int, upsample: Upsample | None) -> None:
        super().__init__()
        self.resnets = nn.ModuleList(ResidualBlock(inputs if i == 0 else outputs, outputs) for i in range(blocks))
        if upsample is not None:
            self.upsamplers = nn.ModuleList([upsample])

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, Z, Y, X) to the next level."""
        for block in self.resnets:
            x = block(x)
        return self.upsamplers[0](x) if hasattr(self, "upsamplers") else x


class Encoder(nn.Module):
    """Volume to the latent's mean and log-variance."""

    def __init__(self, config: WanAutoencoderConfig) -> None:
        super().__init__()
        widths = [config.base_dim * multiple for multiple in (1, *config.dim_mult)]
        self.conv_in = CausalConv3d(3, widths[0], 3, 1)
        layers: list[nn.Module] = []
        for level, (inputs, outputs) in enumerate(zip(widths[:-1], widths[1:], strict=True)):
            layers += [ResidualBlock(inputs if i == 0 else outputs, outputs) for i in range(config.num_res_blocks)]
            if level < len(config.temperal_downsample):
                layers.append(Downsample(outputs, config.temperal_downsample[level]))
        self.down_blocks = nn.ModuleList(layers)
        self.mid_block = MiddleBlock(widths[-1])
        self.norm_out = ChannelNorm(widths[-1], 3)
        self.conv_out = CausalConv3d(widths[-1], 2 * config.z_dim, 3, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, 3, Z, Y, X) to (N, 2 z_dim, ...)."""
        x = self.conv_in(x)
        for layer in self.down_blocks:
            x = layer(x)
        return self.conv_out(functional.silu(self.norm_out(self.mid_block(x))))


class Decoder(nn.Module):
    """Latent to volume."""

    def __init__(self, config: WanAutoencoderConfig) -> None:
        super().__init__()
        widths = [config.base_dim * multiple for multiple in (config.dim_mult[-1], *config.dim_mult[::-1])]
        along_z = config.temperal_downsample[::-1]
        self.conv_in = CausalConv3d(config.z_dim, widths[0], 3, 1)
        self.mid_block = MiddleBlock(widths[0])
        blocks = []
        for level, (inputs, outputs) in enumerate(zip(widths[:-1], widths[1:], strict=True)):
            upsample = Upsample(outputs, along_z[level]) if level < len(along_z) else None
            # An upsampling has halved the channels of the level before.
            blocks.append(UpBlock(inputs // 2 if level else inputs, outputs, config.num_res_blocks + 1, upsample))
        self.up_blocks = nn.ModuleList(blocks)
        self.norm_out = ChannelNorm(widths[-1], 3)
        self.conv_out = CausalConv3d(widths[-1], 3, 3, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, z_dim, Z, Y, X) to (N, 3, ...)."""
        x = self.mid_block(self.conv_in(x))
        for block in self.up_blocks:
            x = block(x)
        return self.conv_out(functional.silu(self.norm_out(x)))


class WanAutoencoder(nn.Module):
    """Encoder and decoder; latents are scaled to mean 0 and deviation 1 by the published figures."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, config: WanAutoencoderConfig) -> None:
        super().__init__()
        self.encoder, self.decoder = Encoder(config), Decoder(config)
        self.quant_conv = CausalConv3d(2 * config.z_dim, 2 * config.z_dim, 1)
        self.post_quant_conv = CausalConv3d(config.z_dim, config.z_dim, 1)
        for name, values in (("mean", config.latents_mean), ("deviation", config.latents_std)):
            self.register_buffer(name, torch.tensor(values)[:, None, None, None], persistent=False)

    def encode(self, volume: Tensor) -> Tensor:
        """(N, 3, 4 k + 1, Y, X) between -1 and +1 to the scaled mean of the latent, (N, z_dim, k + 1, Y/8, X/8)."""
        mean, _ = self.quant_conv(self.encoder(volume)).chunk(2, dim=1)
        return (mean - self.mean) / self.deviation

    def decode(self, latent: Tensor) -> Tensor:
        """The inverse of `encode`, as far as the autoencoder can, clipped to -1 and +1."""
        return self.decoder(self.post_quant_conv(latent * self.deviation + self.mean)).clamp(-1.0, 1.0)
