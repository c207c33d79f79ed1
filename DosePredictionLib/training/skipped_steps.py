"""Steps that would spoil the weights: they are skipped and counted, and end a run when no others come."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from DosePredictionLib.errors import InputError

#: So many steps in a row without a usable loss end a run.
MOST_IN_A_ROW = 20


@dataclass
class SkippedSteps:
    """How many steps of a run were not taken, because their loss or its gradient was not a number.

    Attributes:
        total: since the run's beginning.
        in_a_row: up to now.
    """

    total: int = 0
    in_a_row: int = 0

    def note(self, skipped: bool, step: int) -> None:
        """Count one step.

        Args:
            skipped: whether it was not taken.
            step: its number, counted from 0.

        Raises:
            InputError: it is one too many in a row.
        """
        self.in_a_row = self.in_a_row + 1 if skipped else 0
        self.total += skipped
        if self.in_a_row >= MOST_IN_A_ROW:
            raise InputError(
                f"The loss or its gradient was not a number in {self.in_a_row} steps in a row, up to step {step + 1}, "
                "so the run ends and its last checkpoint stays; look at the curves, and start the run again with a "
                "lower learning_rate."
            )


class Buffers:
    """What a step in training mode changes of a network besides its weights (statistics of batch norms), as it was."""

    def __init__(self, network: nn.Module) -> None:
        self._network = network
        self._before: dict[str, Tensor] = {name: value.clone() for name, value in network.named_buffers()}

    @torch.no_grad()
    def restore(self) -> None:
        """Put back what was there when this was made."""
        for name, value in self._network.named_buffers():
            value.copy_(self._before[name])
