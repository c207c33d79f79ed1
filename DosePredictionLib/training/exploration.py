"""Doses that a policy would hardly draw by itself, structure by structure a little higher or lower."""

from __future__ import annotations

import numpy as np
import torch
from scipy.ndimage import gaussian_filter
from torch import Tensor

from DosePredictionLib.conditioning.padding import pad_to
from DosePredictionLib.training.case_cache import TrainingCase

#: Standard deviation of the Gaussian that a structure's change fades with; about the penumbra of a 6 MV field.
FADE_MM = 8.0
#: No factor takes more than this part of a dose away.
MOST_TAKEN = 0.5


def faded_structures(case: TrainingCase) -> np.ndarray:
    """(S, Z, Y, X) float32 on the patient's grid: each prescription level's target, each organ, all besides targets.

    Each is its mask, faded by `FADE_MM`, so that a dose changed by it keeps no sharp edge.
    """
    inputs = case.inputs
    spacing = inputs.geometry.spacing_mm
    sigma = [FADE_MM / spacing[axis] for axis in (2, 1, 0)]
    prescription = inputs.channel("prescription").astype(np.float32)
    masks = [np.abs(prescription - level) < 1e-3 for level in np.unique(prescription[prescription > 0])]
    masks += inputs.organ_masks().values()
    masks.append(inputs.region & (prescription == 0))
    return np.stack([gaussian_filter(mask.astype(np.float32), sigma) for mask in masks if mask.any()])


def dose_factors(
    case: TrainingCase, shape: tuple[int, ...], offset: tuple[int, ...], count: int, spread: float, seed: int
) -> Tensor:
    """What doses are multiplied by: (count, 1, Z, Y, X), 1 where nothing is changed.

    Args:
        case: the patient.
        shape, offset: of the padded volume, and where the patient lies in it.
        count: of the doses.
        spread: standard deviation of a structure's relative change.
        seed: of the changes.
    """
    faded = faded_structures(case)
    changes = np.random.default_rng(seed).normal(0.0, spread, (count, len(faded))).astype(np.float32)
    changed = np.maximum(np.tensordot(changes, faded, 1), -MOST_TAKEN)
    return torch.from_numpy(np.stack([1 + pad_to(one, shape, offset) for one in changed]))[:, None]
