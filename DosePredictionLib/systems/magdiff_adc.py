"""MAGDiff-ADC: slices denoised one by one under guidance from the anatomy of their neighbours, level by level.

After "Multi-Layer Anatomically-Guided Diffusion and Adaptive Calibration for Precision Radiotherapy Dose Prediction"
(its abstract: a conditional U-Net with a multi-layer spatially-adaptive normalisation that fuses anatomical features
from adjacent slices, and a fully convolutional calibration of the dose inside the structures). What the abstract leaves
open was chosen here:

- Noise process: 1000 steps, linear betas, deterministic DDIM (in 8 steps, or one where the denoiser says the clean
  dose), the clean dose clipped to possible values, as in the closest published relative (DoseDiff, Zhang et al., IEEE
  TMI 2024).
- The denoiser can say noise (``epsilon``), velocity (``v``) or clean dose (``x0``). With few steps and short training
  the clean dose is the most accurate: at the noisy end, where the dose's large features are decided, an error of the
  noise is multiplied by up to 157.
- 2k + 1 = 3, 5, 7, 9 slices from the finest to the deepest level.
- Assembled without jumps: the noise changes slowly along the patient (`slice_noise.correlated_noise`), so that
  neighbouring slices, with nearly the same anatomy, are denoised from nearly the same noise.
- Of several samples every second one is of the patient's mirror image (`inference.views`); their mean is the
  prediction.
- The calibration is a part of its own, since any system can be followed by it (`systems.adaptive_calibration`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, cast

import numpy as np
import torch
from torch import Tensor, nn

from DosePredictionLib.conditioning.channels import CHANNELS, SCALARS, ModelInput
from DosePredictionLib.conditioning.dose_units import in_gy
from DosePredictionLib.conditioning.padding import centred_offset, pad_to, padded_shape
from DosePredictionLib.diffusion.slice_noise import correlated_noise
from DosePredictionLib.diffusion.variance_preserving import Prediction, VarianceSchedule
from DosePredictionLib.networks.spade_unet2d import SliceGuidance, SpadeUNet2d
from DosePredictionLib.systems.batch_of_one import batch_of_one
from DosePredictionLib.systems.possible_dose import possible_dose
from DosePredictionLib.systems.tuples_from_json import TuplesFromJson

#: Slices that go through the network together: enough to keep it busy, few enough for a small computer.
SLICES_AT_ONCE = 32
#: Denoiser calls of a sample, unless the denoiser says the clean dose.
STEPS_OF_NOISE = 8


@dataclass(frozen=True)
class MagdiffAdcSystem(TuplesFromJson):
    """What MAGDiff is made of. Its fields are the ``config`` of a weights file.

    Doses are in units where the highest prescription is +1 and zero dose is -1.

    Attributes:
        channels: the patient's channels, in order.
        widths, blocks: of the U-Net's levels, finest first; see `SpadeUNet2d`.
        radii: k of the 2k + 1 slices that guide each level; all 0 is the slice alone.
        features, hidden: of the anatomy's encoder and of the guidance.
        prediction: what the denoiser says: "epsilon", "v" or "x0".
        noise_steps: T of the noise process, see `VarianceSchedule`.
        noise_length_mm: along the patient, over which the noise stays alike; 0 draws each slice's by itself.
        pure_noise: share of the training draws that start from pure noise. Give 0 where the denoiser says noise: there
            the answer is what it was shown, and nothing is learnt.
        drop: probability that an optional condition (CT, beams) is left out of a training draw.
    """

    channels: tuple[str, ...] = CHANNELS
    widths: tuple[int, ...] = (48, 96, 144, 192)
    blocks: tuple[int, ...] = (1, 1, 2, 1)
    radii: tuple[int, ...] = (1, 2, 3, 4)
    features: tuple[int, ...] = (32, 48, 64, 64)
    hidden: int = 48
    prediction: Prediction = "x0"
    noise_steps: int = 1000
    noise_length_mm: float = 15.0
    pure_noise: float = 0.25
    drop: float = 0.05

    name: ClassVar[str] = "magdiff_adc"
    optional_conditions: ClassVar[tuple[str, ...]] = ("ct", "beams")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.prediction not in ("epsilon", "v", "x0"):
            raise TypeError(f'prediction is "epsilon", "v" or "x0", not {self.prediction!r}')
        if len(self.radii) != len(self.widths):
            raise TypeError(f"radii is {self.radii}; give one for each of the {len(self.widths)} widths")

    @property
    def default_steps(self) -> int:
        """See `System`."""
        return 1 if self.prediction == "x0" else min(STEPS_OF_NOISE, self.noise_steps)

    @property
    def schedule(self) -> VarianceSchedule:
        """The noise process."""
        return VarianceSchedule(self.noise_steps)

    def build_network(self) -> SpadeUNet2d:
        """The denoiser with fresh weights."""
        return SpadeUNet2d(
            conditions=len(self.channels),
            scalars=len(SCALARS),
            widths=self.widths,
            blocks=self.blocks,
            radii=self.radii,
            features=self.features,
            hidden=self.hidden,
        )

    def sample_dose(
        self,
        network: nn.Module,
        inputs: ModelInput,
        steps: int,
        seed: int,
        on_step: Callable[[int], None] | None = None,
    ) -> np.ndarray:
        """See `System.sample_dose`. All slices take a step together, `SLICES_AT_ONCE` at a time."""
        denoiser = cast(SpadeUNet2d, network)
        device = next(denoiser.parameters()).device
        layers, height, width = inputs.region.shape
        plane = padded_shape((height, width), denoiser.size_multiple)
        offset = (0, *centred_offset((height, width), plane))
        shape = (layers, plane[0], plane[1])
        margin = denoiser.margin
        anatomy = inputs.padded_channels((layers + 2 * margin, *plane), (margin, *offset[1:]))
        region = torch.from_numpy(pad_to(inputs.region, shape, offset))[:, None].to(device)
        scalars = torch.from_numpy(inputs.scalars).to(device)
        generator = torch.Generator().manual_seed(seed)
        noise = correlated_noise(shape, inputs.geometry.spacing_mm[2], self.noise_length_mm, generator)
        batches = [slice(first, min(first + SLICES_AT_ONCE, layers)) for first in range(0, layers, SLICES_AT_ONCE)]
        schedule = self.schedule

        with torch.inference_mode(), torch.autocast(device.type, dtype=torch.bfloat16):
            guidance: list[SliceGuidance] = []
            for batch in batches:
                slab = anatomy[:, batch.start : batch.stop + 2 * margin]
                guidance.append(denoiser.guide(batch_of_one(slab, device)))

            def say(noisy: Tensor, time: Tensor) -> Tensor:
                said = []
                for batch, guided in zip(batches, guidance, strict=True):
                    part = noisy[batch]
                    share = time[batch] / schedule.steps
                    said.append(denoiser(part, share, scalars.expand(len(part), -1), guided).float())
                return torch.cat(said)

            clean = schedule.ddim_sample(
                say, noise[:, None].to(device), steps, prediction=self.prediction,
                known=lambda clean: possible_dose(clean, region), on_step=on_step,
            )  # fmt: skip
        return in_gy(clean[:, 0].float().cpu().numpy(), inputs, offset)
