"""Where the voxels of an array lie in the patient."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from DosePredictionLib.errors import InputError
from DosePredictionLib.patient.voxel_box import box_corners

if TYPE_CHECKING:
    import SimpleITK

FloatArray = np.ndarray
Index3 = tuple[int, int, int]
Vector3 = tuple[float, float, float]
IDENTITY_DIRECTION = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)


def index3(values: Iterable[float], what: str = "voxel index") -> Index3:
    """Three whole numbers (z, y, x), as plain integers; floats without a fraction count as whole.

    Args:
        values: the numbers.
        what: they are, for the message.

    Raises:
        InputError: they are not three, or not whole.
    """
    try:
        given = tuple(values)
        first, second, third = (int(value) for value in given)
        whole = (first, second, third) == given
    except (TypeError, ValueError, OverflowError):
        whole = False
    if not whole:
        raise InputError(f"The {what} is {values!r}; give three whole numbers, (z, y, x).")
    return first, second, third


def vector3(values: Iterable[float], what: str = "point") -> Vector3:
    """Three numbers (x, y, z), as plain floats.

    Args:
        values: the numbers.
        what: they are, for the message.

    Raises:
        InputError: they are not three, or no numbers.
    """
    try:
        first, second, third = (float(value) for value in values)
    except (TypeError, ValueError):
        raise InputError(f"The {what} is {values!r}; give three numbers, (x, y, z).") from None
    return first, second, third


def _direction9(values: Iterable[float] | Iterable[Iterable[float]]) -> tuple[float, ...]:
    """Nine numbers, flat or in rows, as plain floats."""
    try:
        cosines: list[float] = np.asarray(values, float).ravel().tolist()
    except (TypeError, ValueError):
        cosines = []
    if len(cosines) != 9:
        raise InputError("The direction of a grid is not nine numbers; give its direction cosines, row by row.")
    return tuple(cosines)


@dataclass(frozen=True)
class Geometry:
    """A regular grid of voxels in the patient's coordinates (LPS, mm).

    Arrays and lists become tuples of plain numbers.

    Attributes:
        shape: number of voxels (z, y, x), the shape of the array that lies on this grid.
        spacing_mm: distance between voxel centres along the grid's own axes (x, y, z), as SimpleITK orders them.
        origin_mm: centre of the first voxel, LPS (x, y, z).
        direction: row-major 3 x 3 direction cosines; column i is the direction of grid axis i, as in SimpleITK.

    Raises:
        InputError: the shape is not three whole numbers, the spacing not three numbers of more than 0, the origin not
            three numbers, or the direction not nine.
    """

    shape: Index3
    spacing_mm: Vector3
    origin_mm: Vector3 = (0.0, 0.0, 0.0)
    direction: tuple[float, ...] = IDENTITY_DIRECTION

    def __post_init__(self) -> None:
        object.__setattr__(self, "shape", index3(self.shape, "shape of a grid"))
        object.__setattr__(self, "spacing_mm", vector3(self.spacing_mm, "voxel spacing of a grid"))
        object.__setattr__(self, "origin_mm", vector3(self.origin_mm, "origin of a grid"))
        object.__setattr__(self, "direction", _direction9(self.direction))
        if not all(0.0 < value < math.inf for value in self.spacing_mm):
            spacing = " x ".join(f"{value:g}" for value in self.spacing_mm)
            raise InputError(f"A grid has a voxel spacing of {spacing} mm; give the distances between voxel centres.")

    @classmethod
    def of_image(cls, image: SimpleITK.Image) -> Geometry:
        """The grid of a 3D SimpleITK image."""
        x, y, z = image.GetSize()
        return cls((z, y, x), vector3(image.GetSpacing()), vector3(image.GetOrigin()), tuple(image.GetDirection()))

    @property
    def voxel_volume_cc(self) -> float:
        """Volume of one voxel in cubic centimetres."""
        return float(np.prod(self.spacing_mm)) / 1000.0

    @property
    def index_to_lps(self) -> FloatArray:
        """4 x 4 matrix from voxel index (x, y, z, 1) to LPS millimetres."""
        matrix = np.eye(4)
        matrix[:3, :3] = np.asarray(self.direction).reshape(3, 3) * np.asarray(self.spacing_mm)
        matrix[:3, 3] = self.origin_mm
        return matrix

    @property
    def lps_to_index(self) -> FloatArray:
        """4 x 4 matrix from LPS millimetres to (fractional) voxel index (x, y, z, 1)."""
        return np.linalg.inv(self.index_to_lps)

    def lps_of_index(self, index_zyx: FloatArray) -> FloatArray:
        """LPS millimetres (..., 3) of voxel indices (..., 3) given in array order (z, y, x)."""
        matrix = self.index_to_lps
        return np.asarray(index_zyx)[..., ::-1] @ matrix[:3, :3].T + matrix[:3, 3]

    def index_of_lps(self, points_mm: FloatArray) -> FloatArray:
        """Fractional voxel indices (..., 3) in array order (z, y, x) of points in LPS millimetres (..., 3)."""
        matrix = self.lps_to_index
        return (np.asarray(points_mm) @ matrix[:3, :3].T + matrix[:3, 3])[..., ::-1]

    def corners(self, beyond: float = 0.0) -> FloatArray:
        """The corners of the grid; see `box_corners`."""
        return box_corners((slice(0, size) for size in self.shape), beyond)

    def start_of(self, other: Geometry, tolerance_mm: float = 1e-3) -> Index3 | None:
        """Index (z, y, x) of this grid, or of its continuation, at which another grid begins that has its voxels.

        Args:
            other: the other grid.
            tolerance_mm: how far apart the voxels' centres may lie.

        Returns:
            None when the voxels don't coincide.
        """
        start = index3(round(float(value)) for value in self.index_of_lps(np.asarray(other.origin_mm)))
        return start if self.cropped(start, other.shape).is_close(other, tolerance_mm) else None

    def cropped(self, start_zyx: Index3, shape: Index3) -> Geometry:
        """The grid of ``array[start : start + shape]``; a negative start or a large shape pads instead."""
        origin = self.lps_of_index(np.asarray(start_zyx, dtype=float))
        return Geometry(index3(shape), self.spacing_mm, vector3(origin), self.direction)

    def divided(self, parts: int) -> Geometry:
        """The grid with each voxel cut into ``parts`` along each axis."""
        origin = self.lps_of_index(np.full(3, -0.5 + 0.5 / parts))
        spacing = vector3(value / parts for value in self.spacing_mm)
        return Geometry(index3(parts * n for n in self.shape), spacing, vector3(origin), self.direction)

    def covers(self, other: Geometry) -> np.ndarray:
        """Boolean (z, y, x) on another grid: which of its voxels' centres lie in a voxel of this one.

        Not those on the very border, where `Volume.on_grid` may give what lies outside.
        """
        matrix = np.linalg.inv(self.index_to_lps) @ other.index_to_lps
        index = np.ogrid[tuple(slice(size) for size in other.shape)][::-1]  # x, y, z
        covered = np.ones((1, 1, 1), bool)
        for row, size in zip(matrix[:3], reversed(self.shape), strict=True):
            # Axes that this one doesn't turn with stay one voxel wide: parallel grids cost nothing.
            parts = (step * one for step, one in zip(row[:3], index, strict=True) if abs(step) > 1e-9)
            place = sum(parts, np.full((1, 1, 1), row[3]))
            covered = covered & (place > -0.5 + 1e-3) & (place < size - 0.5 - 1e-3)
        return np.broadcast_to(covered, other.shape)

    def meets(self, other: Geometry) -> bool:
        """Whether the boxes of two grids meet, looked at along the axes of the other."""
        index = other.index_of_lps(self.lps_of_index(self.corners(0.5)))
        return bool((index.max(axis=0) > -0.5).all() and (index.min(axis=0) < np.asarray(other.shape) - 0.5).all())

    def is_close(self, other: Geometry, tolerance_mm: float = 1e-3) -> bool:
        """Whether both grids have the same shape and put every voxel within ``tolerance_mm`` of each other."""
        if self.shape != other.shape:
            return False
        corners = self.corners()
        return bool(np.abs(self.lps_of_index(corners) - other.lps_of_index(corners)).max() <= tolerance_mm)
