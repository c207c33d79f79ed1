"""Training the Adaptive Dose Calibration of a system on the system's own samples."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from DosePredictionLib.conditioning.channels import ModelInput
from DosePredictionLib.errors import InputError
from DosePredictionLib.inference.calibration import parameters_sha256
from DosePredictionLib.inference.engine import PredictionEngine
from DosePredictionLib.systems.adaptive_calibration import AdaptiveCalibration, reach_of, structures_mask
from DosePredictionLib.systems.default import DefaultSystem
from DosePredictionLib.training.case_cache import TrainingCase
from DosePredictionLib.training.case_digest import inputs_digest
from DosePredictionLib.training.config import TrainingConfig
from DosePredictionLib.training.dose_loss import TYPICAL_GY_PER_UNIT
from DosePredictionLib.training.draw import Batch, draw_batch, scored_structures
from DosePredictionLib.training.losses import dvh_errors_gy, structure_errors_gy
from DosePredictionLib.training.stage import StageLoss
from DosePredictionLib.whole_file import whole_file

#: The sampled dose as a channel of a case, over the highest prescription.
SAMPLED_DOSE = "sampled_dose"
#: Cases are augmented as for the default system; time and noise of such draws are not used.
DRAWN_AS = DefaultSystem()


class CalibrationStage:
    """Sampled dose to clinical dose, inside the structures.

    The loss weighs the regions of interest: the mean absolute error of each target and organ, however small, counts
    the same, beside the errors of their dose-volume curves and of these curves' scored points.

    Every case is sampled once, when it is first needed, with the samples and steps that the weights recommend, and kept
    in the run's cache. The cases are those that the system itself was trained on, on which it is better than on new
    ones; what holds for new ones only validation tells.

    Args:
        config: `TrainingConfig.from_weights` names the system's weights; None takes those that ship.
    """

    score_name = "validation_structure_error_gy"

    def __init__(self, config: TrainingConfig) -> None:
        self.config = config
        self._engine = PredictionEngine(config.system, config.from_weights, config.device)
        weights = self._engine.loaded
        if weights.header.system != config.system:
            raise InputError(
                f"{weights.path} holds weights of the system {weights.header.system!r}, but the run is to calibrate "
                f"{config.system!r}; name its weights in from_weights."
            )
        parameters = parameters_sha256(weights)
        self.released = AdaptiveCalibration(config.system, parameters, tuple(weights.system.channels))
        recommended = sorted(weights.header.recommended.items())
        self._made_with = hashlib.sha256(f"{parameters}{recommended}".encode()).hexdigest()[:12]

    @property
    def channels(self) -> tuple[str, ...]:
        """The system's."""
        return self.released.channels

    def build_network(self) -> nn.Module:
        """The calibration: the identity."""
        return self.released.build_network()

    def draw(self, cases: Sequence[TrainingCase], seeds: Sequence[tuple[int, ...]]) -> Batch:
        """The structures of each case with their surroundings and the sampled dose as one more channel."""
        return draw_batch([self.with_sample(case) for case in cases], DRAWN_AS, self.config, 1, seeds)

    def loss(self, network: nn.Module, batch: Batch) -> StageLoss:
        """See the class."""
        conditions, sampled = batch.conditions[:, :-1], batch.conditions[:, -1:]
        inside = torch.zeros_like(batch.region).flatten()
        rows = batch.structures
        for voxels, count in zip(rows.voxels, rows.count.tolist(), strict=True):
            inside[voxels[:count]] = True
        inside = inside.reshape(batch.region.shape) & batch.region
        predicted = 2.0 * network(sampled, conditions, inside).float() - 1.0
        if not len(rows.count):
            return StageLoss(predicted.sum() * 0.0, {})
        error = structure_errors_gy(predicted, batch.clean, rows).mean()
        curve, criteria = dvh_errors_gy(predicted, rows)
        total = error + self.config.curve_weight * curve + self.config.criteria_weight * criteria
        before = structure_errors_gy(2.0 * sampled - 1.0, batch.clean, rows).mean()
        logged = {"structures_gy": error, "uncalibrated_gy": before, "curve_gy": curve, "criteria_gy": criteria}
        return StageLoss(total / TYPICAL_GY_PER_UNIT, {name: value.detach() for name, value in logged.items()})

    def score(self, network: nn.Module, case: TrainingCase, seed: int) -> float:
        """Mean over targets and organs of the mean absolute error of the calibrated sample, in Gy."""
        calibrated = self.released.calibrated_dose(network, case.inputs, self.sampled_dose(case))
        errors = np.abs(calibrated - case.dose_gy.astype(np.float32)).reshape(-1)
        structures = scored_structures(case.inputs, case.inputs.channels)
        return float(np.mean([errors[one.voxels].mean() for one in structures]))

    def release_state(self, average: dict[str, Tensor]) -> dict[str, Tensor]:
        """The averaged weights are the calibration's."""
        return average

    def with_sample(self, case: TrainingCase) -> TrainingCase:
        """The part of a case that its calibration depends on, with the sampled dose as its last channel."""
        inputs = case.inputs
        sampled = (self.sampled_dose(case) / np.float32(inputs.prescription_gy)).astype(inputs.channels.dtype)
        start, shape = reach_of(structures_mask(inputs))
        names, channels = (*inputs.names, SAMPLED_DOSE), np.concatenate([inputs.channels, sampled[None]])
        whole: ModelInput = replace(inputs, names=names, channels=channels)
        z, y, x = (slice(first, first + size) for first, size in zip(start, shape, strict=True))
        return TrainingCase(case.identifier, whole.cropped(start, shape), case.dose_gy[z, y, x])

    def sampled_dose(self, case: TrainingCase) -> np.ndarray:
        """The system's dose of a case in Gy, float32 (Z, Y, X); sampled once, then read from the cache.

        It is kept under what the case holds, too: a patient whose contours have changed is sampled anew.
        """
        name = f"{case.identifier}-{inputs_digest(case.inputs)}-{self._made_with}.npy"
        path = Path(self.config.output) / "cache" / "sampled" / name
        kept = _kept_dose(path)
        if kept is not None and kept.shape == case.inputs.region.shape:
            return kept.astype(np.float32)
        dose_gy = self._engine.sampled_dose(replace(case.inputs, channels=case.inputs.channels.astype(np.float32)))
        with whole_file(path) as temporary:
            np.save(temporary, dose_gy.astype(np.float16))
        return dose_gy.astype(np.float16).astype(np.float32)


def _kept_dose(path: Path) -> np.ndarray | None:
    """The dose in a file of the cache; None when there is none, or one that was cut off."""
    try:
        return cast(np.ndarray, np.load(path, allow_pickle=False)) if path.exists() else None
    except (OSError, EOFError, ValueError):
        return None
