"""Anatomical planes through a patient, and volumes seen in them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import numpy as np

from DosePredictionLib.patient.geometry import Geometry
from DosePredictionLib.patient.volume import Volume

#: Pixels are squares of one millimetre, so that pixels and millimetres are the same in a view.
PIXEL_MM = 1.0


class Orientation(Enum):
    """The three anatomical planes; the value is what a caption says."""

    AXIAL = "Axial"
    CORONAL = "Coronal"
    SAGITTAL = "Sagittal"


#: LPS directions of a view's right and down.
_LAYOUT = {
    Orientation.AXIAL: ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0)),
    Orientation.CORONAL: ((1.0, 0.0, 0.0), (0.0, 0.0, -1.0)),
    Orientation.SAGITTAL: ((0.0, 1.0, 0.0), (0.0, 0.0, -1.0)),
}


def edge_letters(right: np.ndarray, down: np.ndarray) -> tuple[str, str, str, str]:
    """The letters at the left, right, top and bottom edge of a view: R, L, A, P, S and I.

    Args:
        right, down: (3,) LPS directions in which the view is drawn; an oblique one counts as the nearest axis.
    """
    return _letter_towards(-right), _letter_towards(right), _letter_towards(-down), _letter_towards(down)


def _letter_towards(direction: np.ndarray) -> str:
    axis = int(np.abs(direction).argmax())
    return ("RL", "AP", "IS")[axis][int(direction[axis] > 0.0)]


@dataclass(frozen=True)
class Plane:
    """A rectangular view.

    Attributes:
        orientation: which plane.
        point_mm: LPS point that the plane goes through.
        centre_mm: LPS point whose projection lies in the view's middle.
        width_mm: from left to right.
        height_mm: from top to bottom.
    """

    orientation: Orientation
    point_mm: tuple[float, float, float]
    centre_mm: tuple[float, float, float]
    width_mm: int
    height_mm: int

    @property
    def edge_letters(self) -> tuple[str, str, str, str]:
        """The letters at the left, right, top and bottom edge."""
        right, down, _ = self._axes
        return edge_letters(right, down)

    @property
    def point_in_view(self) -> tuple[float, float]:
        """Where `point_mm` lies in the view, mm from its left and top edge."""
        right, down, _ = self._axes
        offset = np.subtract(self.point_mm, self.centre_mm)
        return (
            float(offset @ right) + self.width_mm / 2,
            float(offset @ down) + self.height_mm / 2,
        )

    def sample(self, volume: Volume, outside: float = 0.0) -> np.ndarray:
        """The volume at the view's pixels, interpolated linearly; (height, width) float32, first row at the top."""
        from scipy.ndimage import map_coordinates

        field = np.full((self.height_mm, self.width_mm), outside, dtype=np.float32)
        rows, columns = self._reached(volume.geometry)
        if rows.start >= rows.stop or columns.start >= columns.stop:
            return field
        right, down, normal = self._axes
        middle = np.asarray(self.centre_mm) + normal * (np.subtract(self.point_mm, self.centre_mm) @ normal)
        across = (np.arange(self.width_mm) + 0.5 - self.width_mm / 2)[None, columns, None] * PIXEL_MM
        below = (np.arange(self.height_mm) + 0.5 - self.height_mm / 2)[rows, None, None] * PIXEL_MM
        index = np.moveaxis(volume.geometry.index_of_lps(middle + across * right + below * down), -1, 0)
        array = volume.array.view(np.uint8) if volume.array.dtype == bool else volume.array
        field[rows, columns] = map_coordinates(
            array, index, order=1, mode="grid-constant", cval=outside, output=np.float32
        )
        return field

    @property
    def _axes(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """LPS directions of the view's right, down and depth."""
        right, down = (np.asarray(part) for part in _LAYOUT[self.orientation])
        return right, down, np.cross(right, down)

    def _reached(self, geometry: Geometry) -> tuple[slice, slice]:
        """The rows and columns that a grid, or the voxel's width around it that is interpolated, may reach."""
        right, down, normal = self._axes
        corners = geometry.lps_of_index(geometry.corners(1.0)) - np.asarray(self.centre_mm)
        depth = corners @ normal - np.subtract(self.point_mm, self.centre_mm) @ normal
        if depth.min() > 0.0 or depth.max() < 0.0:
            return slice(0, 0), slice(0, 0)
        rows, columns = (
            slice(max(0, int(np.floor(at.min())) - 1), min(size, int(np.ceil(at.max())) + 1))
            for at, size in (
                (corners @ down / PIXEL_MM + self.height_mm / 2, self.height_mm),
                (corners @ right / PIXEL_MM + self.width_mm / 2, self.width_mm),
            )
        )
        return rows, columns
