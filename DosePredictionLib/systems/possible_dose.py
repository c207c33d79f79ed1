"""What is known of every clean dose, in units where zero dose is -1 and the highest prescription +1."""

from __future__ import annotations

import torch
from torch import Tensor

#: No dose.
NO_DOSE = -1.0
#: Highest dose that is possible: 120 % of the highest prescription.
HIGHEST_DOSE = 1.4


def zero_outside(clean: Tensor, region: Tensor) -> Tensor:
    """A dose, and zero dose outside the dose region.

    Args:
        clean: the dose.
        region: boolean, of the same shape.
    """
    return torch.where(region, clean, torch.full_like(clean, NO_DOSE))


def possible_dose(clean: Tensor, region: Tensor) -> Tensor:
    """`zero_outside`, and inside clipped to possible doses."""
    return zero_outside(clean.clamp(NO_DOSE, HIGHEST_DOSE), region)
