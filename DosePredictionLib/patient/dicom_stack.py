"""Parallel image planes put together to a grid of even spacing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

#: Distances between planes that differ by less than this part of them count as equal.
_EVEN = 0.01
#: Nothing is interpolated across a wider gap: anatomy changes too much.
WIDEST_GAP_MM = 10.0


class TooWideGap(ValueError):
    """Planes are missing across more than `WIDEST_GAP_MM`."""

    def __init__(self, below_mm: float, above_mm: float) -> None:
        super().__init__(f"no planes between {below_mm:g} and {above_mm:g} mm")
        self.below_mm, self.above_mm = below_mm, above_mm


@dataclass(frozen=True)
class EvenStack:
    """Planes of even spacing.

    Attributes:
        array: (planes, rows, columns).
        spacing_mm: distance between planes.
        missing: how many planes were put in where the data have a gap in otherwise even planes.
        resampled: whether the planes' distances varied, so that all were interpolated onto even ones.
    """

    array: np.ndarray
    spacing_mm: float
    missing: int = 0
    resampled: bool = False


def even_stack(planes: np.ndarray, offsets_mm: np.ndarray) -> EvenStack:
    """Bring planes to even spacing, interpolating linearly where the data aren't even.

    Planes at even distances stay as they are. Where single planes are missing in an otherwise even stack, they are put
    in. Where the distances vary (2 mm in the head, 5 mm below), all are interpolated onto the smallest distance.

    Args:
        planes: (planes, rows, columns), two or more.
        offsets_mm: position of each along the stack's axis, strictly ascending.

    Raises:
        TooWideGap: two neighbours are further apart than `WIDEST_GAP_MM` and than the stack's own spacing.
    """
    steps = np.diff(offsets_mm)
    usual = float(np.median(steps))
    if np.abs(steps - usual).max() <= max(_EVEN * usual, 1e-3):
        return EvenStack(planes, float((offsets_mm[-1] - offsets_mm[0]) / len(steps)))
    widest = int(np.argmax(steps))
    if steps[widest] > WIDEST_GAP_MM * (1 + _EVEN):
        raise TooWideGap(float(offsets_mm[widest]), float(offsets_mm[widest + 1]))
    multiples = np.rint(steps / usual)
    only_gaps = bool((multiples >= 1).all() and np.abs(steps - multiples * usual).max() <= max(2 * _EVEN * usual, 2e-3))
    wanted = usual if only_gaps else float(steps.min())
    count = int(round((offsets_mm[-1] - offsets_mm[0]) / wanted)) + 1
    spacing = float((offsets_mm[-1] - offsets_mm[0]) / (count - 1))
    targets = offsets_mm[0] + spacing * np.arange(count)
    result = np.empty((count, *planes.shape[1:]), planes.dtype)
    for index, target in enumerate(targets):
        result[index] = _between(planes, offsets_mm, float(target))
    return EvenStack(result, spacing, count - len(planes) if only_gaps else 0, not only_gaps)


def _between(planes: np.ndarray, offsets_mm: np.ndarray, target_mm: float) -> np.ndarray:
    above = int(np.clip(np.searchsorted(offsets_mm, target_mm), 1, len(offsets_mm) - 1))
    low, high = offsets_mm[above - 1], offsets_mm[above]
    weight = float(np.clip((target_mm - low) / (high - low), 0.0, 1.0))
    mixed = (1.0 - weight) * planes[above - 1].astype(np.float64) + weight * planes[above]
    return np.rint(mixed) if planes.dtype.kind in "iu" else mixed
