"""From a training run to a weights file."""

from __future__ import annotations

import os
import platform
import subprocess
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

import torch

from DosePredictionLib.inference.weights import WeightsHeader, save_weights
from DosePredictionLib.training.loop import TrainingRun


def export_weights(run: TrainingRun) -> Path:
    """Write a run's averaged weights, in half precision, as ``weights.safetensors`` into its folder."""
    config = run.config
    # A stage may say that its weights are of something else than its system, such as the system's calibration.
    released = cast(Any, getattr(run.stage, "released", run.system))
    header = WeightsHeader(
        system=released.name,
        config=asdict(released),  # every system is a data class
        training={
            "data": f"{len(run.cases)} patients ({Path(config.train).parent.name}/{Path(config.train).name})",
            "patients": len(run.cases),
            "steps": run.step,
            "hours": round(run.seconds / 3600, 2),
            "hardware": f"{os.cpu_count()} cores {platform.machine()}" if run.device.type == "cpu"
            else torch.cuda.get_device_name(run.device),
            "seed": config.seed,
            "batch": config.batch,
            "optimiser": config.optimiser,
            "learning_rate": config.learning_rate,
            "decay_steps": config.decay_steps,
        },
        commit=_commit(),
    )  # fmt: skip
    path = run.output / "weights.safetensors"
    save_weights(run.stage.release_state(run.average), header, path)
    return path


def _commit() -> str:
    """The source's commit, or an empty string outside a repository."""
    try:
        asked = subprocess.run(
            ["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=True, cwd=Path(__file__).parent
        )
    except (OSError, subprocess.CalledProcessError):
        return ""
    return asked.stdout.strip()
