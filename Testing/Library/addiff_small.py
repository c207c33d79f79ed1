"""ADDiff-Dose small enough for tests, and its two stages' configurations."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from DosePredictionLib.training.config import TrainingConfig

# Patches of 16 are 8 folded and 4 in the second level: bfloat16 gradients of 3 x 3 x 3 kernels on maps with an axis of
# 2 are not numbers now and then on processors (oneDNN in torch 2.13).
SMALL: dict[str, Any] = {
    "widths": [8, 16], "blocks": 1, "attention": 1, "head_width": 8, "groups": 4, "condition_width": 4, "tokens": 16,
    "fusion_blocks": 1, "fold": 2, "ct_widths": [4, 4, 8, 8], "latent": 4, "patch": [16, 16, 16], "overlap": [4, 4, 4],
    "prediction": "x0", "drop": 0.0,
}  # fmt: skip


def stage_config(folder: Path, stage: str, **changes: Any) -> TrainingConfig:
    """A stage's configuration; the second one looks for the first one's weights beside it."""
    values: dict[str, Any] = {
        "train": "", "validation": "", "output": str(folder / stage), "system": "addiff_dose", "system_config": SMALL,
        "stage": stage, "steps": 4, "decay_steps": 1, "batch": 2, "patches": 2, "warmup_steps": 1, "validate_every": 4,
        "checkpoint_every": 4, "threads": 1, "device": "cpu", "turn_probability": 0.0, "mixup": 0.4,
        "from_weights": None if stage == "ct_vae" else str(folder / "ct_vae" / "weights.safetensors"),
    }  # fmt: skip
    return TrainingConfig(**{**values, **changes})
