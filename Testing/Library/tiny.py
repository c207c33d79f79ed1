"""A network small enough for tests, and weights files of it. It knows nothing: only mechanics are tested with it."""

from __future__ import annotations

from pathlib import Path

import torch

from DosePredictionLib.inference.weights import WeightsHeader, save_weights
from DosePredictionLib.systems.default import DefaultSystem

TINY = {"widths": [4, 6], "blocks": [1, 1], "guidance": 2}


def tiny_weights(path: Path, **changes: object) -> Path:
    """Write the weights file of an untrained tiny network."""
    from dataclasses import asdict

    torch.manual_seed(0)
    system = DefaultSystem(**TINY)  # type: ignore[arg-type]
    config = {**asdict(system), **changes}
    header = WeightsHeader("default", config, {"data": "nothing; untrained"}, recommended={"samples": 1, "steps": 1})
    save_weights(system.build_network().state_dict(), header, path)
    return path
