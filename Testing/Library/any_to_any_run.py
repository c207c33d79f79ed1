"""Small DiffKT3D runs on two balls, made of formulas."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ball_case import ball_case

from DosePredictionLib.conditioning.channels import CHANNELS, MORE_CHANNELS
from DosePredictionLib.training.case_cache import TrainingCase
from DosePredictionLib.training.config import TrainingConfig

SMALL: dict[str, Any] = {"width": 64, "heads": 2, "layers": 2, "feed_forward": 64, "merged_hidden": 8,
                         "sampling_steps": 2}  # fmt: skip
ALL_CHANNELS = (*CHANNELS, *MORE_CHANNELS)


def two_balls() -> list[TrainingCase]:
    """With every modality; their doses lie 4 mm apart."""
    return [ball_case(channels=ALL_CHANNELS), ball_case(4.0, ALL_CHANNELS)]


def small_config(folder: str | Path, **changes: Any) -> TrainingConfig:
    """A short run on the processor without turned patients; ``changes`` replace what is here."""
    values: dict[str, Any] = {
        "train": "", "validation": "", "output": str(folder), "system": "diffkt3d", "system_config": SMALL, "steps": 8,
        "decay_steps": 4, "checkpoint_every": 4, "validate_every": 100, "warmup_steps": 2, "threads": 1,
        "device": "cpu", "turn_probability": 0.0,
    }  # fmt: skip
    return TrainingConfig(**{**values, **changes})
