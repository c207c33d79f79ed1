"""How the contours of one plane combine, whatever lies over what.

* A contour that lies wholly inside another is cut out of it, and one inside that is filled again: the even-odd rule.
* Contours that cross each other count as their union. By exclusive or, what they share would be missing.
* A contour that is nearly another one (a copy that was rounded, or moved by a hair) counts once.
* Where a structure says that its contours combine by exclusive or (CLOSEDPLANAR_XOR, PS3.3 C.8.8.6), they do.

Contours are compared on cells laid over them, not by cutting edges with edges: touching edges, shared vertices and
keyholes then need no care.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto

import numpy as np

from DosePredictionLib.patient.dicom_polygons import fill_polygons

#: Cells along each axis on which two contours are compared; more where they may be one.
_CELLS, _FINE_CELLS = 96, 192
#: A contour lies inside another when no more than this part of it does not; less than the second of it is not shared.
_STICKS_OUT, _TOUCHES = 0.01, 0.003
#: Contours are one when what only one of them holds is no more than this part of the smaller one, and no wider than
#: this many pixels on average; otherwise a thin shell of something large (a skin) would be none.
_SLIVER, _SLIVER_PIXELS = 0.01, 0.25
#: Contours may be one only if the smaller one's box is more than this part of the larger one's.
_ALIKE = 0.8


@dataclass(frozen=True)
class PlaneContours:
    """The contours of a plane, and which of them are cut out of which.

    Attributes:
        polygons: vertices (n, 2) as x, y indices.
        cut_out: of each polygon, the numbers of those that are cut out of it, where some cross each other; None where
            exclusive or of all is meant.
    """

    polygons: tuple[np.ndarray, ...]
    cut_out: tuple[frozenset[int], ...] | None = None

    @property
    def crossing(self) -> bool:
        """Whether some cross each other and count as their union."""
        return self.cut_out is not None

    def filled(self, rows: int, columns: int, low: np.ndarray, parts: int = 1) -> np.ndarray:
        """Pixels, or parts of them, whose centres lie inside, bool (rows * parts, columns * parts).

        Args:
            rows: number of pixels along y.
            columns: number of pixels along x.
            low: index of the first pixel, (x, y).
            parts: how many parts each pixel has along both axes.
        """
        placed = [polygon - low for polygon in self.polygons]
        if parts > 1:
            placed = [(polygon + 0.5) * parts - 0.5 for polygon in placed]
        if self.cut_out is None:
            return fill_polygons(placed, rows * parts, columns * parts)
        shapes: dict[int, np.ndarray] = {}

        def shape(number: int) -> np.ndarray:
            if number not in shapes:
                shapes[number] = fill_polygons([placed[number]], rows * parts, columns * parts)
                for inner in sorted(self.cut_out[number] if self.cut_out else ()):
                    shapes[number] &= ~shape(inner)
            return shapes[number]

        inside = frozenset().union(*self.cut_out)
        return np.logical_or.reduce([shape(number) for number in range(len(placed)) if number not in inside])


def combined(polygons: Sequence[np.ndarray], exclusive: bool = False) -> PlaneContours:
    """The contours of a plane as they combine.

    Args:
        polygons: vertices (n, 2) as x, y indices.
        exclusive: whether the structure says that they combine by exclusive or.
    """
    if exclusive or len(polygons) < 2:
        return PlaneContours(tuple(polygons))
    boxes = [(polygon.min(axis=0), polygon.max(axis=0)) for polygon in polygons]
    kept: list[int] = []
    inside: dict[int, set[int]] = {}
    crossing = False
    for number, polygon in enumerate(polygons):
        (low, high), around, within = boxes[number], set(), set()
        own_crossing = False
        for other in kept:
            if (boxes[other][0] > high).any() or (boxes[other][1] < low).any():
                continue
            relation = _relation(polygon, polygons[other])
            if relation is _Relation.ONE:
                break
            own_crossing |= relation is _Relation.CROSSING
            if relation is _Relation.INSIDE:
                around.add(other)
            elif relation is _Relation.AROUND:
                within.add(other)
        else:
            crossing |= own_crossing
            kept.append(number)
            inside[number] = within
            for other in around:
                inside[other].add(number)
    if not crossing:
        return PlaneContours(tuple(polygons[number] for number in kept))
    place = {number: index for index, number in enumerate(kept)}
    # What lies inside a hole is no concern of the contour around it.
    cut_out = [
        frozenset(place[number] for number in inside[outer] - set().union(*(inside[hole] for hole in inside[outer])))
        for outer in kept
    ]
    return PlaneContours(tuple(polygons[number] for number in kept), tuple(cut_out))


class _Relation(Enum):
    """Of one contour to another."""

    APART = auto()
    INSIDE = auto()
    AROUND = auto()
    CROSSING = auto()
    ONE = auto()


def _relation(first: np.ndarray, second: np.ndarray) -> _Relation:
    first_size, second_size = (float(np.prod(np.ptp(polygon, axis=0))) for polygon in (first, second))
    if first_size > second_size:
        found = _relation(second, first)
        return {_Relation.INSIDE: _Relation.AROUND, _Relation.AROUND: _Relation.INSIDE}.get(found, found)
    alike = first_size > _ALIKE * second_size
    # What lies beyond the smaller box says nothing of the smaller contour.
    over = np.concatenate([first, second]) if alike else first
    cells = _FINE_CELLS if alike else _CELLS
    low, size = over.min(axis=0), np.maximum(np.ptp(over, axis=0), 1e-9) / cells
    here, there = (fill_polygons([(polygon - low) / size - 0.5], cells, cells) for polygon in (first, second))
    shared, only_here = np.count_nonzero(here & there), np.count_nonzero(here & ~there)
    if shared <= _TOUCHES * (shared + only_here):
        return _Relation.APART
    if not alike:
        return _Relation.INSIDE if only_here <= _STICKS_OUT * (shared + only_here) else _Relation.CROSSING
    only_there = np.count_nonzero(there & ~here)
    apart = only_here + only_there
    length = float(np.linalg.norm(np.diff(first, axis=0, append=first[:1]), axis=1).sum())
    if apart <= _SLIVER * (shared + min(only_here, only_there)) and apart * np.prod(size) <= _SLIVER_PIXELS * length:
        return _Relation.ONE
    # A copy that was moved sticks out as far on one side as it falls short on the other.
    if only_here <= _STICKS_OUT * shared and only_here <= 0.1 * only_there:
        return _Relation.INSIDE
    if only_there <= _STICKS_OUT * shared and only_there <= 0.1 * only_here:
        return _Relation.AROUND
    return _Relation.CROSSING
