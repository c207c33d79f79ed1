"""Rows of numbers made to grow: isotonic regression by pooling adjacent violators (Ayer et al., 1955)."""

from __future__ import annotations

import numpy as np


def non_decreasing(values: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
    """The nearest numbers, by weighted squares, of which none is smaller than the one before.

    Args:
        values: (..., N); each row along the last axis is taken by itself.
        weights: of ``values``' shape, positive; None counts all the same.
    """
    values = np.asarray(values, dtype=float)
    weights = np.ones_like(values) if weights is None else np.asarray(weights, dtype=float)
    rows = zip(values.reshape(-1, values.shape[-1]), weights.reshape(-1, values.shape[-1]), strict=True)
    return np.array([_pooled(row, weight) for row, weight in rows]).reshape(values.shape)


def _pooled(row: np.ndarray, weights: np.ndarray) -> np.ndarray:
    pools: list[tuple[float, float, int]] = []  # mean, weight, numbers
    for value, weight in zip(row, weights, strict=True):
        pools.append((float(value), float(weight), 1))
        while len(pools) > 1 and pools[-2][0] > pools[-1][0]:
            (mean, heavy, count), (next_mean, next_heavy, more) = pools[-2:]
            both = heavy + next_heavy
            pools[-2:] = [((mean * heavy + next_mean * next_heavy) / both, both, count + more)]
    return np.repeat([mean for mean, _, _ in pools], [count for _, _, count in pools])
