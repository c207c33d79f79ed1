"""Lightning Fabric: the devices and processes that share a run."""

from __future__ import annotations

from itertools import islice
from typing import Any

import torch

from DosePredictionLib.errors import InputError
from DosePredictionLib.inference.device import broken_because, ranked_cards
from DosePredictionLib.training.config import TrainingConfig


def fabric_of(config: TrainingConfig, leaves_parameters_unused: bool) -> Any:
    """Lightning Fabric as the configuration asks for it.

    Args:
        config: the run's.
        leaves_parameters_unused: not every step uses all of the network, which "ddp" must be told.

    Raises:
        InputError: it isn't installed, or knows no such devices or strategy.
    """
    try:
        from lightning_fabric import Fabric
    except ImportError as error:
        raise InputError(
            'Training needs lightning-fabric, which is not installed; install DosePrediction with its extra "train".'
        ) from error
    unused = leaves_parameters_unused and config.strategy == "ddp"
    strategy = "ddp_find_unused_parameters_true" if unused else config.strategy
    try:
        fabric = Fabric(
            accelerator=config.device, devices=devices_of(config), strategy=strategy, precision="bf16-mixed"
        )
    except Exception as error:  # noqa: BLE001 - of several kinds of its own
        told = str(error).strip().splitlines() or [type(error).__name__]
        raise InputError(
            f"The run can't use {config.devices} of the device {config.device!r} with the strategy {config.strategy!r} "
            f"({told[0].rstrip('.')}); mend the configuration."
        ) from error
    fabric.launch()
    return fabric


def devices_of(config: TrainingConfig) -> int | list[int]:
    """How many devices, or the best that work of more graphics cards, which Lightning would take by their slots."""
    if config.device not in ("auto", "gpu", "cuda") or not config.devices < torch.cuda.device_count():
        return config.devices
    # One by one, for asking a card takes some of its memory.
    working = (card.index for card in ranked_cards() if not broken_because(card))
    taken = list(islice(working, config.devices))
    return taken if len(taken) == config.devices else config.devices


def everywhere(fabric: Any, here: bool) -> bool:
    """Whether something is so in all processes of a run; all of them have to ask."""
    if fabric.world_size == 1:
        return here
    told = fabric.all_reduce(torch.tensor(float(here), device=fabric.device), reduce_op="sum")
    return float(told) == fabric.world_size
