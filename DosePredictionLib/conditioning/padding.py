"""Bringing arrays to sizes that a network can halve, and back."""

from __future__ import annotations

import numpy as np


def padded_shape(shape: tuple[int, ...], multiple: int) -> tuple[int, ...]:
    """The next sizes that are multiples of ``multiple``."""
    return tuple(-(-size // multiple) * multiple for size in shape)


def window(shape: tuple[int, ...], offset: tuple[int, ...]) -> tuple[slice, ...]:
    """Where an array of ``shape`` lies in a larger one that holds it at ``offset``."""
    return tuple(slice(first, first + size) for first, size in zip(offset, shape, strict=True))


def pad_to(array: np.ndarray, shape: tuple[int, ...], offset: tuple[int, ...]) -> np.ndarray:
    """Lay ``array`` into a larger array of ``shape`` at ``offset``; the rest is 0."""
    result = np.zeros(shape, dtype=array.dtype)
    result[window(array.shape, offset)] = array
    return result


def centred_offset(shape: tuple[int, ...], padded: tuple[int, ...]) -> tuple[int, ...]:
    """The offset that leaves equal room on both sides."""
    return tuple((large - small) // 2 for small, large in zip(shape, padded, strict=True))


def random_place(shape: tuple[int, ...], within: tuple[int, ...], rng: np.random.Generator) -> tuple[int, ...]:
    """Where an array of ``shape`` begins in one of ``within``, every place equally often; one draw an axis."""
    return tuple(int(rng.integers(0, large - small + 1)) for small, large in zip(shape, within, strict=True))
