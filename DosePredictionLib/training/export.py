"""From a training run to a weights file."""

from __future__ import annotations

import os
import platform
import subprocess
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

from DosePredictionLib.inference.device import describe_device
from DosePredictionLib.inference.weights import WeightsHeader, read_weights, save_weights
from DosePredictionLib.training.loop import TrainingRun
from DosePredictionLib.training.run_history import short_name


def export_weights(run: TrainingRun) -> Path:
    """Write a run's averaged weights, in half precision, as ``weights.safetensors`` into its folder.

    The header's ``training`` says what they were trained on: its ``data`` is the folder of the last part of the run,
    its ``earlier`` what was set otherwise before, and its ``patient_digests`` are all patients of all parts, and of the
    weights that the run started from (`PatientsSeen`). Its ``steps`` are those of the weights; where these are of the
    best validation and not the last, ``steps_run`` says how far the run went, in its ``hours``; ``skipped_steps`` are
    those of the run that had no usable loss. Weights that were trained on from others of the same system and stage
    recommend the samples and steps that those did.
    """
    config = run.config
    # A stage may say that its weights are of something else than its system, such as the system's calibration.
    released = cast(Any, getattr(run.stage, "released", run.system))
    header = WeightsHeader(
        system=released.name,
        config=asdict(released),  # every system is a data class
        training={
            "data": f"{len(run.cases)} patients ({short_name(config.train)})",
            "patients": len(run.cases),
            "stage": config.stage,
            **({} if run.origin is None else {"from_weights": run.origin.named}),
            "steps": run.released_step,
            **({"steps_run": run.step} if run.step != run.released_step else {}),
            **({"skipped_steps": run.skipped.total} if run.skipped.total else {}),
            "hours": round(run.seconds / 3600, 2),
            "hardware": f"{os.cpu_count()} cores {platform.machine()}" if run.device.type == "cpu"
            else describe_device(run.device),
            "seed": config.seed,
            "batch": config.batch,
            "optimiser": config.optimiser,
            "learning_rate": config.learning_rate,
            "decay_steps": config.decay_steps,
            **({"coarse_steps": config.coarse_steps} if config.coarse_steps else {}),
            "upside_down": config.upside_down,
            "quarter_turns": config.quarter_turns,
            "names_kept": config.names_kept,
            **getattr(run.stage, "views_before", {}),  # of weights that this run changes a little
            **({"earlier": run.earlier} if run.earlier else {}),
            **run.patients_seen.to_header(),
        },
        commit=_commit(),
        recommended={} if run.origin is None else run.origin.recommended,
        companions=[{"name": Path(one).name, "sha256": read_weights(one).sha256} for one in config.companions],
    )  # fmt: skip
    path = run.output / "weights.safetensors"
    save_weights(run.stage.release_state(run.released_average), header, path, config.weight_bits)
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
