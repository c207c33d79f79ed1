"""What post-training is told besides a `TrainingConfig`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from DosePredictionLib.errors import InputError


@dataclass(frozen=True)
class PostTrainingConfig:
    """The ``post_training`` fields of a configuration.

    Attributes:
        scorecard: a bundled one's name, or a JSON file; what a dose is rewarded for.
        samples: doses a patient a step, compared with each other.
        sampling_steps: denoiser calls a dose.
        mix: b, how far the implicit policies lie from the old one.
        anchor: weight of the diffusion loss on the clinical dose.
        old_decay: of the old policy, which follows the current one.
        error_weight: percent points of the scorecard that a Gy of mean absolute error costs.
        error_margin: part by which the error may exceed that of the policy before post-training; beyond, it costs
            ``penalty`` a Gy more.
        hottest_percent: D0.1cc of the body in % of the prescription; a percent beyond costs ``penalty`` / 10.
        penalty: of both hinges.
    """

    scorecard: str = "head-and-neck"
    samples: int = 4
    sampling_steps: int = 5
    mix: float = 0.5
    anchor: float = 0.5
    old_decay: float = 0.9
    error_weight: float = 2.0
    error_margin: float = 0.02
    hottest_percent: float = 115.0
    penalty: float = 20.0

    def __post_init__(self) -> None:
        if self.samples < 2:
            raise InputError(f"post_training has samples {self.samples}; rewards are compared, so give at least 2.")
        if not 0 < self.mix <= 1 or not 0 <= self.old_decay < 1:
            raise InputError("post_training needs a mix in (0, 1] and an old_decay in [0, 1).")

    @classmethod
    def of(cls, values: dict[str, Any]) -> PostTrainingConfig:
        """From the configuration's entries.

        Raises:
            InputError: there is no such field, or a value is out of range.
        """
        try:
            return cls(**values)
        except TypeError as error:
            raise InputError(f"post_training has an unknown field: {error}.") from error
