"""Planar contours of a structure as a mask on the CT's voxels.

How a set of contours becomes a volume (PS3.3 C.8.8.6 leaves it open):

* An inner contour is a hole, a keyhole is one too; contours that cross each other count as their union, and one that is
  there twice once, wherever it starts and whichever way it turns: see `dicom_overlap`.
* The structure's own contour spacing is the largest distance between neighbouring planes that occurs at least at a
  quarter of them, up to 10 mm. CT slices between two planes no further apart get an interpolated shape (signed
  distances, linearly). A single missing plane between shapes that overlap is filled too, and told.
* A structure that has no planes nearer than 10 mm to each other, but mostly one distance of up to 20 mm between planes
  whose shapes overlap, was contoured on every third slice, say: it is interpolated like the others, and told.
* Wider gaps are gaps: separate parts of one structure stay apart. Where shapes beside a gap overlap, it is told.
* The outermost planes of a part reach half the contour spacing beyond themselves, so that the volume is the sum of
  area times spacing.
* Planes between CT slices, and contours closer than CT slices, go through the same interpolation.
* Contours in parallel planes that aren't the CT's slices are built up in planes of their own, then sampled at the CT's
  voxels. Contours in planes that aren't parallel, or that don't lie in a plane, are refused.
* A structure of few voxels gets a mask three times as fine along each axis, on the same grid otherwise: a lens or a
  cochlea keeps its volume.
* What is measured (volume, DVH, goals) is not the mask but the part of each voxel inside the contours, built up from
  the same planes: see `dicom_occupancy`, which also says how ends and the space between planes are treated there.

Points and open contours bound no volume and are passed over.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from scipy import ndimage

from DosePredictionLib.patient.dicom_distance import signed_distance
from DosePredictionLib.patient.dicom_occupancy import occupancy_of_contours
from DosePredictionLib.patient.dicom_overlap import PlaneContours, combined
from DosePredictionLib.patient.dicom_stack import WIDEST_GAP_MM
from DosePredictionLib.patient.geometry import Geometry, index3, vector3
from DosePredictionLib.patient.outlined_mask import FINER, MOST_VOXELS, SMALL_VOXELS, OutlinedMask
from DosePredictionLib.patient.volume import Volume

#: Contours this near to each other along the normal lie in one plane; exports round to 0.1 or 0.01 mm.
SAME_PLANE_MM = 0.1
#: Planes of a structure that is contoured coarsely, but evenly, are at most so far apart.
WIDEST_EVEN_MM = 20.0
#: Vertices may be off their contour's plane by this much.
_FLAT_MM = 0.5
#: Shapes above and below a gap must share this part of the smaller one to lie over each other.
_OVERLAP = 0.5
#: Contours may reach beyond the CT, but not by more than its own size.
_BEYOND = 1.0


class ContoursRefused(ValueError):
    """The contours bound no volume that can be built; the message says why, to follow the structure's name."""


@dataclass(frozen=True)
class Rasterised:
    """A structure's mask and how many planes had to be filled in.

    Attributes:
        mask: uint8 on the part of the CT's grid (or three times as fine) that holds the structure; an `OutlinedMask`,
            except where the structure is so large that there is nothing to gain.
        filled_planes: missing contour planes that were interpolated.
        coarse_mm: distance of the contour planes, where it is more than `WIDEST_GAP_MM` and the
            slices'; 0 otherwise.
        open_gap_mm: the widest gap left open between shapes that lie over each other; 0 when there is none.
        crossing_planes: planes on which contours cross each other and were taken together.
    """

    mask: Volume
    filled_planes: int = 0
    coarse_mm: float = 0.0
    open_gap_mm: float = 0.0
    crossing_planes: int = 0


def rasterise(contours: Sequence[np.ndarray], geometry: Geometry, exclusive: bool = False) -> Rasterised | None:
    """The mask of closed contours; None when they enclose nothing.

    Args:
        contours: vertices (n, 3) in LPS mm.
        geometry: the CT's grid.
        exclusive: whether contours of a plane combine by exclusive or even where they cross each other.

    Raises:
        ContoursRefused: the contours aren't planar or not parallel, or lie far outside the CT.
    """
    contours = _distinct([contour for contour in contours if len(contour) >= 3])
    if not contours:
        return None
    in_slices = [geometry.index_of_lps(contour) for contour in contours]
    slice_mm = geometry.spacing_mm[2]
    if all(np.ptp(index[:, 0]) * slice_mm <= _FLAT_MM for index in in_slices):
        return _rasterise_in_slices(in_slices, geometry, exclusive)
    own = _own_planes(contours, geometry)
    built = _rasterise_in_slices([own.index_of_lps(contour) for contour in contours], own, exclusive)
    if built is None:
        return None
    mask = _on_ct(built.mask, geometry)
    if isinstance(built.mask, OutlinedMask):
        mask = OutlinedMask(mask.array, mask.geometry, built.mask.occupancy)
    return replace(built, mask=mask)


def _distinct(contours: Sequence[np.ndarray]) -> list[np.ndarray]:
    """The contours without copies (of the same vertices, whichever comes first), which would cancel each other."""
    seen: dict[bytes, np.ndarray] = {}
    for contour in contours:
        seen.setdefault(np.unique(np.round(contour, 3) + 0.0, axis=0).tobytes(), contour)
    return list(seen.values())


@dataclass(frozen=True)
class _Plane:
    height: float  # index along z
    contours: PlaneContours


@dataclass(frozen=True)
class _Stack:
    """Planes that enclose something, ascending, and how they belong together.

    Attributes:
        heights: index along z.
        contours: of each plane.
        shapes: each plane's pixels inside, bool, in the box.
        joined: whether each plane and the next belong to one part.
        filled: missing planes within parts.
        spacing: the structure's own distance between planes, as index.
        open_gap: the widest gap between planes that lie over each other and yet belong to two parts, as index.
    """

    heights: np.ndarray
    contours: list[PlaneContours]
    shapes: list[np.ndarray]
    joined: list[bool]
    filled: int
    spacing: float
    open_gap: float


def _rasterise_in_slices(
    indices_zyx: Sequence[np.ndarray], geometry: Geometry, exclusive: bool
) -> Rasterised | None:  # fmt: skip
    """Build up contours that lie in the slices of a grid."""
    slice_mm = geometry.spacing_mm[2]
    box = _box(indices_zyx, geometry)
    stack = _stack(_planes(indices_zyx, geometry, exclusive), geometry, slice_mm, box)
    mask = _mask(stack, geometry, box)
    count = int(np.count_nonzero(mask.array))
    if count < SMALL_VOXELS:
        geometry = geometry.divided(FINER)
        shift = (FINER - 1) / 2
        box = (index3(FINER * value for value in box[0]), index3(FINER * value for value in box[1]))
        finer = [index * FINER + shift for index in indices_zyx]
        stack = _stack(_planes(finer, geometry, exclusive), geometry, slice_mm, box)
        mask = _mask(stack, geometry, box)
    if not mask.array.any():
        return None
    if count <= MOST_VOXELS:
        occupancy = occupancy_of_contours(stack.heights, stack.contours, stack.joined, stack.spacing, geometry, box)
        if occupancy is not None:
            mask = OutlinedMask(mask.array, mask.geometry, occupancy)
    spacing_mm = stack.spacing * geometry.spacing_mm[2]
    # On slices as far apart as the contours nothing is missing between them.
    coarse = spacing_mm > max(WIDEST_GAP_MM, slice_mm) * 1.01 and any(stack.joined)
    return Rasterised(
        mask, stack.filled, spacing_mm if coarse else 0.0,
        stack.open_gap * geometry.spacing_mm[2], sum(plane.crossing for plane in stack.contours),
    )  # fmt: skip


def _box(indices_zyx: Sequence[np.ndarray], geometry: Geometry) -> tuple[tuple[int, int, int], tuple[int, int, int]]:
    """Start and shape of the part of the grid (or of its continuation) that the structure may touch."""
    points = np.concatenate(indices_zyx)
    size = np.asarray(geometry.shape, dtype=float)
    reach = np.maximum(size * _BEYOND, WIDEST_GAP_MM / np.asarray(geometry.spacing_mm[::-1]))
    margin = np.array([0.5 * WIDEST_EVEN_MM / geometry.spacing_mm[2] + 1.0, 1.0, 1.0])
    low = np.maximum(np.floor(points.min(axis=0) - margin), -np.ceil(reach)).astype(int)
    high = np.minimum(np.ceil(points.max(axis=0) + margin) + 1, np.ceil(size + reach)).astype(int)
    if (high <= low).any():
        raise ContoursRefused("lies far outside the CT")
    return index3(low), index3(high - low)


def _planes(indices_zyx: Sequence[np.ndarray], geometry: Geometry, exclusive: bool) -> list[_Plane]:
    """Contours by plane, ascending."""
    tolerance = SAME_PLANE_MM / geometry.spacing_mm[2]
    planes: list[tuple[float, list[np.ndarray]]] = []
    for index in sorted(indices_zyx, key=lambda points: float(np.median(points[:, 0]))):
        height = float(np.median(index[:, 0]))
        if abs(height - round(height)) <= tolerance:
            height = float(round(height))
        if planes and height - planes[-1][0] <= tolerance:
            planes[-1][1].append(index[:, :0:-1])
        else:
            planes.append((height, [index[:, :0:-1]]))
    return [_Plane(height, combined(polygons, exclusive)) for height, polygons in planes]


def _stack(
    planes: list[_Plane], geometry: Geometry, slice_mm: float, box: tuple[tuple[int, int, int], tuple[int, int, int]]
) -> _Stack:
    """Fill all planes and see which belong together.

    Args:
        planes: ascending, in the grid's indices.
        geometry: the grid.
        slice_mm: the CT's slice distance, the contour spacing of a structure with a single contour plane.
        box: start and shape of the part of the grid that is looked at.
    """
    (_, y0, x0), (_, rows, columns) = box
    spacing_z = geometry.spacing_mm[2]
    shapes = [plane.contours.filled(rows, columns, np.array([x0, y0])) for plane in planes]
    steps_mm = np.diff(np.array([plane.height for plane in planes])) * spacing_z
    over = np.array([_lie_over(one, other) for one, other in pairwise(shapes)], dtype=bool)
    own = _contour_spacing(steps_mm, over, slice_mm) / spacing_z
    kept = [i for i, shape in enumerate(shapes) if shape.any()]
    shapes, heights = [shapes[i] for i in kept], np.array([planes[i].height for i in kept])
    joined, filled, open_gap = _joined(shapes, heights, own, own * spacing_z > WIDEST_GAP_MM * 1.01)
    return _Stack(heights, [planes[i].contours for i in kept], shapes, joined, filled, own, open_gap)


def _mask(stack: _Stack, geometry: Geometry, box: tuple[tuple[int, int, int], tuple[int, int, int]]) -> Volume:
    """The voxels whose centres lie inside the planes' shapes or what lies between them."""
    (z0, y0, x0), (depth, rows, columns) = box
    shapes, heights, own = stack.shapes, stack.heights, stack.spacing
    mask = np.zeros((depth, rows, columns), np.uint8)
    between = _Between(shapes, geometry)
    edge = 1e-6
    for z in range(depth if shapes else 0):
        at = float(z + z0)
        below = int(np.searchsorted(heights, at + edge, side="right")) - 1
        if below >= 0 and at - heights[below] <= edge:
            mask[z] = shapes[below]
        elif 0 <= below < len(heights) - 1 and stack.joined[below]:
            weight = (at - heights[below]) / (heights[below + 1] - heights[below])
            mask[z] = between.shape(below, float(weight))
        elif below >= 0 and at - heights[below] < own / 2 - edge:
            mask[z] = shapes[below]
        elif below < len(heights) - 1 and heights[below + 1] - at <= own / 2 + edge:
            mask[z] = shapes[below + 1]
    return Volume(mask, geometry.cropped((z0, y0, x0), (depth, rows, columns))).cropped_to_nonzero()


def _lie_over(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether the shapes of two neighbouring planes may be of one part."""
    smaller = min(int(one.sum()), int(other.sum()))
    return int((one & other).sum()) >= _OVERLAP * smaller


def _contour_spacing(steps_mm: np.ndarray, over: np.ndarray, slice_mm: float) -> float:
    """The structure's own distance between contour planes.

    Args:
        steps_mm: from each plane to the next.
        over: which of these lie over each other: the gap between two small parts is no distance of either's planes.
        slice_mm: of the CT, where the planes don't tell.
    """
    within = steps_mm[over] if over.any() else steps_mm
    # A single wide one among several is a missing plane.
    enough = max(0.25 * len(within), min(2, len(within)))
    for step in sorted(within, reverse=True):
        if step <= WIDEST_GAP_MM * 1.01 and np.count_nonzero(within >= step - SAME_PLANE_MM) >= enough:
            return float(step)
    # Two planes alone don't tell a coarse contouring from two parts.
    even = float(min(steps_mm, default=np.inf))
    if even <= WIDEST_EVEN_MM and len(steps_mm) > 1 and np.mean(steps_mm <= even + SAME_PLANE_MM) >= 0.5:
        return even
    return slice_mm


def _joined(shapes: list[np.ndarray], heights: np.ndarray, own: float, coarse: bool) -> tuple[list[bool], int, float]:
    """Which neighbouring planes belong to one part, how many planes are missing between those, and the widest open gap.

    Planes that are ``coarse``, and those on both sides of a missing one, belong together only if they overlap.
    """
    joined, filled, open_gap = [], 0, 0.0
    for index, step in enumerate(np.diff(heights)):
        near = bool(step <= own * 1.01 + 1e-6)
        if near and not coarse:
            joined.append(True)
            continue
        over = _lie_over(shapes[index], shapes[index + 1])
        whole = over and (near or not coarse and bool(step <= 2 * own * 1.01 + 1e-6))
        filled += whole and not near
        if over and not whole:
            open_gap = max(open_gap, float(step))
        joined.append(whole)
    return joined, filled, open_gap


class _Between:
    """Shapes between two planes by linear interpolation of signed distances, which are kept for the next slice."""

    def __init__(self, shapes: list[np.ndarray], geometry: Geometry) -> None:
        self._shapes = shapes
        self._sampling = (geometry.spacing_mm[1], geometry.spacing_mm[0])
        self._distances: dict[int, np.ndarray] = {}

    def shape(self, below: int, weight: float) -> np.ndarray:
        """The shape at ``weight`` of the way from a plane to the next."""
        for old in [index for index in self._distances if index < below]:
            del self._distances[old]
        return (1.0 - weight) * self._distance(below) + weight * self._distance(below + 1) > 0.0

    def _distance(self, index: int) -> np.ndarray:
        if index not in self._distances:
            self._distances[index] = signed_distance(self._shapes[index], self._sampling)
        return self._distances[index]


def _own_planes(contours: Sequence[np.ndarray], geometry: Geometry) -> Geometry:
    """A grid whose slices are the planes of contours that don't lie in the CT's slices.

    Raises:
        ContoursRefused: there are no such planes.
    """
    sizes = [np.linalg.svd(contour - contour.mean(axis=0), full_matrices=False) for contour in contours]
    areas = [values[0] * values[1] for _, values, _ in sizes]
    normal = sizes[int(np.argmax(areas))][2][2]
    for contour in contours:
        heights = contour @ normal
        if np.ptp(heights) > _FLAT_MM:
            raise ContoursRefused("has contours that do not lie in parallel planes")
    step = float(min(geometry.spacing_mm))
    axes = np.asarray(geometry.direction).reshape(3, 3).T
    along = axes[int(np.argmin(np.abs(axes @ normal)))]
    u = along - (along @ normal) * normal
    u /= np.linalg.norm(u)
    direction = np.column_stack([u, np.cross(normal, u), normal])
    points = np.concatenate(contours) @ direction
    low = points.min(axis=0)
    shape = np.ceil((points.max(axis=0) - low) / step).astype(int) + 1
    diagonal = float(np.linalg.norm(np.asarray(geometry.shape[::-1]) * np.asarray(geometry.spacing_mm)))
    if (shape * step > 2 * diagonal).any():
        raise ContoursRefused("lies far outside the CT")
    return Geometry(index3(shape[::-1]), (step, step, step), vector3(direction @ low), tuple(direction.ravel()))


def _on_ct(mask: Volume, geometry: Geometry) -> Volume:
    """A mask sampled at the voxels of the CT's grid, or of its threefold finer one when it is small."""
    wanted = geometry
    voxels = int(np.count_nonzero(mask.array)) * mask.geometry.voxel_volume_cc / geometry.voxel_volume_cc
    if voxels < SMALL_VOXELS:
        wanted = geometry.divided(FINER)
    index = wanted.index_of_lps(mask.geometry.lps_of_index(mask.geometry.corners(1.0)))
    start = np.floor(index.min(axis=0)).astype(int)
    shape = np.ceil(index.max(axis=0)).astype(int) + 1 - start
    part = wanted.cropped(index3(start), index3(shape))
    padded = np.pad(mask.array, 1)
    distances = signed_distance(padded, mask.geometry.spacing_mm[::-1])
    voxel_centres = part.lps_of_index(np.indices(part.shape).reshape(3, -1).T.astype(float))
    where = mask.geometry.index_of_lps(voxel_centres).T + 1.0
    inside = ndimage.map_coordinates(distances, where, order=1, mode="nearest") > 0.0
    return Volume(inside.reshape(part.shape).astype(np.uint8), part).cropped_to_nonzero()
