"""ADDiff-Dose: conditional diffusion with anatomical and dose constraints (Xie et al., arXiv 2508.02043, 2025)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from DosePredictionLib.conditioning.channels import CHANNELS, OAR_CHANNELS, SCALARS, ModelInput
from DosePredictionLib.conditioning.dose_units import in_gy
from DosePredictionLib.conditioning.padding import centred_offset, pad_to, padded_shape, window
from DosePredictionLib.conditioning.plan_context import CONTEXT_LENGTH, plan_context
from DosePredictionLib.diffusion.variance_preserving import Prediction, VarianceSchedule
from DosePredictionLib.networks.lightweight_vae3d import LightweightVAE3D, WholeCT
from DosePredictionLib.networks.patch_windows import cut_patches, linear_decay, merge_patches, patch_starts
from DosePredictionLib.systems.batch_of_one import batch_of_one
from DosePredictionLib.systems.monai_needed import check_monai
from DosePredictionLib.systems.possible_dose import possible_dose
from DosePredictionLib.systems.tuples_from_json import TuplesFromJson

if TYPE_CHECKING:  # MONAI and einops take their time to import; the default system does without them.
    from DosePredictionLib.networks.addiff_unet import AddiffNetwork

#: Denoiser calls of a sample, unless the denoiser says the clean dose.
STEPS_OF_NOISE = 20
#: Patches that go through the denoiser at once.
PATCHES_AT_ONCE = 16
#: The CT channel's range, HU / 1000; the autoencoder sees it as [0, 1].
CT_RANGE = (-1.0, 1.5)


@dataclass(frozen=True)
class AddiffDoseSystem(TuplesFromJson):
    """What ADDiff-Dose is made of. Its fields are the ``config`` of a weights file; the defaults are the paper's size.

    Where the text can't be taken literally, or says nothing (the networks' own choices stand with them):

    - Dose in units where zero is -1 and the highest prescription +1 (the paper: a percentile of the target's dose, over
      10): noise of variance one then covers the dose at the last step, which 0 to 7 would not.
    - The CT, the structures and all else are those of the dose region's box on the model's grid (about 4 x 4 x 2.5 mm),
      not resampled to 96 x 128 x 144, so that millimetres stay what they are. Voxels outside the dose region are air
      to the CT encoder, and zero dose: they are set so at each step, and don't count in the loss.
    - The structure tensor is every channel but the CT: prescription, region, organs, and also the distances to the
      targets and the beams ("beam parameters" are among the inputs by the abstract, nowhere by the methods), through
      which a patch knows of what lies outside it.
    - Algorithm 1 writes z_t = sqrt(alpha_t) z_0 + sqrt(1 - alpha_t) epsilon; alpha_t has to be the cumulative product.
    - Patches of 32 x 32 x 24 are 24 along the patient's axis. The denoiser is windowed at every step and what it says
      is blended with weights that fall linearly over the overlap; blending finished samples would mix different doses.
    - Of several samples every second one is of the patient's mirror image (`inference.views`), and their mean is the
      prediction; the paper draws one.
    - Context: technique, site, up to three prescriptions, and one limit for each organ from the paper's table.

    Attributes:
        channels: the patient's channels, in order.
        widths, blocks, attention, head_width, groups: of the U-Net, see `AddiffNetwork`.
        structure_encoder: False leaves it out (the paper's ablation, "Baseline").
        condition_width, tokens, fusion_blocks: of the structure encoder.
        fold: see `AddiffNetwork`; 1 is the paper's.
        ct_widths, latent: of the CT autoencoder.
        patch, overlap: (z, y, x) voxels.
        prediction: what the denoiser says: "epsilon" (the paper's), "v" or "x0".
        diffusion_steps: T; betas are 1e-4 to 0.02 where T is 1000, see `VarianceSchedule`.
        eta: fresh noise of sampling in fewer than T steps, 0 (DDIM) to 1. All T steps are always ancestral (eta = 1).
        limits_gy: one dose limit an organ of `OAR_CHANNELS`, maximum or mean, of the paper's table; for the larynx,
            which isn't in it, that of the pharyngeal constrictor.
        drop: probability that an optional condition (CT, beams) is left out of a training draw.
    """

    channels: tuple[str, ...] = CHANNELS
    widths: tuple[int, ...] = (64, 128, 256, 512)
    blocks: int = 2
    attention: int = 2
    head_width: int = 64
    groups: int = 32
    structure_encoder: bool = True
    condition_width: int = 32
    tokens: int = 256
    fusion_blocks: int = 2
    fold: int = 1
    ct_widths: tuple[int, ...] = (32, 64, 128, 256)
    latent: int = 32
    patch: tuple[int, int, int] = (24, 32, 32)
    overlap: tuple[int, int, int] = (8, 8, 8)
    prediction: Prediction = "epsilon"
    diffusion_steps: int = 1000
    eta: float = 0.0
    limits_gy: tuple[float, ...] = (54.0, 45.0, 26.0, 26.0, 34.0, 50.0, 60.0)
    drop: float = 0.05

    name: ClassVar[str] = "addiff_dose"
    #: Whole steps of the noise process are drawn, not times between 0 and 1.
    pure_noise: ClassVar[float] = 0.0
    optional_conditions: ClassVar[tuple[str, ...]] = ("ct", "beams")

    def __post_init__(self) -> None:
        super().__post_init__()
        multiple = self.fold * 2 ** (len(self.widths) - 1)
        if any(length % multiple for length in self.patch):
            raise TypeError(f"patch is {self.patch}; fold and levels ask for multiples of {multiple}")
        if any(shared >= length for shared, length in zip(self.overlap, self.patch, strict=True)):
            raise TypeError(f"overlap is {self.overlap}; give less than the patch, {self.patch}")
        if self.tokens % max(1, self.tokens // self.head_width):
            raise TypeError(f"tokens is {self.tokens}; give a multiple of head_width, {self.head_width}")

    @property
    def default_steps(self) -> int:
        """See `System`."""
        return 1 if self.prediction == "x0" else min(STEPS_OF_NOISE, self.diffusion_steps)

    @property
    def schedule(self) -> VarianceSchedule:
        """The noise process."""
        return VarianceSchedule(self.diffusion_steps)

    def build_network(self) -> AddiffNetwork:
        """CT encoder and denoiser with fresh weights, in the memory layout that their convolutions are fastest in."""
        check_monai(self.name)
        from DosePredictionLib.networks.addiff_unet import AddiffNetwork

        network = AddiffNetwork(
            structures=len(self.channels) - 1,
            context=CONTEXT_LENGTH + len(SCALARS),
            widths=self.widths,
            blocks=self.blocks,
            attention=self.attention,
            head_width=self.head_width,
            groups=self.groups,
            structure_encoder=self.structure_encoder,
            condition_width=self.condition_width,
            tokens=self.tokens,
            fusion_blocks=self.fusion_blocks,
            fold=self.fold,
            ct_widths=self.ct_widths,
            latent=self.latent,
        )
        return network.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload, no-any-return]

    def build_autoencoder(self) -> LightweightVAE3D:
        """The CT autoencoder with fresh weights: what the first stage trains."""
        network = LightweightVAE3D(self.ct_widths, self.latent)
        return network.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload, no-any-return]

    def padded_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """The sizes to which a volume is padded: at least a patch, and what the CT encoder can halve."""
        multiple = 2 ** len(self.ct_widths)
        return padded_shape(tuple(max(a, b) for a, b in zip(shape, self.patch, strict=True)), multiple)

    def context(self, inputs: ModelInput) -> np.ndarray:
        """The plan's context and the patient's scalars, float32."""
        limits = dict(zip(OAR_CHANNELS, self.limits_gy, strict=True))
        return np.concatenate([plan_context(inputs, limits), inputs.scalars]).astype(np.float32)

    def ct_and_structures(self, conditions: Tensor, region: Tensor) -> tuple[Tensor, Tensor]:
        """What the two encoders get.

        Args:
            conditions: (N, C, Z, Y, X) in the order of ``channels``.
            region: (N, 1, Z, Y, X) boolean.

        Returns:
            The CT in [0, 1], air outside the region, (N, 1, Z, Y, X); the other channels, (N, C - 1, Z, Y, X).
        """
        place = self.channels.index("ct")
        low, high = CT_RANGE
        ct = ((conditions[:, place : place + 1] - low) / (high - low)).clamp(0.0, 1.0) * region
        return ct, torch.cat([conditions[:, :place], conditions[:, place + 1 :]], dim=1)

    def sample_dose(
        self,
        network: nn.Module,
        inputs: ModelInput,
        steps: int,
        seed: int,
        on_step: Callable[[int], None] | None = None,
    ) -> np.ndarray:
        """See `System.sample_dose`."""
        device = next(network.parameters()).device
        shape = self.padded_shape(inputs.region.shape)
        offset = centred_offset(inputs.region.shape, shape)

        region = batch_of_one(pad_to(inputs.region, shape, offset), device)[None]
        conditions = batch_of_one(inputs.padded_channels(shape, offset), device)
        context = batch_of_one(self.context(inputs), device)
        step_mm = batch_of_one(np.asarray(inputs.geometry.spacing_mm[::-1], dtype=np.float32), device)
        has_ct = batch_of_one(inputs.scalars, device)[:, SCALARS.index("has_ct")]
        generator = torch.Generator().manual_seed(seed)
        noise = torch.randn((1, 1, *shape), generator=generator).to(device)
        # Nothing is asked of patches in which nothing is unknown.
        starts = [place for place in patch_starts(shape, self.patch, self.overlap)
                  if region[0, 0][window(self.patch, place)].any()]  # fmt: skip
        places = [(0, place) for place in starts]
        weight = linear_decay(self.patch, self.overlap).to(device)
        with torch.inference_mode(), torch.autocast(device.type, dtype=torch.bfloat16):
            ct, structures = self.ct_and_structures(conditions, region)
            first = torch.zeros(1, dtype=torch.long, device=device)
            memory = network.ct_memory(WholeCT(ct, has_ct, step_mm, first))  # type: ignore[operator]

            def denoiser(noisy: Tensor, time: Tensor) -> Tensor:
                said = []
                for first in range(0, len(places), PATCHES_AT_ONCE):
                    some = places[first : first + PATCHES_AT_ONCE]
                    count = len(some)
                    start_mm = torch.tensor([place for _, place in some], device=device) * step_mm
                    said.append(network(
                        cut_patches(noisy, some, self.patch), cut_patches(structures, some, self.patch),
                        time.expand(count), context.expand(count, -1), memory.expand(count, -1, -1),
                        step_mm.expand(count, -1), start_mm,
                    ).float())  # fmt: skip
                return merge_patches(torch.cat(said), places, weight, torch.zeros_like(noisy))

            eta = 1.0 if steps == self.diffusion_steps else self.eta
            clean = self.schedule.ddim_sample(
                denoiser, noise, steps, eta, prediction=self.prediction,
                known=lambda clean: possible_dose(clean, region), on_step=on_step, generator=generator,
            )  # fmt: skip
        return in_gy(clean[0, 0].float().cpu().numpy(), inputs, offset)
