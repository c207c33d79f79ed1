"""``post-train``: scorecard post-training from its configuration."""

from __future__ import annotations

import argparse
from typing import Any

from DosePredictionLib.cli import train
from DosePredictionLib.errors import InputError

STAGE = "post-training"


def add_parser(commands: Any) -> None:
    """Add the command to the command line."""
    parser = commands.add_parser(
        "post-train",
        help="post-train a system with a scorecard, or go on with a run",
        description="Makes doses that score well on a scorecard likelier, as the JSON file CONFIG says: samples "
        "several doses of a patient, scores them, and learns from the comparison (DiffusionNFT). The weights that it "
        "starts from (from_weights) stay frozen; low-rank changes are learnt and added on release. Writes what train "
        "writes; curves.jsonl has the reward, the drift from the first weights and the validation error besides. A "
        "run that was stopped goes on where its last checkpoint was.",
    )
    train.add_options(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Carry the command out."""
    from DosePredictionLib.training.config import TrainingConfig

    stage = TrainingConfig.read(arguments.config).stage
    if stage != STAGE:
        raise InputError(f'{arguments.config} has the stage {stage!r}; set "stage": "{STAGE}", or use train for it.')
    return train.run(arguments)
