"""Mixing two patients into one training example (mixup, Zhang et al., ICLR 2018)."""

from __future__ import annotations

import torch
from torch import Tensor


def draw_share(alpha: float, count: int, generator: torch.Generator, mixed_batches: float = 0.5) -> float:
    """The share that a patient keeps when it is mixed with its neighbour in the batch; 1 is no mixing.

    One draw of Beta(alpha, alpha) for each of the batches that are mixed. The paper writes a "mixing coefficient alpha
    = 0.4" in its Algorithm 1 both for the share itself and for the Beta distribution's parameter; the latter is mixup.

    Args:
        alpha: of the distribution; 0 for no mixing.
        count: patients in the batch; alone, none can be mixed.
        generator: source of randomness.
        mixed_batches: probability that a batch is mixed; 1 for all, as in Algorithm 1.
    """
    seed, whether = torch.rand(2, generator=generator).tolist()
    if alpha <= 0 or count < 2 or whether >= mixed_batches:
        return 1.0
    # torch.distributions take no generator; numpy's does from a seed that came from ours.
    import numpy as np

    return float(np.random.default_rng(int(seed * 2**24)).beta(alpha, alpha))


def mixed(batch: Tensor, share: float) -> Tensor:
    """Each item's share of itself and the rest of its neighbour, (N, ...); the last one's neighbour is the first."""
    if share == 1.0:
        return batch
    result = torch.empty_like(batch)  # volumes of many channels: nothing of their size is made on the way
    for index in range(len(batch)):
        torch.lerp(batch[index - 1], batch[index], share, out=result[index])
    return result
