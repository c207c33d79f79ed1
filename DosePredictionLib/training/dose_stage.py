"""Training the default system's denoiser."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import nn

from DosePredictionLib.diffusion.interpolation import noisy_sample
from DosePredictionLib.systems.default import DefaultSystem
from DosePredictionLib.systems.registry import system_from_config
from DosePredictionLib.training.canvas_check import check_canvas
from DosePredictionLib.training.case_cache import TrainingCase
from DosePredictionLib.training.config import TrainingConfig
from DosePredictionLib.training.dose_loss import dose_and_dvh_loss
from DosePredictionLib.training.draw import Batch, draw_batch
from DosePredictionLib.training.stage import StageLoss
from DosePredictionLib.training.start_weights import network_to_train
from DosePredictionLib.training.system_stage import SystemStage


class DoseStage(SystemStage[DefaultSystem]):
    """Noisy dose to clean dose: the dose error, and the errors of the dose-volume curves and of their scored points."""

    score_name = "validation_dose_score_gy"

    def __init__(self, config: TrainingConfig) -> None:
        self.config = config
        self.system = cast(DefaultSystem, system_from_config(config.system, config.system_config))
        self._multiple = 2 ** len(self.system.widths)
        check_canvas(config, (self._multiple, self._multiple, self._multiple))

    def build_network(self) -> nn.Module:
        """The system's denoiser, with fresh weights or with those that the configuration starts from."""
        return network_to_train(self.system, self.config.from_weights)

    def draw(self, cases: Sequence[TrainingCase], seeds: Sequence[tuple[int, ...]]) -> Batch:
        """See `draw_batch`."""
        return draw_batch(cases, self.system, self.config, self._multiple, seeds)

    def loss(self, network: nn.Module, batch: Batch) -> StageLoss:
        """Dose error, and the DVH terms with the configuration's weights."""
        generator = torch.Generator(batch.clean.device).manual_seed(batch.noise_seed)
        noise = torch.randn(batch.clean.shape, generator=generator, device=batch.clean.device)
        noisy = noisy_sample(batch.clean, noise, batch.time)
        predicted = network(noisy, batch.conditions, batch.time, batch.scalars).float()
        return dose_and_dvh_loss(predicted, batch, self.config)

    def score(self, network: nn.Module, case: TrainingCase, seed: int) -> float:
        """Mean absolute error in the dose region, one step from noise, in Gy."""
        return case.mean_error_gy(self.system.sample_dose(network, case.inputs, 1, seed))
