"""The default system: whole-volume 3D diffusion of the dose, guided by the anatomy at every level."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import nn

from DosePredictionLib.conditioning.channels import CHANNELS, SCALARS, ModelInput
from DosePredictionLib.networks.guided_unet import GuidedUNet
from DosePredictionLib.systems.whole_volume import sample_dose


@dataclass(frozen=True)
class DefaultSystem:
    """What the default system is made of. Its fields are the ``config`` of a weights file.

    The network predicts the clean dose (x0) in units where the highest prescription is +1 and zero dose is -1.

    Attributes:
        channels: the patient's channels, in order.
        widths: channels of the U-Net's levels.
        blocks: residual blocks of each level.
        guidance: width of the anatomical guidance; 0 for none.
        pure_noise: share of the training draws that start from pure noise.
        drop: probability that an optional condition (CT, beams) is left out of a training draw.
    """

    channels: tuple[str, ...] = CHANNELS
    widths: tuple[int, ...] = (32, 64, 128, 192)
    blocks: tuple[int, ...] = (1, 2, 2, 2)
    guidance: int = 16
    pure_noise: float = 0.5
    drop: float = 0.05

    name: ClassVar[str] = "default"
    optional_conditions: ClassVar[tuple[str, ...]] = ("ct", "beams")

    def __post_init__(self) -> None:
        # Lists come out of JSON; tuples keep the configuration hashable and comparable.
        for field in ("channels", "widths", "blocks"):
            object.__setattr__(self, field, tuple(getattr(self, field)))

    def build_network(self) -> GuidedUNet:
        """The denoiser with fresh weights, in the memory layout that its convolutions are fastest in."""
        network = GuidedUNet(
            conditions=len(self.channels),
            scalars=len(SCALARS),
            channels=self.widths,
            blocks=self.blocks,
            guidance=self.guidance,
        )
        return network.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload, no-any-return]

    def sample_dose(
        self,
        network: nn.Module,
        inputs: ModelInput,
        steps: int,
        seed: int,
        on_step: Callable[[int], None] | None = None,
    ) -> np.ndarray:
        """See `System.sample_dose`."""
        return sample_dose(network, inputs, steps, seed, on_step)  # type: ignore[arg-type]
