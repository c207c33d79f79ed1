"""Rows of numbers made to grow, by isotonic regression."""

from __future__ import annotations

import numpy as np


def non_decreasing(values: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
    """The nearest numbers, by weighted squares, of which none is smaller than the one before.

    Args:
        values: (rows, N); each row is taken by itself.
        weights: of ``values``' shape, positive; None counts all the same.
    """
    from scipy.optimize import isotonic_regression

    weights = np.ones_like(values, dtype=float) if weights is None else weights
    return np.array([isotonic_regression(row, weights=each).x for row, each in zip(values, weights, strict=True)])
