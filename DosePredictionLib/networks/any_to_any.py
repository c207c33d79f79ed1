"""A frozen codec and a denoiser in its latent space, as one module."""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as functional
from torch import Tensor, nn


class AnyToAnyNetwork(nn.Module):
    """What a weights file holds.

    Args:
        codec: ``encode(modality, volume)`` takes (N, C, Z, Y, X) between -1 and +1 to the modality's latent and
            ``decode(modality, latent)`` back; ``stride`` is the voxels (z, y, x) of a latent voxel, ``leading`` the
            latent layers before those that the volume's own slices fill. Its parameters, if any, are frozen.
        denoiser: ``denoiser(noisy, time, target, conditions, occupied)`` on latents.
        starts: modality to what a linear map of the conditions already says of it; the denoiser restores what this
            leaves, from the noisy latent without it. The noise is then as large as what is not known yet. For a
            straight line to noise, whose signal is 1 - t.
    """

    #: Muon is for hidden layers; a modality's embedding and head learn only from draws that show or ask for it.
    adamw_parts = (
        "denoiser.embeddings", "denoiser.merged", "denoiser.time", "denoiser.modulation", "denoiser.heads",
        "denoiser.gates",
    )  # fmt: skip

    def __init__(self, codec: nn.Module, denoiser: nn.Module, starts: Mapping[str, nn.Module] | None = None) -> None:
        super().__init__()
        self.codec, self.denoiser = codec, denoiser
        self.starts = nn.ModuleDict(dict(starts or {}))
        for parameter in codec.parameters():
            parameter.requires_grad_(False)

    def train(self, mode: bool = True) -> AnyToAnyNetwork:
        """Training mode for the denoiser only."""
        super().train(mode)
        self.codec.eval()
        return self

    @torch.no_grad()
    def encode(self, modality: str, volume: Tensor) -> Tensor:
        """(N, C, Z, Y, X) to the latent, in float32."""
        with torch.autocast(volume.device.type, enabled=False):
            return self.codec.encode(modality, volume.float())  # type: ignore[operator, no-any-return]

    def decode(self, modality: str, latent: Tensor) -> Tensor:
        """The volume of a latent, in float32; has a gradient."""
        with torch.autocast(latent.device.type, enabled=False):
            return self.codec.decode(modality, latent.float())  # type: ignore[operator, no-any-return]

    def occupied(self, region: Tensor) -> Tensor:
        """(N, 1, Z, Y, X) boolean to the latent voxels (Z', Y', X') that hold any of anyone's region."""
        stride: tuple[int, int, int] = self.codec.stride  # type: ignore[assignment]
        leading: int = self.codec.leading  # type: ignore[assignment]
        pooled = functional.max_pool3d(region.float(), stride).amax(dim=(0, 1)) > 0
        return torch.cat([pooled[:1]] * leading + [pooled])

    def latent_size(self, shape: tuple[int, ...]) -> tuple[int, int, int]:
        """Sizes of the latent of a padded volume (Z, Y, X)."""
        stride: tuple[int, int, int] = self.codec.stride  # type: ignore[assignment]
        leading: int = self.codec.leading  # type: ignore[assignment]
        z, y, x = (n // s for n, s in zip(shape, stride, strict=True))
        return (z + leading, y, x)

    def forward(
        self, noisy: Tensor, time: Tensor, target: str, conditions: Mapping[str, Tensor], occupied: Tensor | None = None
    ) -> Tensor:
        """See `DoseTransformer.forward`."""
        if target not in self.starts:
            return self.denoiser(noisy, time, target, conditions, occupied)
        everywhere = torch.ones(noisy.shape[2:], dtype=torch.bool, device=noisy.device)
        start = self.starts[target](conditions, everywhere if occupied is None else occupied)
        left = noisy - (1 - time).reshape(-1, 1, 1, 1, 1) * start
        return start + self.denoiser(left, time, target, conditions, occupied).float()
