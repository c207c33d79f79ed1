"""One patient's arrays on a network's device."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor


def batch_of_one(array: np.ndarray, device: torch.device) -> Tensor:
    """An array of one patient as a batch, (1, *shape)."""
    return torch.from_numpy(np.ascontiguousarray(array))[None].to(device)
