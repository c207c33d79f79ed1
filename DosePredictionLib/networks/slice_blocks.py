"""Building blocks of the slice-wise denoiser.

Norms are over the channels of each pixel (positional normalisation, Li et al., NeurIPS 2019): no statistics are taken
over a slice or a batch, so a slice's result doesn't depend on which slices share its batch, and on processors the
backward pass is several times faster than that of instance or group norm in the channels-last layout.
"""

from __future__ import annotations

import torch
import torch.nn.functional as functional
from torch import Tensor, nn

from DosePredictionLib.networks.blocks import activation

#: Scale and shift of a norm's output, pixel by pixel: each (M, C, Y, X).
ScaleAndShift = tuple[Tensor, Tensor]


def start_at_zero(layer: nn.Module) -> None:
    """Set a layer's parameters to zero, so that what it adds begins as nothing."""
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)


def positional_norm(x: Tensor) -> Tensor:
    """Each pixel's channels to mean 0 and variance 1; (M, C, Y, X) in the channels-last layout."""
    return functional.layer_norm(x.permute(0, 2, 3, 1), (x.shape[1],)).permute(0, 3, 1, 2)


def slices_of(volumes: Tensor) -> Tensor:
    """(N, C, Z, Y, X) to (N Z, C, Y, X) in the channels-last layout, without a copy if the volumes are in theirs."""
    n, c, z, y, x = volumes.shape
    return volumes.permute(0, 2, 3, 4, 1).reshape(n * z, y, x, c).permute(0, 3, 1, 2)


class SpatialModulation(nn.Module):
    """Scale and shift maps of one norm, from the anatomy's features (SPADE, Park et al., CVPR 2019, section 3.1).

    MONAI's SPADE block is not used: it puts an instance norm behind scale and shift (so that uniform anatomy says
    nothing and the modulation can't start as nothing), and it can't give the maps apart from their use, which here
    lets a sampler compute them once for all steps.
    """

    def __init__(self, features: int, channels: int) -> None:
        super().__init__()
        # Two convolutions and not one that is split: a split copies both halves in the channels-last layout.
        self.scale = nn.Conv2d(features, channels, 1)
        self.shift = nn.Conv2d(features, channels, 1)
        start_at_zero(self.scale)
        start_at_zero(self.shift)

    def forward(self, features: Tensor) -> ScaleAndShift:
        """(M, features, Y, X) to two of (M, channels, Y, X)."""
        return self.scale(features), self.shift(features)


class SliceBlock(nn.Module):
    """Norm, activation and convolution twice, around a skip; time modulates the first norm, anatomy the second."""

    def __init__(self, inputs: int, outputs: int, embedding: int) -> None:
        super().__init__()
        self.time = nn.Linear(embedding, 2 * inputs)
        self.conv_in = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.conv_out = nn.Conv2d(outputs, outputs, 3, padding=1)
        self.skip = nn.Conv2d(inputs, outputs, 1) if inputs != outputs else nn.Identity()
        start_at_zero(self.time)
        start_at_zero(self.conv_out)

    def forward(self, x: Tensor, embedding: Tensor, anatomy: ScaleAndShift) -> Tensor:
        """(M, inputs, Y, X), (M, embedding) and maps of ``outputs`` channels to (M, outputs, Y, X)."""
        scale, shift = (part[:, :, None, None] for part in self.time(embedding).to(x.dtype).chunk(2, dim=1))
        hidden = self.conv_in(activation(torch.addcmul(shift, positional_norm(x), 1 + scale)))
        hidden = positional_norm(hidden)
        scale, shift = anatomy
        hidden = torch.addcmul(hidden + shift, hidden, scale)
        return self.skip(x) + self.conv_out(activation(hidden))
