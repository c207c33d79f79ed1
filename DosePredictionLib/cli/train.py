"""``train``: a training run from its configuration."""

from __future__ import annotations

import argparse
import math
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from DosePredictionLib.errors import InputError

if TYPE_CHECKING:
    from DosePredictionLib.training.loop import TrainingRun


def add_parser(commands: Any) -> None:
    """Add the command to the command line."""
    parser = commands.add_parser(
        "train",
        help="train a system, or go on with a run",
        description="Trains as the JSON file CONFIG says and writes checkpoints, curves.jsonl, curves.png (with "
        "matplotlib) and, at the end, weights.safetensors into the run's output folder. A run that was stopped goes "
        "on exactly where its last checkpoint was.",
    )
    add_options(parser)
    parser.add_argument("--backbone", type=Path, metavar="FOLDER",
                        help="start diffkt3d from the published weights in FOLDER, with the sizes that these have: Wan "
                        "2.1 in the diffusers layout (transformer/, vae/), or MAISI (autoencoder*.pt, "
                        "diff_unet*.pt)")  # fmt: skip
    parser.set_defaults(run=run)


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of every command that trains."""
    parser.add_argument("config", type=Path, metavar="CONFIG", help="JSON file; Testing/Benchmarks holds those used")
    parser.add_argument("--until", type=int, metavar="STEP",
                        help="stop at this step (1 or more), with a checkpoint and weights")  # fmt: skip
    parser.add_argument("--minutes", type=float, metavar="M",
                        help="end with a checkpoint before so many minutes are over, as a borrowed computer or a "
                        "cluster's queue asks for; the same command goes on from there")  # fmt: skip
    parser.add_argument("--devices", type=int, metavar="N", help="train on this many devices, whatever CONFIG says")
    parser.add_argument("--strategy", metavar="NAME", help="how Lightning Fabric joins them, such as ddp")


@contextmanager
def between_steps(training: TrainingRun) -> Iterator[None]:
    """Ctrl-C, or a queue's SIGTERM, ends the run after the step under way, with a checkpoint; a second one at once.

    In the middle of a step some weights have moved and others not, which no checkpoint may hold.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # signals come to the main thread alone
        return
    before = {one: signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)}

    def restore() -> None:
        for one, handler in before.items():
            signal.signal(one, handler)

    def stop(*_: object) -> None:
        training.stop_requested = True
        restore()

    for one in before:
        signal.signal(one, stop)
    try:
        yield
    finally:
        restore()


def run(arguments: argparse.Namespace) -> int:
    """Carry the command out."""
    from DosePredictionLib.training.config import TrainingConfig
    from DosePredictionLib.training.curves import draw_curves
    from DosePredictionLib.training.export import export_weights
    from DosePredictionLib.training.post_training_run import run_of
    from DosePredictionLib.training.time_left import TimeLeft

    if arguments.until is not None and arguments.until < 1:
        raise InputError(f"--until is {arguments.until}, so nothing would be trained; give a step from 1 on.")
    minutes = math.inf if arguments.minutes is None else arguments.minutes
    if not minutes > 0:
        raise InputError(f"--minutes is {minutes:g}, so nothing would be trained; give the minutes that there are.")
    time_left = TimeLeft(60 * minutes)  # conditioning the cases takes of it, too
    config = TrainingConfig.read(arguments.config)
    if getattr(arguments, "backbone", None) is not None:
        from DosePredictionLib.training.backbone_weights import with_backbone

        config = with_backbone(config, arguments.backbone)
    told = {"devices": arguments.devices, "strategy": arguments.strategy}
    training = run_of(replace(config, **{name: value for name, value in told.items() if value is not None}))
    training.time_left = time_left
    with between_steps(training):
        training.run(arguments.until)
    if training.stop_requested:
        raise KeyboardInterrupt
    if not training.fabric.is_global_zero:
        return 0
    if training.out_of_time:
        print(f"Step {training.step} of {training.config.steps}: the {minutes:g} minutes are nearly over; the same "
              "command goes on from here.")  # fmt: skip
        return 0
    weights = export_weights(training)
    drawn = draw_curves(training.output)
    print(f"Step {training.released_step}: weights in {weights}" + (f", curves in {drawn}" if drawn else ""))
    return 0
