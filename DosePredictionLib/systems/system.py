"""What every system can do."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, Protocol

import numpy as np
from torch import nn

from DosePredictionLib.conditioning.channels import ModelInput


class System(Protocol):
    """A dose-prediction system: its parts and how a dose is sampled from them.

    A system is a frozen data class whose fields are the ``config`` of its weights files. How it is trained is told in
    the training room, stage by stage; what is here is all that a prediction needs.

    Attributes:
        name: on the command line and in weights files.
        optional_conditions: what a patient may lack ("ct", "beams").
        channels: the patient's channels, in order.
        default_steps: denoiser calls of a sample where nobody says how many: one where the denoiser says the clean
            dose. Where it says noise, the first call's answer is multiplied by a large error, and it takes more.
    """

    name: ClassVar[str]
    optional_conditions: ClassVar[tuple[str, ...]]

    @property
    def default_steps(self) -> int:
        """Denoiser calls of a sample."""

    @property
    def channels(self) -> tuple[str, ...]:
        """The patient's channels, in order."""

    def build_network(self) -> nn.Module:
        """All of the system's networks as one module, with fresh weights; its state is what a weights file holds."""

    def sample_dose(
        self,
        network: nn.Module,
        inputs: ModelInput,
        steps: int,
        seed: int,
        on_step: Callable[[int], None] | None = None,
    ) -> np.ndarray:
        """One sample of the dose in Gy on the model's grid, zero outside the dose region and never negative.

        Args:
            network: what `build_network` made, in evaluation mode; its device is used.
            inputs: the conditioned patient.
            steps: denoiser calls.
            seed: of the noise; the same on every device.
            on_step: called after each denoiser call with the number done; may raise to stop.

        Returns:
            float32 (Z, Y, X) on ``inputs.geometry``.
        """
