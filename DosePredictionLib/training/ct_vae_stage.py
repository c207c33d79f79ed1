"""The first stage of ADDiff-Dose: the CT autoencoder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from DosePredictionLib.conditioning.channels import SCALARS
from DosePredictionLib.conditioning.padding import centred_offset, pad_to, window
from DosePredictionLib.errors import InputError
from DosePredictionLib.systems.addiff_dose import CT_RANGE, AddiffDoseSystem
from DosePredictionLib.systems.registry import system_from_config
from DosePredictionLib.training.canvas_check import check_canvas
from DosePredictionLib.training.case_cache import TrainingCase
from DosePredictionLib.training.config import TrainingConfig
from DosePredictionLib.training.draw import draw_batch
from DosePredictionLib.training.earlier_weights import earlier_weights
from DosePredictionLib.training.mixup import draw_share, mixed
from DosePredictionLib.training.stage import StageLoss
from DosePredictionLib.training.system_stage import SystemStage

#: Weight of the KL divergence at the end of its annealing: the paper's lambda 3.
KL_WEIGHT = 0.001
#: The weight rises linearly from 0 over this part of the run ("dynamic annealing").
ANNEALED_PART = 0.25
HU_PER_UNIT = 1000.0 * (CT_RANGE[1] - CT_RANGE[0])


@dataclass(frozen=True)
class CTBatch:
    """CTs of one padded shape.

    Attributes:
        ct: (N, 1, Z, Y, X) in [0, 1].
        region: (N, 1, Z, Y, X) boolean, where there is CT and not padding.
        present: (N,) 1 where there is a CT.
        noise_seed: of the reparameterisation.
        kl_weight: of this step.
    """

    ct: Tensor
    region: Tensor
    present: Tensor
    noise_seed: int
    kl_weight: float


class CTAutoencoderStage(SystemStage[AddiffDoseSystem]):
    """L1 plus annealed KL, on mixed CTs (Xie et al., section 2.1 and stage 1 of section 2.4).

    Where the text can't be followed:

    - The L1 is taken over the dose region: beyond it is no CT here, only padding.
    - It speaks of an adversarial loss beside the reconstruction's, but its formula has none and no discriminator is
      described: there is none here.
    - Patches of 32 x 32 x 24 would leave the four strides no whole voxel in the third axis: the whole CT is the
      example.
    - "Mixing CT samples and their latent features": the CTs are mixed, and through them their latents: in
      every batch with ``mixed_batches`` 1, as Algorithm 1 does.
    - CT from -1000 to 1500 HU becomes [0, 1] (`systems.addiff_dose.CT_RANGE`). The paper contradicts itself: CT in
      [-1000, 1000] divided by 500 (section 3.1) lies in [-2, 2], which the decoder's sigmoid can't give back. Bone and
      contrast beyond 1000 HU are kept apart here.
    - Adam with a cosine from 1e-3 to 1e-5 is AdamW here, as for every run of the shared loop, without decay when the
      configuration sets ``weight_decay`` to 0, and with ``cosine_to`` 1e-5.
    - What else every run of the loop has and the paper doesn't: see `loop.TrainingRun`. But no CT is blanked here.

    Judged by the reconstruction from the latent's mean in the dose region: mean absolute error in HU, and SSIM.
    """

    score_name = "validation_ct_mae_hu"

    def __init__(self, config: TrainingConfig) -> None:
        self.config = config
        system = cast(AddiffDoseSystem, system_from_config(config.system, config.system_config))
        self.system = replace(system, drop=0.0)
        stride = 2 ** len(system.ct_widths)
        check_canvas(config, (stride, stride, stride))
        if config.mixup and config.batch < 2:
            raise InputError("Mixup mixes the patients of a batch: set batch to 2 or more, or mixup to 0.")

    def build_network(self) -> nn.Module:
        """The autoencoder, with fresh weights or those of an earlier run of this stage.

        Raises:
            InputError: the weights are of something else.
        """
        network = self.system.build_autoencoder()
        if self.config.from_weights is not None:
            state, _ = earlier_weights(self.config.from_weights, self.system.name, "ct_")
            try:
                network.load_state_dict(state)
            except RuntimeError as error:
                raise InputError(
                    f"{self.config.from_weights} holds no whole CT autoencoder of this configuration's size; give "
                    "weights of the stage 'ct_vae', or none."
                ) from error
        return network

    def draw(self, cases: Sequence[TrainingCase], seeds: Sequence[tuple[int, ...]]) -> CTBatch:
        """The CTs of augmented patients, mixed."""
        multiple = 2 ** len(self.system.ct_widths)
        batch = draw_batch(cases, self.system, self.config, multiple, seeds, with_structures=False)
        generator = torch.Generator().manual_seed(batch.noise_seed)
        share = draw_share(self.config.mixup, len(cases), generator, self.config.mixed_batches)
        ct, _ = self.system.ct_and_structures(batch.conditions, batch.region)
        present = batch.scalars[:, SCALARS.index("has_ct")]
        # The third number of a seed counts the draws of the whole run.
        done = seeds[0][-1] / (self.config.steps * self.config.batch * self.config.devices)
        return CTBatch(
            ct=mixed(ct, share),
            region=mixed(batch.region.float(), share) > 0,
            present=torch.floor(mixed(present, share) + 1e-6),  # a mixture with a missing CT is none
            noise_seed=batch.noise_seed,
            kl_weight=KL_WEIGHT * min(1.0, done / ANNEALED_PART),
        )

    def loss(self, network: nn.Module, batch: CTBatch) -> StageLoss:
        """Mean absolute error in the dose region, and the KL divergence."""
        from DosePredictionLib.networks.lightweight_vae3d import kl_divergence

        stride = 2 ** len(self.system.ct_widths)
        shape = (len(batch.ct), self.system.latent, *(size // stride for size in batch.ct.shape[2:]))
        generator = torch.Generator(batch.ct.device).manual_seed(batch.noise_seed)
        noise = torch.randn(shape, generator=generator, device=batch.ct.device)
        reconstructed, mean, log_variance = network(batch.ct, noise)
        missed = (reconstructed.float() - batch.ct).abs().mul(batch.region).flatten(1).sum(dim=1)
        error = missed / batch.region.flatten(1).sum(dim=1).clamp(min=1)
        error = (error * batch.present).sum() / batch.present.sum().clamp(min=1)
        divergence = kl_divergence(mean.float(), log_variance.float())
        return StageLoss(
            error + batch.kl_weight * divergence,
            {"l1_hu": error.detach() * HU_PER_UNIT, "kl": divergence.detach()},
        )

    def score(self, network: nn.Module, case: TrainingCase, seed: int) -> dict[str, float]:
        """Mean absolute error in HU and SSIM of the reconstruction in the dose region; NaN without a CT."""
        found = reconstruct_ct(self.system, network, case)
        if found is None:
            return {self.score_name: float("nan"), "validation_ct_ssim": float("nan")}
        from monai.metrics.regression import compute_ssim_and_cs

        (original, reconstructed), region = found, case.inputs.region
        error_hu = float(np.abs(original - reconstructed)[region].mean() * HU_PER_UNIT)
        similarity, _ = compute_ssim_and_cs(
            torch.from_numpy(reconstructed)[None, None], torch.from_numpy(original)[None, None], 3, (7, 7, 7),
            (1.5, 1.5, 1.5), kernel_type="uniform",
        )  # fmt: skip
        # The windows of the map lie inside the volume: they are three voxels in from its faces.
        inside = region[tuple(slice(3, size - 3) for size in region.shape)]
        return {self.score_name: error_hu, "validation_ct_ssim": float(similarity[0, 0].numpy()[inside].mean())}

    def release_state(self, average: dict[str, Tensor]) -> dict[str, Tensor]:
        """Encoder and decoder under the names that the next stage looks for. They are no system that predicts."""
        return {f"ct_{name}": value for name, value in average.items()}


def reconstruct_ct(
    system: AddiffDoseSystem, network: nn.Module, case: TrainingCase
) -> tuple[np.ndarray, np.ndarray] | None:
    """A case's CT and what the autoencoder makes of it, float32 (Z, Y, X) in [0, 1]; None without a CT."""
    inputs = case.inputs
    if not inputs.scalars[SCALARS.index("has_ct")]:
        return None
    device = next(network.parameters()).device
    shape = system.padded_shape(inputs.region.shape)
    offset = centred_offset(inputs.region.shape, shape)
    conditions = torch.from_numpy(inputs.padded_channels(shape, offset))[None]
    region = torch.from_numpy(pad_to(inputs.region, shape, offset))[None, None]
    ct, _ = system.ct_and_structures(conditions, region)
    with torch.inference_mode():
        reconstructed, _, _ = network(ct.to(device))
    place = window(inputs.region.shape, offset)
    return ct[0, 0].numpy()[place], reconstructed[0, 0].float().cpu().numpy()[place]
