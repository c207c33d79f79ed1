"""Predicting the dose in one pass: the networks that diffusion is compared with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import nn

from DosePredictionLib.conditioning.channels import CHANNELS, ModelInput
from DosePredictionLib.conditioning.dose_units import in_gy
from DosePredictionLib.conditioning.padding import centred_offset, padded_shape
from DosePredictionLib.networks.baseline_names import Architecture
from DosePredictionLib.systems.batch_of_one import batch_of_one
from DosePredictionLib.systems.monai_needed import check_monai
from DosePredictionLib.systems.tuples_from_json import TuplesFromJson

SIZE_MULTIPLE = 16
#: Of neighbouring windows.
OVERLAP = 0.25


@dataclass(frozen=True)
class BaselineSystem(TuplesFromJson):
    """A network from the patient's channels to the dose, in units where zero is -1 and the highest prescription +1.

    Attributes:
        channels: the patient's channels, in order. The network is not told the voxels' size: patients should have
            voxels about as large as those that it was trained on.
        architecture: see `networks.baselines.baseline_network`.
        width: channels of the finest level.
        drop: probability that an optional condition (CT, beams) is left out of a training draw.
        field_of_view: voxels (z, y, x) that the network sees at a time, in training and after it: instance norms answer
            to how much of a volume is empty.
    """

    channels: tuple[str, ...] = CHANNELS
    architecture: Architecture = "unet"
    width: int = 16
    drop: float = 0.05
    field_of_view: tuple[int, int, int] = (48, 80, 128)

    name: ClassVar[str] = "baseline"
    optional_conditions: ClassVar[tuple[str, ...]] = ("ct", "beams")
    default_steps: ClassVar[int] = 1
    #: There is no noise.
    pure_noise: ClassVar[float] = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if any(length % SIZE_MULTIPLE for length in self.field_of_view):
            raise TypeError(f"field_of_view is {self.field_of_view}; give multiples of {SIZE_MULTIPLE}")

    def build_network(self) -> nn.Module:
        """The network with fresh weights."""
        check_monai(self.name)
        from DosePredictionLib.networks.baselines import baseline_network

        network = baseline_network(self.architecture, len(self.channels), self.width)
        layout = torch.channels_last if self.architecture == "deeplabv3plus" else torch.channels_last_3d
        return network.to(memory_format=layout)  # type: ignore[call-overload, no-any-return]

    def sample_dose(
        self,
        network: nn.Module,
        inputs: ModelInput,
        steps: int,
        seed: int,
        on_step: Callable[[int], None] | None = None,
    ) -> np.ndarray:
        """See `System.sample_dose`; there is one answer, whatever the seed and the steps."""
        from monai.inferers import sliding_window_inference

        device = next(network.parameters()).device
        padded = padded_shape(inputs.region.shape, SIZE_MULTIPLE)
        shape = tuple(max(sizes) for sizes in zip(padded, self.field_of_view, strict=True))
        offset = centred_offset(inputs.region.shape, shape)
        conditions = batch_of_one(inputs.padded_channels(shape, offset), device)
        with torch.inference_mode(), torch.autocast(device.type, dtype=torch.bfloat16):
            said = sliding_window_inference(conditions, self.field_of_view, 1, network, OVERLAP, mode="gaussian")
        assert isinstance(said, torch.Tensor)  # one network, one answer
        if on_step is not None:
            on_step(steps)
        return in_gy(said[0, 0].float().cpu().numpy(), inputs, offset)
