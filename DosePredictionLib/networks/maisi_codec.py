"""MAISI's CT autoencoder as the latent space of all modalities (Guo et al., WACV 2025; in MONAI)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from DosePredictionLib.errors import InputError

#: As published. Splits along an axis save memory on a GPU; here volumes go through whole.
DEFAULTS: dict[str, Any] = {
    "num_channels": [64, 128, 256], "num_res_blocks": [2, 2, 2], "attention_levels": [False, False, False],
    "latent_channels": 4, "norm_num_groups": 32, "norm_eps": 1e-6,
}  # fmt: skip
#: What is 1 to published weights; -1000 HU are 0 (Project-MONAI/tutorials, generation/maisi/scripts/transforms.py).
WHITE_HU = 1000.0
NOT_INSTALLED = 'MAISI needs MONAI, which is not installed; install DosePrediction with its extra "maisi".'


def maisi_autoencoder(config: dict[str, Any]) -> nn.Module:
    """MONAI's autoencoder of MAISI with fresh weights.

    Raises:
        InputError: MONAI isn't installed.
    """
    try:
        from monai.apps.generation.maisi.networks.autoencoderkl_maisi import AutoencoderKlMaisi
    except ImportError as error:
        raise InputError(NOT_INSTALLED) from error
    return AutoencoderKlMaisi(
        spatial_dims=3, in_channels=1, out_channels=1, with_encoder_nonlocal_attn=False,
        with_decoder_nonlocal_attn=False, num_splits=1, dim_split=1, norm_float16=False, save_mem=False,
        **{**DEFAULTS, **config},
    )  # fmt: skip


class MaisiCodec(nn.Module):
    """Every modality as one grey volume, between 0 and 1 as MAISI takes CTs (`WHITE_HU`).

    Of two or three channels the first is shown (the prescription, the beams of the highest target), and the others
    cannot be restored; more are shown as a labelmap of evenly spaced greys.

    Args:
        config: sizes of the autoencoder; what is missing is as published.
        channels: modality to its channels.
        white: modality to the value that is 1 to MAISI, as are those above. Of others +1 is, and a dose above it more.
        scale: of the latent, besides the published factor that comes with the weights.
    """

    leading = 0
    #: Multiplies latents; MAISI's U-Net comes with it.
    factor: Tensor

    def __init__(
        self, config: dict[str, Any], channels: Mapping[str, int], white: Mapping[str, float], scale: float
    ) -> None:
        super().__init__()
        halvings = 2 ** (len({**DEFAULTS, **config}["num_channels"]) - 1)
        self.stride = (halvings, halvings, halvings)
        self.channels, self.white, self.scale = dict(channels), dict(white), scale
        self.register_buffer("factor", torch.ones(()))
        self.autoencoder = maisi_autoencoder(config)

    def encode(self, modality: str, volume: Tensor) -> Tensor:
        """(N, C, Z, Y, X) between -1 and +1 to (N, latent_channels, Z/4, Y/4, X/4)."""
        grey = (_grey(volume) + 1) / self._reach(modality)
        if modality in self.white:
            grey = grey.clamp(max=1)
        mean, _ = self.autoencoder.encode(grey)  # type: ignore[operator]
        return mean * (self.factor * self.scale)

    def decode(self, modality: str, latent: Tensor) -> Tensor:
        """The inverse of `encode`, as far as the autoencoder can; NaN in channels that it wasn't shown."""
        grey = self.autoencoder.decode(latent / (self.factor * self.scale))  # type: ignore[operator]
        return _from_grey(grey * self._reach(modality) - 1, self.channels[modality])

    def _reach(self, modality: str) -> float:
        """How far a modality's white lies above its black, -1."""
        return self.white.get(modality, 1.0) + 1


def _grey(volume: Tensor) -> Tensor:
    count = volume.shape[1]
    if count <= 3:
        return volume[:, :1]
    labels = torch.arange(1, count + 1, device=volume.device)[:, None, None, None]
    # Where organs overlap the last one is seen.
    return ((volume > 0) * labels).amax(dim=1, keepdim=True) / count * 2 - 1


def _from_grey(grey: Tensor, count: int) -> Tensor:
    if count == 1:
        return grey
    if count <= 3:
        return torch.cat([grey, torch.full_like(grey, torch.nan).expand(-1, count - 1, -1, -1, -1)], dim=1)
    label = torch.round((grey + 1) / 2 * count)
    return torch.cat([(label == index + 1).to(grey) for index in range(count)], dim=1) * 2 - 1
