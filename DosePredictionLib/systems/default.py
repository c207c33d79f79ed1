"""The default system: whole-volume 3D diffusion of the dose, guided by the anatomy at every level."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, cast

import numpy as np
import torch
from torch import Tensor, nn

from DosePredictionLib.conditioning.channels import CHANNELS, SCALARS, ModelInput
from DosePredictionLib.conditioning.dose_units import in_gy
from DosePredictionLib.conditioning.padding import centred_offset, pad_to, padded_shape, random_place
from DosePredictionLib.diffusion.sampler import sample
from DosePredictionLib.errors import InputError
from DosePredictionLib.networks.blocks import NORMS
from DosePredictionLib.networks.guided_unet import JOINS, STEMS, GuidedUNet
from DosePredictionLib.systems.batch_of_one import batch_of_one
from DosePredictionLib.systems.possible_dose import zero_outside
from DosePredictionLib.systems.tuples_from_json import TuplesFromJson

#: Voxels by which a placed patient can be moved at least along each axis: half of what the network's levels make one.
ROOM = 8


@dataclass(frozen=True)
class DefaultSystem(TuplesFromJson):
    """What the default system is made of. Its fields are the ``config`` of a weights file.

    The network predicts the clean dose (x0) in units where the highest prescription is +1 and zero dose is -1.

    Attributes:
        channels: the patient's channels, in order.
        widths: channels of the U-Net's levels.
        blocks: residual blocks of each level.
        guidance: width of the anatomical guidance; 0 for none.
        norm: "channel", of each voxel's channels, or "instance", of each channel's voxels.
        stem, join: see `GuidedUNet`. What stands here of these and of the norm is what weights were trained with whose
            configuration doesn't say.
        pure_noise: share of the training draws that start from pure noise.
        drop: probability that an optional condition (CT, beams) is left out of a training draw.
        dropout: share of the channels inside each block that are left out of a training step; prediction has all.
        fine: channels of a level at full resolution, beside the others, of which the finest has half; 0 for none.
        placed: each sample lies at a place of its own within the network's grid, as patients do in training, instead of
            in its middle; samples then differ, and their mean is off by less (`Testing/Benchmarks/places.py`).
    """

    channels: tuple[str, ...] = CHANNELS
    widths: tuple[int, ...] = (32, 64, 128, 192)
    blocks: tuple[int, ...] = (1, 2, 2, 2)
    guidance: int = 16
    norm: str = "instance"
    stem: str = "space-to-depth"
    join: str = "concatenate"
    pure_noise: float = 0.5
    drop: float = 0.05
    dropout: float = 0.0
    fine: int = 0
    placed: bool = False

    name: ClassVar[str] = "default"
    optional_conditions: ClassVar[tuple[str, ...]] = ("ct", "beams")
    default_steps: ClassVar[int] = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        known = {"norm": tuple(NORMS), "stem": STEMS, "join": JOINS}
        for name, values in known.items():
            if (value := getattr(self, name)) not in values:
                raise InputError(f"The default system has no {name} {value!r}; choose one of: {', '.join(values)}.")

    def build_network(self) -> GuidedUNet:
        """The denoiser with fresh weights, in the memory layout that its convolutions are fastest in."""
        network = GuidedUNet(
            conditions=len(self.channels),
            scalars=len(SCALARS),
            channels=self.widths,
            blocks=self.blocks,
            guidance=self.guidance,
            norm=self.norm,
            stem=self.stem,
            join=self.join,
            dropout=self.dropout,
            fine=self.fine,
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
        unet = cast(GuidedUNet, network)
        device = next(unet.parameters()).device
        shape, offset = self._place(inputs.region.shape, unet.size_multiple, seed)

        conditions = batch_of_one(inputs.padded_channels(shape, offset), device)
        scalars = batch_of_one(inputs.scalars, device)
        region = batch_of_one(pad_to(inputs.region, shape, offset), device)[None]
        # Drawn on the processor, so that it is the same for every device.
        noise = torch.randn((1, 1, *shape), generator=torch.Generator().manual_seed(seed)).to(device)
        with torch.inference_mode(), torch.autocast(device.type, dtype=torch.bfloat16):
            maps = unet.guide(conditions)

            def denoiser(noisy: Tensor, time: Tensor) -> Tensor:
                return unet(noisy, conditions, time, scalars, maps).float()

            clean = sample(denoiser, noise, steps, lambda clean: zero_outside(clean, region), on_step)
        return in_gy(clean[0, 0].float().cpu().numpy(), inputs, offset)

    def _place(self, shape: tuple[int, ...], multiple: int, seed: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """The volume that a sample is computed in, voxels (z, y, x), and where in it the patient begins."""
        if not self.placed:
            volume = padded_shape(shape, multiple)
            return volume, centred_offset(shape, volume)
        volume = padded_shape(tuple(size + ROOM for size in shape), multiple)
        return volume, random_place(shape, volume, np.random.default_rng(seed))
