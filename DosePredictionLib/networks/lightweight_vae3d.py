"""The CT autoencoder of ADDiff-Dose (Xie et al., arXiv 2508.02043, section 2.1 and figure 2)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor, nn

#: The paper's "StableSiLU" is nowhere defined; it is said to avoid overflow. PyTorch's SiLU is computed as x *
#: sigmoid(x) with a sigmoid that saturates, so it doesn't overflow in any precision used here: this is it.
StableSiLU = nn.SiLU
#: log-variances are kept within this, so that neither the sample nor the KL term overflows in half precision.
LOG_VARIANCE_RANGE = (-20.0, 10.0)


class WholeCT(NamedTuple):
    """The CTs of some patients, for a network that sees patches of them.

    Attributes:
        ct: (N, 1, Z, Y, X) in [0, 1]; sizes are multiples of the encoder's stride.
        has_ct: (N,) 0 for a patient without CT, whose latent is the prior's mean.
        step_mm: (N, 3) voxel size z, y, x.
        patient: (P,) which of them each patch belongs to.
    """

    ct: Tensor
    has_ct: Tensor
    step_mm: Tensor
    patient: Tensor


class CTEncoder(nn.Module):
    """The CT to mean and log-variance of its latent, at a sixteenth of the resolution.

    Four convolutions (kernel 4, stride 2, padding 1), batch norm and SiLU, then the two heads. Where the text leaves a
    choice:

    - "Fully connected layers output mean and variance", figure 2 has an adaptive average pooling, the text gives both a
      latent of 6 x 8 x 9 voxels (from 96 x 128 x 144) and "a 32-dimensional latent vector". Here the fully connected
      layers act at each of the 6 x 8 x 9 places (1 x 1 x 1 convolutions) with 32 channels: what the paper calls a
      vector keeps its place in the patient, without which it could neither be decoded to a CT to look at nor tell a
      patch what lies around it. Nothing is left for the pooling to do: the volumes keep their own size here.
    - The reduction is 99.2 % counted in values and 99.98 % counted in places; the paper's 99.7 % is neither.

    Args:
        widths: output channels of the convolutions; the paper's grow "from 1 to 256".
        latent: channels of the latent.
    """

    def __init__(self, widths: Sequence[int] = (32, 64, 128, 256), latent: int = 32) -> None:
        super().__init__()
        #: How many voxels of the CT, along each axis, one place of the latent stands for.
        self.stride = 2 ** len(widths)
        layers: list[nn.Module] = []
        for inputs, outputs in pairwise((1, *widths)):
            layers += [nn.Conv3d(inputs, outputs, 4, stride=2, padding=1), nn.BatchNorm3d(outputs), StableSiLU()]
        self.layers = nn.Sequential(*layers)
        self.mean = nn.Conv3d(widths[-1], latent, 1)
        self.log_variance = nn.Conv3d(widths[-1], latent, 1)

    def forward(self, ct: Tensor) -> tuple[Tensor, Tensor]:
        """(N, 1, Z, Y, X) in [0, 1] to mean and log-variance, each (N, latent, Z/16, Y/16, X/16)."""
        features = self.layers(ct)
        return self.mean(features), self.log_variance(features).clamp(*LOG_VARIANCE_RANGE)


class CTDecoder(nn.Module):
    """The mirror of `CTEncoder`: transposed convolutions, and a sigmoid that keeps the CT in [0, 1]."""

    def __init__(self, widths: Sequence[int] = (32, 64, 128, 256), latent: int = 32) -> None:
        super().__init__()
        self.enter = nn.Conv3d(latent, widths[-1], 1)
        layers: list[nn.Module] = []
        for inputs, outputs in pairwise(reversed(widths)):
            layers += [
                nn.ConvTranspose3d(inputs, outputs, 4, stride=2, padding=1),
                nn.BatchNorm3d(outputs),
                StableSiLU(),
            ]
        self.layers = nn.Sequential(*layers)
        self.leave = nn.ConvTranspose3d(widths[0], 1, 4, stride=2, padding=1)

    def forward(self, latent: Tensor) -> Tensor:
        """(N, latent, z, y, x) to (N, 1, 16 z, 16 y, 16 x) in [0, 1]."""
        return torch.sigmoid(self.leave(self.layers(self.enter(latent))))


class LightweightVAE3D(nn.Module):
    """Encoder and decoder; the first stage trains both, the dose diffusion uses the encoder alone."""

    def __init__(self, widths: Sequence[int] = (32, 64, 128, 256), latent: int = 32) -> None:
        super().__init__()
        self.encoder = CTEncoder(widths, latent)
        self.decoder = CTDecoder(widths, latent)

    def forward(self, ct: Tensor, noise: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """The reconstruction, the latent's mean and its log-variance.

        Args:
            ct: (N, 1, Z, Y, X) in [0, 1], sizes that are multiples of the encoder's stride.
            noise: standard normal, of the latent's shape, for the reparameterisation; None decodes the mean.
        """
        mean, log_variance = self.encoder(ct)
        latent = mean if noise is None else mean + noise * torch.exp(0.5 * log_variance)
        return self.decoder(latent), mean, log_variance


def kl_divergence(mean: Tensor, log_variance: Tensor) -> Tensor:
    """Of the latent from the standard normal, per latent value (the paper's L_kl, eq. after section 2.3 (3)).

    The paper's formula sums over the latent; the mean is taken here, so that one weight does for volumes of any size.
    """
    return 0.5 * (log_variance.exp() + mean.square() - 1.0 - log_variance).mean()
