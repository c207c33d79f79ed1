"""MAISI's diffusion U-Net as a denoiser of any modality."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from DosePredictionLib.errors import InputError
from DosePredictionLib.networks.maisi_codec import NOT_INSTALLED

#: As published with rectified flow (maisi3d-rflow).
DEFAULTS: dict[str, Any] = {
    "num_channels": [64, 128, 256, 512], "num_res_blocks": 2, "attention_levels": [False, False, True, True],
    "num_head_channels": [0, 0, 32, 32], "num_class_embeds": 128, "include_spacing_input": True,
}  # fmt: skip
#: Published weights were trained with voxel sizes in hundredths of a millimetre (Project-MONAI/tutorials,
#: generation/maisi/scripts/diff_model_train.py).
PER_MM = 100.0
#: The published class "CT", in whose weights there is most to know.
CLASS = 1


class MaisiDenoiser(nn.Module):
    """Noisy target and clean conditions side by side at the U-Net's input.

    The input holds the noisy latent, a slot for each modality's clean latent, and for each modality two flags: it is
    shown, it is the target. The first convolution is widened for this; what it had of the noisy latent is kept and the
    rest begins at zero. MONAI's velocity points from noise to the clean sample, so its sign is turned.

    Args:
        lengths: modality to the channels of its latent, the same for all.
        config: sizes of the U-Net; what is missing is as published.
        spacing_mm: voxel size (z, y, x), as of all patients.
    """

    def __init__(
        self, lengths: Mapping[str, int], config: dict[str, Any], spacing_mm: tuple[float, float, float]
    ) -> None:
        super().__init__()
        try:
            from monai.apps.generation.maisi.networks.diffusion_model_unet_maisi import DiffusionModelUNetMaisi
        except ImportError as error:
            raise InputError(NOT_INSTALLED) from error
        self.names = tuple(lengths)
        self.spacing_mm = spacing_mm
        self.length = next(iter(lengths.values()))
        sizes = {**DEFAULTS, **config}
        self.has_class, self.has_spacing = bool(sizes["num_class_embeds"]), bool(sizes["include_spacing_input"])
        inputs = self.length * (1 + len(self.names)) + 2 * len(self.names)
        self.unet = DiffusionModelUNetMaisi(spatial_dims=3, in_channels=inputs, out_channels=self.length, **sizes)

    def forward(
        self, noisy: Tensor, time: Tensor, target: str, conditions: Mapping[str, Tensor], occupied: Tensor | None = None
    ) -> Tensor:
        """See `DoseTransformer.forward`; everything is computed whether occupied or not."""
        count = noisy.shape[0]
        empty = torch.zeros_like(noisy)
        slots = [conditions[name].to(noisy) if name in conditions else empty for name in self.names]
        flags = noisy.new_tensor(
            [[float(name in conditions) for name in self.names] + [float(name == target) for name in self.names]]
        )
        flags = flags[..., None, None, None].expand(count, -1, *noisy.shape[2:])
        told: dict[str, Tensor] = {}
        if self.has_class:
            told["class_labels"] = torch.full((count,), CLASS, device=noisy.device)
        if self.has_spacing:
            told["spacing_tensor"] = PER_MM * noisy.new_tensor(self.spacing_mm).expand(count, 3)
        return -self.unet(torch.cat([noisy, *slots, flags], dim=1), timesteps=1000.0 * time, **told)
