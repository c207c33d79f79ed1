"""What post-training is told besides a `TrainingConfig`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from DosePredictionLib.errors import InputError
from DosePredictionLib.systems.field_kinds import misfit


@dataclass(frozen=True)
class PostTrainingConfig:
    """The ``post_training`` fields of a configuration.

    Attributes:
        scorecard: a bundled one's name, or a JSON file; what a dose is rewarded for.
        samples: doses a patient a step, compared with each other.
        sampling_steps: denoiser calls a dose.
        widening: samples are moved away from their mean by this factor before they are scored and learnt from; 1 leaves
            them. Given the patient, a plan is nearly settled: the few-step samples of one patient differ by tenths of a
            percent of a scorecard, too little to tell a better dose from a worse one. The loss is a forward process's:
            it needs clean doses and what they earn, not their likelihood under the policy, so that doses may come from
            elsewhere (off-policy; Zheng et al., arXiv:2509.16117, section 3). At r = 1/2 it draws to the old policy
            whatever the sample is; only what a sample earns beside the others moves the policy along its deviation.
        exploration: standard deviation of the relative change that each target, each organ and all the rest of a sample
            get, at random and fading over their edges (`exploration.dose_factors`); 0 for none. What few-step samples
            differ by is a noise that no scorecard asks for: it asks for a colder parotid or a fuller target, and here
            are doses that have them, with what they earn.
        mix: b, how far the implicit policies lie from the old one.
        policy: weight of the loss on the rewarded samples; 0 is the control that learns from the clinical doses alone.
        anchor: weight of the diffusion loss on the clinical dose. Small, since clinical doses pull one way at every
            step, and rewards now this way, now that.
        old_decay: of the old policy, which follows the current one.
        error_weight: percent points of the scorecard that a Gy of mean absolute error costs.
        error_margin: part by which the error may exceed that of the policy before post-training; beyond, it costs
            ``penalty`` a Gy more.
        hottest_percent: D0.1cc of the body in % of the prescription; a percent beyond costs ``penalty`` / 10.
        penalty: of both hinges.
    """

    scorecard: str = "head-and-neck"
    samples: int = 6
    sampling_steps: int = 5
    widening: float = 1.0
    exploration: float = 0.03
    mix: float = 1.0
    policy: float = 1.0
    anchor: float = 0.05
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
        if self.widening < 1 or self.policy < 0 or self.anchor < 0 or self.policy + self.anchor == 0:
            raise InputError("post_training needs a widening of at least 1, and a policy or an anchor above 0.")
        if not 0 <= self.exploration <= 0.3:
            raise InputError(
                f"post_training has an exploration of {self.exploration:g}; a dose is changed by a part, from 0 to 0.3."
            )

    @classmethod
    def of(cls, values: dict[str, Any]) -> PostTrainingConfig:
        """From the configuration's entries.

        Raises:
            InputError: there is no such field, or a value is of another kind or out of range.
        """
        wrong = misfit(cls, values)
        if wrong:
            raise InputError(f"post_training's {wrong}.")
        try:
            return cls(**values)
        except TypeError as error:
            raise InputError(f"post_training has an unknown field: {error}.") from error
