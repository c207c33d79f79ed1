"""The loss of a clean dose that a network says."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor

from DosePredictionLib.training.config import TrainingConfig
from DosePredictionLib.training.losses import StructureDoses, dose_error_gy, dvh_errors_gy
from DosePredictionLib.training.stage import StageLoss

#: Losses in Gy are divided by this, so that gradients are those of a loss in model units at 70 Gy.
TYPICAL_GY_PER_UNIT = 35.0


class DoseBatch(Protocol):
    """What `dose_and_dvh_loss` asks of a batch; see `draw.Batch`."""

    @property
    def clean(self) -> Tensor:
        """(N, 1, Z, Y, X) the clinical doses in model units."""

    @property
    def region(self) -> Tensor:
        """(N, 1, Z, Y, X) boolean."""

    @property
    def gy_per_unit(self) -> Tensor:
        """(N,) what one model unit is worth."""

    @property
    def structures(self) -> StructureDoses:
        """The targets and organs; without any there are no DVH terms."""


def dose_and_dvh_loss(predicted: Tensor, batch: DoseBatch, config: TrainingConfig) -> StageLoss:
    """The dose error in the dose region, and the DVH terms with the configuration's weights.

    Args:
        predicted: (N, 1, Z, Y, X) in model units.
        batch: the truth.
        config: whose ``curve_weight`` and ``criteria_weight`` count.
    """
    error = dose_error_gy(predicted, batch.clean, batch.region, batch.gy_per_unit)
    logged, total = {"loss_gy": error.detach()}, error
    if (config.curve_weight or config.criteria_weight) and len(batch.structures.count):
        curve, criteria = dvh_errors_gy(predicted, batch.structures)
        total = total + config.curve_weight * curve + config.criteria_weight * criteria
        logged |= {"curve_gy": curve.detach(), "criteria_gy": criteria.detach()}
    return StageLoss(total / TYPICAL_GY_PER_UNIT, logged)
