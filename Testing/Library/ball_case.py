"""A training case made of formulas: a ball with a dose that falls off from its target."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from phantom import ball_dose, ball_patient

from DosePredictionLib.conditioning.channels import CHANNELS
from DosePredictionLib.training.case_cache import TrainingCase, training_case


def ball_case(
    shift_mm: float = 0.0, channels: Sequence[str] = CHANNELS, peak_gy: float = 70.0, identifier: str = "ball"
) -> TrainingCase:
    """`ball_patient` with `ball_dose`, conditioned.

    Args:
        shift_mm, peak_gy: see `ball_dose`.
        channels: which the case has.
        identifier: the patient's.
    """
    dose = ball_dose(shift_mm, peak_gy)
    return training_case(replace(ball_patient(), identifier=identifier, reference_dose=dose), channels)
