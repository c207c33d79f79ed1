"""Training the networks that diffusion is compared with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import cast

import torch
from torch import Tensor, nn

from DosePredictionLib.errors import InputError
from DosePredictionLib.systems.baseline import SIZE_MULTIPLE, BaselineSystem
from DosePredictionLib.systems.registry import system_from_config
from DosePredictionLib.training.case_cache import TrainingCase
from DosePredictionLib.training.config import TrainingConfig
from DosePredictionLib.training.dose_loss import TYPICAL_GY_PER_UNIT
from DosePredictionLib.training.draw import Batch, draw_batch
from DosePredictionLib.training.losses import dose_error_gy
from DosePredictionLib.training.stage import StageLoss
from DosePredictionLib.training.start_weights import network_to_train
from DosePredictionLib.training.system_stage import SystemStage

#: Weight of the adversarial loss beside the dose error in model units: pix2pix has 100 for its L1 and 1 for this.
ADVERSARIAL_WEIGHT = 0.01


class AdversarialPair(nn.Module):
    """A generator and its discriminator, trained in one step.

    One backward pass holds both players' losses: the discriminator's answer to a prediction is given twice, once with
    its weights as constants (for the generator) and once with the prediction as a constant (for the discriminator).
    """

    #: Each player's gradients are shortened by their own length: the discriminator's are many times longer.
    clipped_apart = ("generator", "discriminator")
    #: Muon's steps are of one length however small the gradients, and a discriminator's must become small.
    adamw_parts = ("discriminator",)

    def __init__(self, generator: nn.Module, discriminator: nn.Module) -> None:
        super().__init__()
        self.generator = generator
        self.discriminator = discriminator

    def forward(self, conditions: Tensor, clean: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor] | Tensor:
        """The predicted dose; with the true one, also what the generator and the discriminator lose (least squares)."""
        predicted = self.generator(conditions)
        if clean is None:
            return predicted
        constants = {name: value.detach() for name, value in self.discriminator.named_parameters()}
        fooled = torch.func.functional_call(self.discriminator, constants, (torch.cat([conditions, predicted], 1),))[-1]
        real = self.discriminator(torch.cat([conditions, clean], 1))[-1]
        fake = self.discriminator(torch.cat([conditions, predicted.detach()], 1))[-1]
        told_apart = 0.5 * ((real.float() - 1).square().mean() + fake.float().square().mean())
        return predicted, (fooled.float() - 1).square().mean(), told_apart


class BaselineStage(SystemStage[BaselineSystem]):
    """The dose error in the dose region; for pix2pix also what its discriminator makes of it.

    Drawn, augmented and judged as the other systems are, so that equal steps are an equal budget. Patients are cut or
    padded to what the network sees after training too.

    Raises:
        InputError: the configuration has another canvas.
    """

    score_name = "validation_dose_score_gy"

    def __init__(self, config: TrainingConfig) -> None:
        self.system = cast(BaselineSystem, system_from_config(config.system, config.system_config))
        seen = self.system.field_of_view
        if config.canvas not in (None, seen):
            raise InputError(f"A baseline is trained on what it sees, {seen}, and not on the canvas {config.canvas}; "
                             "leave the canvas out, or give it as the system's field_of_view.")  # fmt: skip
        self.config = replace(config, canvas=seen)

    def build_network(self) -> nn.Module:
        """The system's network, fresh or with the weights to start from; for pix2pix with a fresh discriminator."""
        network = network_to_train(self.system, self.config.from_weights)
        if self.system.architecture != "pix2pix":
            return network
        from DosePredictionLib.networks.baselines import discriminator

        return AdversarialPair(network, discriminator(len(self.system.channels), self.system.width))

    def draw(self, cases: Sequence[TrainingCase], seeds: Sequence[tuple[int, ...]]) -> Batch:
        """See `draw_batch`."""
        return draw_batch(cases, self.system, self.config, SIZE_MULTIPLE, seeds, with_structures=False)

    def loss(self, network: nn.Module, batch: Batch) -> StageLoss:
        """See the class."""
        adversarial = self.system.architecture == "pix2pix"
        if adversarial:
            predicted, fooling, told_apart = network(batch.conditions, batch.clean)
        else:
            predicted = network(batch.conditions)
        error = dose_error_gy(predicted.float(), batch.clean, batch.region, batch.gy_per_unit)
        logged = {"loss_gy": error.detach()}
        total = error / TYPICAL_GY_PER_UNIT
        if adversarial:
            total = total + ADVERSARIAL_WEIGHT * fooling + told_apart
            logged |= {"fooling": fooling.detach(), "told_apart": told_apart.detach()}
        return StageLoss(total, logged)

    def score(self, network: nn.Module, case: TrainingCase, seed: int) -> float:
        """Mean absolute error in the dose region, Gy."""
        return case.mean_error_gy(self.system.sample_dose(network, case.inputs, 1, seed))

    def release_state(self, average: dict[str, Tensor]) -> dict[str, Tensor]:
        """The predicting network's weights."""
        own = "generator."
        if self.system.architecture != "pix2pix":
            return average
        return {name.removeprefix(own): value for name, value in average.items() if name.startswith(own)}
