"""The stages of every system, by name."""

from __future__ import annotations

from DosePredictionLib.errors import InputError
from DosePredictionLib.systems.registry import SYSTEMS
from DosePredictionLib.training.addiff_stage import AddiffStage
from DosePredictionLib.training.any_to_any_stage import AnyToAnyStage
from DosePredictionLib.training.baseline_stage import BaselineStage
from DosePredictionLib.training.calibration_stage import CalibrationStage
from DosePredictionLib.training.config import TrainingConfig
from DosePredictionLib.training.ct_vae_stage import CTAutoencoderStage
from DosePredictionLib.training.dose_stage import DoseStage
from DosePredictionLib.training.magdiff_stage import MagdiffStage
from DosePredictionLib.training.post_training_stage import PostTrainingStage
from DosePredictionLib.training.stage import Stage

#: (system, stage) to the class that trains it; "dose" is the stage that ends in a system's weights.
STAGES: dict[tuple[str, str], type] = {
    ("default", "dose"): DoseStage,
    ("addiff_dose", "ct_vae"): CTAutoencoderStage,
    ("addiff_dose", "dose"): AddiffStage,
    ("baseline", "dose"): BaselineStage,
    ("magdiff_adc", "dose"): MagdiffStage,
    ("diffkt3d", "any-to-any"): AnyToAnyStage,
    ("diffkt3d", "dose"): AnyToAnyStage,
    ("diffkt3d", "post-training"): PostTrainingStage,
    ("default", "post-training"): PostTrainingStage,
}
# Any system can be followed by a calibration of its dose.
STAGES |= {(system, "calibration"): CalibrationStage for system in SYSTEMS}


def stage_of(config: TrainingConfig) -> Stage:
    """The stage that a configuration names.

    Raises:
        InputError: the system has no such stage, or doesn't exist.
    """
    wanted = (config.system, config.stage)
    if wanted not in STAGES:
        known = ", ".join(f"{system} {stage}" for system, stage in sorted(STAGES))
        raise InputError(f"There is no training stage {' '.join(wanted)!r}; choose one of: {known}.")
    return STAGES[wanted](config)
