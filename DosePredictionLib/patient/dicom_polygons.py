"""Polygons filled on a pixel grid by the even-odd rule.

None of the libraries at hand fills polygons; those that do (scikit-image, Pillow, matplotlib) round vertices to
pixels, fill one polygon at a time or can't combine several. Here all polygons of a plane are filled at once by counting
boundary crossings: a pixel is inside when a ray to it crosses the boundaries an odd number of times. Holes drawn as
contours of their own (XOR) and as keyholes come out of the same rule: the two sides of a keyhole's channel cancel.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np


def fill_polygons(polygons: Iterable[np.ndarray], rows: int, columns: int) -> np.ndarray:
    """Pixels whose centres lie inside, bool (rows, columns).

    Args:
        polygons: vertices (n, 2) as (x, y) in pixels, pixel centres at whole numbers; each closes by itself.
        rows: number of pixels along y.
        columns: number of pixels along x.
    """
    crossings = np.zeros((rows, columns + 1), np.int32)
    for polygon in polygons:
        start, stop = polygon, np.roll(polygon, -1, axis=0)
        # Half open, so that a vertex on a row of centres counts for one of its two edges.
        first = np.ceil(np.minimum(start[:, 1], stop[:, 1])).astype(np.int64)
        last = np.ceil(np.maximum(start[:, 1], stop[:, 1])).astype(np.int64)
        first, last = np.clip(first, 0, rows), np.clip(last, 0, rows)
        count = last - first
        edge = np.repeat(np.arange(len(polygon)), count)
        if not len(edge):
            continue
        row = first[edge] + np.arange(len(edge)) - np.repeat(np.cumsum(count) - count, count)
        # From the lower end, whichever way the edge runs: shared edges then cross at exactly the same place.
        upward = (start[:, 1] <= stop[:, 1])[:, None]
        low, high = np.where(upward, start, stop)[edge], np.where(upward, stop, start)[edge]
        x = low[:, 0] + (row - low[:, 1]) / (high[:, 1] - low[:, 1]) * (high[:, 0] - low[:, 0])
        np.add.at(crossings, (row, np.clip(np.ceil(x), 0, columns).astype(np.int64)), 1)
    return (np.cumsum(crossings[:, :columns], axis=1) & 1).astype(bool)
