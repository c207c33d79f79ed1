"""Parallel image planes put together to a grid of even spacing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

#: Planes are even when none is off an even grid by more than this part of its step, or than this many mm: positions
#: are often rounded to 0.1 mm.
_EVEN = 0.01
_ROUNDED_MM = 0.06
#: Planes nearer to each other than this part of the usual distance may be one plane twice.
_TWINS = 0.25
#: No scanner's slices lie so near to each other.
_NEAREST_MM = 0.3
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
    grid = _grid(offsets_mm)
    if grid is not None and len(grid[0]) == grid[0][-1] + 1:
        return EvenStack(planes, grid[1])
    widest = int(np.argmax(steps))
    if steps[widest] > WIDEST_GAP_MM * (1 + _EVEN):
        raise TooWideGap(float(offsets_mm[widest]), float(offsets_mm[widest + 1]))
    if grid is not None:
        places, spacing = grid
        # Where there is a plane it stays as it is.
        targets = np.interp(np.arange(places[-1] + 1), places, offsets_mm)
    else:
        count = int(round((offsets_mm[-1] - offsets_mm[0]) / float(steps.min()))) + 1
        spacing = float((offsets_mm[-1] - offsets_mm[0]) / (count - 1))
        targets = offsets_mm[0] + spacing * np.arange(count)
    result = np.empty((len(targets), *planes.shape[1:]), planes.dtype)
    for index, target in enumerate(targets):
        result[index] = _between(planes, offsets_mm, float(target))
    missing = len(targets) - len(planes) if grid is not None else 0
    return EvenStack(result, spacing, missing, resampled=grid is None)


def twins(offsets_mm: np.ndarray) -> int | None:
    """The first of two neighbouring planes of which one is the other again; None when there are none.

    Planes that lie nearer to each other than those of any scanner are such a pair, and so is a plane too many in an
    otherwise even stack, a little beside another, and a stretch of planes that are all there again. A stretch of finer
    planes (1 mm in the head, 5 mm below) is none, nor is the place where a second spiral begins a little after the
    first one's end.

    Args:
        offsets_mm: position of each plane along the stack's axis, ascending.
    """
    steps = np.diff(offsets_mm)
    # Not the median: where every plane is there twice, half of the steps are too small.
    usual = float(np.quantile(steps, 0.75))
    small = [int(index) for index in np.flatnonzero(steps < max(_TWINS * usual, 1e-3))]
    single = {index for index in small if not _goes_on(steps, index)}
    for index in small:
        if steps[index] < _NEAREST_MM:
            return index
        if index in single and (index + 2 in single or index - 2 in single or _is_too_many(steps, index, usual)):
            return index
    return None


def _goes_on(steps: np.ndarray, index: int) -> bool:
    """Whether a step has a neighbour of its size, as in a stretch of fine planes; both may have been rounded."""
    beside = [steps[other] for other in (index - 1, index + 1) if 0 <= other < len(steps)]
    return any(abs(step - steps[index]) <= max(0.1 * steps[index], 2 * _ROUNDED_MM) for step in beside)


def _is_too_many(steps: np.ndarray, index: int, usual: float) -> bool:
    """Whether the stack is even beside a small step when one of its two planes is left out."""

    def fits(step: float) -> bool:
        return abs(step - usual) <= 2 * _ROUNDED_MM

    before = float(steps[index - 1]) if index > 0 else None
    after = float(steps[index + 1]) if index + 1 < len(steps) else None
    return any(
        part is not None and fits(part + float(steps[index])) and (other is None or fits(other))
        for part, other in ((after, before), (before, after))
    )


def _grid(offsets_mm: np.ndarray) -> tuple[np.ndarray, float] | None:
    """The planes' numbers on the even grid that they lie on (with gaps or without) and its step; None without one."""
    steps = np.diff(offsets_mm)
    multiples = np.rint(steps / np.median(steps))
    if (multiples < 1).any():
        return None
    places = np.concatenate([[0], np.cumsum(multiples)]).astype(int)
    # All planes at once: what a rounded step is off would add up over a hundred of them.
    spacing, start = np.polynomial.polynomial.polyfit(places, offsets_mm, 1)[::-1]
    if np.abs(offsets_mm - start - spacing * places).max() > max(_EVEN * spacing, _ROUNDED_MM):
        return None
    return places, round(float(spacing), 6)


def _between(planes: np.ndarray, offsets_mm: np.ndarray, target_mm: float) -> np.ndarray:
    above = int(np.clip(np.searchsorted(offsets_mm, target_mm), 1, len(offsets_mm) - 1))
    low, high = offsets_mm[above - 1], offsets_mm[above]
    weight = float(np.clip((target_mm - low) / (high - low), 0.0, 1.0))
    mixed = (1.0 - weight) * planes[above - 1].astype(np.float64) + weight * planes[above]
    return np.rint(mixed) if planes.dtype.kind in "iu" else mixed
