"""Outlines of what lies above a level in a picture."""

from __future__ import annotations

import numpy as np

#: For each way in which a square's corners can lie above the level: the pairs of edges that the outline joins.
#: Corners count 1 (top left), 2 (top right), 4 (bottom right), 8 (bottom left); edges 0 top, 1 right, 2 bottom, 3 left.
_JOINED: dict[int, tuple[tuple[int, int], ...]] = {
    1: ((3, 0),), 2: ((0, 1),), 3: ((3, 1),), 4: ((1, 2),), 5: ((3, 0), (1, 2)), 6: ((0, 2),), 7: ((3, 2),),
    8: ((2, 3),), 9: ((2, 0),), 10: ((0, 1), (2, 3)), 11: ((2, 1),), 12: ((1, 3),), 13: ((1, 0),), 14: ((0, 3),),
}  # fmt: skip


def contour_lines(field: np.ndarray, level: float) -> list[np.ndarray]:
    """Closed outlines by marching squares, with linear interpolation (Lorensen and Cline, SIGGRAPH 1987, in the plane).

    Args:
        field: (height, width); beyond its edge it counts as below the level.
        level: the height of the lines.

    Returns:
        Polygons (n, 2) of x (column) and y (row) in pixels, 0 at the centre of the first pixel; the last point joins
        the first.
    """
    padded = np.pad(field.astype(np.float64), 1, constant_values=min(float(field.min()), level) - abs(level) - 1e-6)
    above = padded >= level
    if not above.any():
        return []
    code = above[:-1, :-1] + 2 * above[:-1, 1:] + 4 * above[1:, 1:] + 8 * above[1:, :-1]
    rows, columns = np.nonzero((code > 0) & (code < 15))
    neighbours: dict[int, list[int]] = {}
    width = padded.shape[1]
    for row, column, kind in zip(rows.tolist(), columns.tolist(), code[rows, columns].tolist(), strict=True):
        corner = row * width + column
        # Even numbers are horizontal edges, odd ones vertical, both by the corner that they begin at.
        edges = (2 * corner, 2 * (corner + 1) + 1, 2 * (corner + width), 2 * corner + 1)
        for first, second in _JOINED[kind]:
            neighbours.setdefault(edges[first], []).append(edges[second])
            neighbours.setdefault(edges[second], []).append(edges[first])
    return [_points(ring, padded, level) for ring in _rings(neighbours)]


def _rings(neighbours: dict[int, list[int]]) -> list[list[int]]:
    """The edges in the order in which the lines pass them."""
    rings = []
    left = set(neighbours)
    while left:
        start = here = min(left)
        ring = [start]
        left.discard(start)
        while True:
            following = next((edge for edge in neighbours[here] if edge in left), None)
            if following is None:
                break
            ring.append(following)
            left.discard(following)
            here = following
        rings.append(ring)
    return rings


def _points(ring: list[int], padded: np.ndarray, level: float) -> np.ndarray:
    """Where the lines cross the edges."""
    edges = np.asarray(ring)
    rows, columns = np.divmod(edges // 2, padded.shape[1])
    vertical = edges % 2
    here = padded[rows, columns]
    there = padded[rows + vertical, columns + 1 - vertical]
    part = (level - here) / (there - here)
    x = columns + part * (1 - vertical)
    y = rows + part * vertical
    return np.stack([x, y], axis=1) - 1.0
