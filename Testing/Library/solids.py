"""Closed surfaces of known solids, as triangles, and what analytic dose-volume curves need of them."""

from __future__ import annotations

import numpy as np


def revolved(
    radii_mm: np.ndarray, heights_mm: np.ndarray, around: int = 180, stretch: tuple[float, float, float] = (1, 1, 1)
) -> tuple[np.ndarray, np.ndarray]:
    """The surface of a profile turned about z, closed at both ends by points on the axis.

    Args:
        radii_mm: of the rings, from the first to the last.
        heights_mm: of the rings; the ends' heights close the surface.
        around: corners a ring.
        stretch: factors along x, y, z afterwards.
    """
    angle = np.arange(around) * 2 * np.pi / around
    # Rings are polygons of the circle's own area.
    own_area = np.sqrt(2 * np.pi / around / np.sin(2 * np.pi / around))
    ring = np.stack([np.cos(angle), np.sin(angle)], axis=1) * own_area
    points = [np.array([[0.0, 0.0, heights_mm[0]]])]
    points += [np.column_stack([ring * r, np.full(around, h)]) for r, h in zip(radii_mm, heights_mm, strict=True)]
    points.append(np.array([[0.0, 0.0, heights_mm[-1]]]))
    here, beside = np.arange(around), np.roll(np.arange(around), -1)
    triangles = [np.stack([np.zeros(around, int), 1 + beside, 1 + here], axis=1)]
    for n in range(len(radii_mm) - 1):
        low, high = 1 + n * around, 1 + (n + 1) * around
        triangles.append(np.stack([low + here, low + beside, high + here], axis=1))
        triangles.append(np.stack([low + beside, high + beside, high + here], axis=1))
    last = 1 + len(radii_mm) * around
    start = last - around
    triangles.append(np.stack([np.full(around, last), start + here, start + beside], axis=1))
    return np.vstack(points) * stretch, np.vstack(triangles)


def ball(radius_mm: float, stretch: tuple[float, float, float] = (1, 1, 1)) -> tuple[np.ndarray, np.ndarray]:
    """A sphere, or with ``stretch`` an ellipsoid."""
    polar = np.linspace(0.0, np.pi, 181)[1:-1]
    return revolved(radius_mm * np.sin(polar), -radius_mm * np.cos(polar), stretch=stretch)


def cylinder(radius_mm: float, height_mm: float) -> tuple[np.ndarray, np.ndarray]:
    """A cylinder about z, centred at the origin."""
    return revolved(np.array([radius_mm, radius_mm]), np.array([-height_mm / 2, height_mm / 2]))


def cap_fraction(height: float) -> float:
    """Part of a sphere of radius 1 that lies above a plane at this height, -1..1."""
    h = 1.0 - min(max(height, -1.0), 1.0)
    return h**2 * (3.0 - h) / 4.0


def segment_fraction(distance: float) -> float:
    """Part of a disc of radius 1 beyond a chord at this signed distance from the centre, -1..1."""
    d = min(max(distance, -1.0), 1.0)
    return float((np.arccos(d) - d * np.sqrt(1.0 - d**2)) / np.pi)


def inverse(falling, value: float, low: float, high: float) -> float:  # noqa: ANN001
    """Where a falling function has a value, by bisection."""
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if falling(middle) > value else (low, middle)
    return low
