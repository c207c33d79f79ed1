"""Training the slice-wise denoiser of MAGDiff-ADC."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import nn

from DosePredictionLib.networks.slice_blocks import slices_of
from DosePredictionLib.networks.spade_unet2d import SpadeUNet2d
from DosePredictionLib.systems.magdiff_adc import MagdiffAdcSystem
from DosePredictionLib.systems.possible_dose import HIGHEST_DOSE
from DosePredictionLib.systems.registry import system_from_config
from DosePredictionLib.training.canvas_check import check_canvas
from DosePredictionLib.training.case_cache import TrainingCase
from DosePredictionLib.training.config import TrainingConfig
from DosePredictionLib.training.dose_loss import dose_and_dvh_loss
from DosePredictionLib.training.losses import dose_error_gy
from DosePredictionLib.training.slab_draw import SlabBatch, draw_slabs
from DosePredictionLib.training.stage import StageLoss
from DosePredictionLib.training.start_weights import network_to_train
from DosePredictionLib.training.system_stage import SystemStage

#: Denoiser calls of a validation: the end of the noise process counts most, but not alone.
VALIDATION_STEPS = 2


class MagdiffStage(SystemStage[MagdiffAdcSystem]):
    """Noisy slices to what the system's denoiser says of them.

    A denoiser of the clean dose learns by its absolute error in the dose region and, with the configuration's weights,
    by the slabs' dose-volume curves and their scored points. One of noise or velocity learns by its own mean squared
    error there, as these processes are usually trained. Then the system's ``pure_noise`` should be 0: at the last step
    the noise is all that is seen, and to say it again teaches nothing.

    What every run of the loop has besides, and the abstract doesn't name: see `loop.TrainingRun`.
    """

    score_name = "validation_dose_score_gy"

    def __init__(self, config: TrainingConfig) -> None:
        self.config = config
        self.system = cast(MagdiffAdcSystem, system_from_config(config.system, config.system_config))
        self._multiple = 2 ** len(self.system.widths)
        self._margin = max(self.system.radii)
        check_canvas(config, (1, self._multiple, self._multiple))  # slice by slice

    def build_network(self) -> nn.Module:
        """The system's denoiser, with fresh weights or with those that the configuration starts from."""
        return network_to_train(self.system, self.config.from_weights)

    def draw(self, cases: Sequence[TrainingCase], seeds: Sequence[tuple[int, ...]]) -> SlabBatch:
        """See `draw_slabs`."""
        return draw_slabs(cases, self.system, self.config, self._multiple, self._margin, seeds)

    def loss(self, network: nn.Module, batch: SlabBatch) -> StageLoss:
        """See the class."""
        schedule, prediction = self.system.schedule, self.system.prediction
        clean, region = slices_of(batch.clean), slices_of(batch.region)
        generator = torch.Generator(clean.device).manual_seed(batch.noise_seed)
        noise = torch.randn(clean.shape, generator=generator, device=clean.device)
        noisy = schedule.noisy(clean, noise, batch.time)
        said = network(noisy, batch.time / schedule.steps, batch.scalars, batch.anatomy).float()
        predicted = schedule.clean(noisy, said, batch.time, prediction)
        if prediction == "x0":
            return dose_and_dvh_loss(predicted.reshape(batch.clean.shape), batch, self.config)
        volumes = predicted.detach().clamp(-1.0, HIGHEST_DOSE).reshape(batch.clean.shape)
        error = dose_error_gy(volumes, batch.clean, batch.region, batch.gy_per_unit)
        wanted = schedule.target(clean, noise, batch.time, prediction)
        squared = ((said - wanted).square() * region).sum() / region.sum().clamp(min=1)
        return StageLoss(squared, {"loss_gy": error.detach(), "squared_error": squared.detach()})

    def score(self, network: nn.Module, case: TrainingCase, seed: int) -> float:
        """Mean absolute error in the dose region of a sample, in Gy.

        Of `VALIDATION_STEPS` steps, or of as many more as the system needs whose denoiser doesn't say the clean dose.
        """
        steps = min(max(VALIDATION_STEPS, self.system.default_steps), self.system.noise_steps)
        predicted = self.system.sample_dose(cast(SpadeUNet2d, network), case.inputs, steps, seed)
        return case.mean_error_gy(predicted)
