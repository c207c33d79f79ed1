"""What the stages that train a system's network have in common."""

from __future__ import annotations

from typing import Generic, TypeVar

from torch import Tensor

from DosePredictionLib.systems.system import System

TrainedSystem = TypeVar("TrainedSystem", bound=System)


class SystemStage(Generic[TrainedSystem]):
    """A stage whose cases have the system's channels, and whose averaged weights are the system's.

    Attributes:
        system: that is trained.
    """

    system: TrainedSystem

    @property
    def channels(self) -> tuple[str, ...]:
        """The system's."""
        return self.system.channels

    def release_state(self, average: dict[str, Tensor]) -> dict[str, Tensor]:
        """The averaged weights are the system's."""
        return average
