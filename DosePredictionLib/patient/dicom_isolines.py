"""Closed lines of one level through the voxel values of a plane: marching squares.

None of the runtime's libraries traces contours (scikit-image and contourpy do). Lines are linear between voxel centres,
closed, and part the centres exactly: those at the level or above are inside by the even-odd rule, all others outside.
"""

from __future__ import annotations

import numpy as np

#: Lines keep this part of the voxel distance away from voxel centres, so that a centre is never on a line.
_OFF_CENTRE = 1e-3


def isolines(plane: np.ndarray, level: float) -> list[np.ndarray]:
    """All lines of a level, vertices (n, 2) as (x, y) in voxels, centres at whole numbers.

    Where the plane ends inside a region, the line runs half a voxel beyond the outermost centres.

    Args:
        plane: values (rows, columns).
        level: centres at this value or above are inside.
    """
    if not (plane >= level).any():
        return []
    values = np.pad(np.asarray(plane, dtype=float), 1, mode="edge")
    edge = np.ones(values.shape, bool)
    edge[1:-1, 1:-1] = False
    values[edge] = np.minimum(values[edge], 2.0 * level - values[edge])
    # At the level itself the mirrored value would be inside too.
    values[edge & (values >= level)] = level - 1.0
    inside = values >= level
    rows, columns = values.shape
    across = inside[:, :-1] != inside[:, 1:]
    down = inside[:-1] != inside[1:]
    # Each crossed edge between neighbouring centres has one vertex; edges to the right are numbered first.
    across_number = np.full((rows, columns), -1)
    down_number = np.full((rows, columns), -1)
    row_a, column_a = np.nonzero(across)
    row_d, column_d = np.nonzero(down)
    across_number[row_a, column_a] = np.arange(len(row_a))
    down_number[row_d, column_d] = len(row_a) + np.arange(len(row_d))
    vertices = np.concatenate([
        np.column_stack([column_a + _part(values[row_a, column_a], values[row_a, column_a + 1], level), row_a]),
        np.column_stack([column_d, row_d + _part(values[row_d, column_d], values[row_d + 1, column_d], level)]),
    ])  # fmt: skip
    vertices -= 1.0  # the padding
    return [vertices[loop] for loop in _loops(_segments(values, inside, across_number, down_number, level))]


def _part(first: np.ndarray, second: np.ndarray, level: float) -> np.ndarray:
    """How far from the first value to the second the level lies, 0..1."""
    return np.clip((level - first) / (second - first), _OFF_CENTRE, 1.0 - _OFF_CENTRE)


def _segments(
    values: np.ndarray, inside: np.ndarray, across_number: np.ndarray, down_number: np.ndarray, level: float
) -> np.ndarray:
    """Pairs of vertices (n, 2) that a line joins within a square of four centres."""
    top, bottom = across_number[:-1, :-1], across_number[1:, :-1]
    left, right = down_number[:-1, :-1], down_number[:-1, 1:]
    sides = np.stack([top, right, bottom, left])
    crossed = sides >= 0
    count = crossed.sum(axis=0)
    two = count == 2
    pairs = [sides[:, two].T[crossed[:, two].T].reshape(-1, 2)]
    saddle = count == 4
    if saddle.any():
        middle = 0.25 * (values[:-1, :-1] + values[:-1, 1:] + values[1:, :-1] + values[1:, 1:])[saddle] >= level
        # The lines cut off the two corners that differ from the middle.
        cut_first = inside[:-1, :-1][saddle] != middle
        top, right, bottom, left = sides[:, saddle]
        pairs.append(np.column_stack([top, np.where(cut_first, left, right)]))
        pairs.append(np.column_stack([bottom, np.where(cut_first, right, left)]))
    return np.concatenate(pairs)


def _loops(segments: np.ndarray) -> list[np.ndarray]:
    """The segments joined: every vertex ends two of them, so they make closed lines."""
    order = np.argsort(segments.ravel(), kind="stable")
    neighbours = segments[:, ::-1].ravel()[order].reshape(-1, 2)
    visited = np.zeros(len(neighbours), bool)
    pairs = neighbours.tolist()
    loops = []
    for start in range(len(pairs)):
        if visited[start]:
            continue
        loop, previous, current = [], -1, start
        while not visited[current]:
            visited[current] = True
            loop.append(current)
            first, second = pairs[current]
            previous, current = current, first if first != previous else second
        loops.append(np.array(loop))
    return loops
