"""A stage of training: what is drawn, what is made small, how it is judged."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, Protocol, TypeVar

import torch
from torch import Tensor, nn

from DosePredictionLib.training.case_cache import TrainingCase

Mapped = TypeVar("Mapped")


def map_tensors(batch: Mapped, change: Callable[[Tensor], Tensor]) -> Mapped:
    """A data class with ``change`` done to its tensors, in nested data classes too; other fields stay as they are."""
    changed: dict[str, Any] = {}
    for field in fields(batch):  # type: ignore[arg-type]
        value = getattr(batch, field.name)
        if isinstance(value, Tensor):
            value = change(value)
        elif is_dataclass(value) and not isinstance(value, type):
            value = map_tensors(value, change)
        changed[field.name] = value
    return type(batch)(**changed)


def to_device(batch: Mapped, device: torch.device) -> Mapped:
    """A data class of tensors (nested data classes too) on ``device``."""
    return map_tensors(batch, lambda tensor: tensor.to(device, non_blocking=True))


@dataclass(frozen=True)
class StageLoss:
    """What a batch says.

    Attributes:
        total: scalar with a gradient.
        logged: the terms by name, detached; ``loss_gy`` or the like. The curves show their means.
    """

    total: Tensor
    logged: dict[str, Tensor]


class Stage(Protocol):
    """One stage of a system's training; the loop knows nothing else of the system.

    A stage may have more, which the loop and the export ask for:

    - ``prepare(network, cases)``: what a run from its beginning does to a network that is on its device, once it knows
      the training cases.
    - ``leaves_parameters_unused``: True where not every step uses all of the network, which "ddp" must be told.
    - ``released``: what the weights file is of, where that is not the configuration's system: the weights' own, or the
      calibration of one.
    """

    #: What `score` returns, as the curves and the log name it; lower is better.
    score_name: str

    @property
    def channels(self) -> tuple[str, ...]:
        """The channels that cases are conditioned with."""

    def build_network(self) -> nn.Module:
        """The module whose parameters this stage trains, with fresh weights or with those of an earlier stage."""

    def draw(self, cases: Sequence[TrainingCase], seeds: Sequence[tuple[int, ...]]) -> Any:
        """A batch, a data class of tensors. All its random draws follow from the seeds, one a case."""

    def loss(self, network: nn.Module, batch: Any) -> StageLoss:
        """The loss of a batch that is on the network's device; runs under the loop's autocast."""

    def score(self, network: nn.Module, case: TrainingCase, seed: int) -> float | dict[str, float]:
        """How far a validation case is from the truth with a network in evaluation mode.

        Several figures come by their names, `score_name` among them, which decides when a run ends early.
        """

    def release_state(self, average: dict[str, Tensor]) -> dict[str, Tensor]:
        """The state of the system's weights file, from this stage's averaged weights."""
