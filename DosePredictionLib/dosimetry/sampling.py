"""The dose at many evenly spread points inside a structure: what every dose-volume figure is counted from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from DosePredictionLib.errors import InputError
from DosePredictionLib.patient.volume import Volume

#: Small structures are divided until at least so many samples lie inside, so that one sample is 0.01 % of the volume.
FEWEST_SAMPLES = 10_000
#: Samples stand for no more than this volume, so that D0.03cc is read between about ten of them.
LARGEST_SAMPLE_CC = 0.003
#: Dividing stops before there would be more samples than this; coarse masks of the whole body stay affordable.
MOST_SAMPLES = 400_000
#: A voxel is cut into at most so many parts along an axis; linear interpolation has nothing finer to show.
MOST_PARTS_PER_AXIS = 8
#: How many points are interpolated at once; bounds the memory that their coordinates take.
CHUNK = 1_000_000


@dataclass(frozen=True)
class DoseSamples:
    """Doses at points that each stand for the same volume.

    Attributes:
        dose_gy: (n,) float32, Gy; empty for an empty structure.
        sample_volume_cc: volume that each sample stands for.
        outside_dose_fraction: part of the samples, 0..1, that lies beyond the dose grid, where the dose counts as 0.
    """

    dose_gy: np.ndarray
    sample_volume_cc: float
    outside_dose_fraction: float


def sample_dose(dose: Volume, mask: Volume, name: str) -> DoseSamples:
    """Interpolate the dose linearly at the centres of the mask's voxels, or of equal parts of these voxels.

    The structure is exactly the union of its mask's voxels: dividing voxels adds dose points and leaves shape and
    volume as the mask says. (The alternative, interpolating the mask and cutting it at 0.5, rounds corners off: spheres
    of 2.5, 4, 6 and 10 mm radius on 2.5 mm voxels keep 68, 83, 92 and 98 % of their volume; whole voxels keep 104, 99,
    99 and 100 %, the mean over random positions.)

    Args:
        dose: Gy, on any grid. It counts as 0 where the mask reaches more than half a dose voxel beyond the outermost
            voxel centres.
        mask: non-zero inside, on its own grid with any spacing and direction.
        name: the structure's name, for the message.

    Raises:
        InputError: the dose inside the structure is not a number somewhere.
    """
    box = occupied_box(mask.array)
    if box is None:
        return DoseSamples(np.zeros(0, np.float32), mask.geometry.voxel_volume_cc, 0.0)
    inside = mask.array[box] != 0
    start = (box[0].start, box[1].start, box[2].start)
    part = Volume(inside, mask.geometry.cropped(start, inside.shape))
    voxels = int(np.count_nonzero(inside))
    spacing_x, spacing_y, spacing_z = mask.geometry.spacing_mm
    parts = voxel_division(voxels, (spacing_z, spacing_y, spacing_x))

    same_lattice = _start_on_same_lattice(dose, part) if parts == (1, 1, 1) else None
    if same_lattice is not None:
        samples, outside = _taken(dose, part, same_lattice)
    else:
        samples, outside = _interpolated(dose, part, parts)
    if not np.isfinite(samples).all():
        count = int(np.count_nonzero(~np.isfinite(samples)))
        raise InputError(
            f"The dose is not a number at {count} of {samples.size} points in structure {name!r}; "
            "repair the dose, or recompute it."
        )
    return DoseSamples(samples, mask.geometry.voxel_volume_cc / int(np.prod(parts)), outside / samples.size)


def occupied_box(array: np.ndarray) -> tuple[slice, slice, slice] | None:
    """The smallest box that holds all non-zero voxels of a (z, y, x) array; None when there are none."""
    # Each axis is searched only within what the axes before it left: a small organ in a large CT costs one pass.
    # A reduction of bytes by their maximum is many times faster than `any`, which turns them into booleans first.
    part = array.view(np.uint8) if array.dtype == bool else array
    box: list[slice] = []
    for axis in range(3):
        occupied = np.flatnonzero(_any_over_other_axes(part, axis))
        if occupied.size == 0:
            return None
        box.append(slice(int(occupied[0]), int(occupied[-1]) + 1))
        part = part[(slice(None),) * axis + (box[-1],)]
    return box[0], box[1], box[2]


def _any_over_other_axes(array: np.ndarray, axis: int) -> np.ndarray:
    others = tuple(a for a in range(3) if a != axis)
    if array.dtype == np.uint8:
        return array.max(axis=others, initial=0) != 0
    return (array != 0).any(axis=others)


def voxel_division(voxels: int, spacing_mm: tuple[float, float, float]) -> tuple[int, int, int]:
    """Into how many parts each voxel of a mask is cut along its three axes.

    The longest edge is cut first, so that the parts become as cubic as they can.

    Args:
        voxels: number of voxels in the mask.
        spacing_mm: edge lengths of a voxel.
    """
    parts = [1, 1, 1]
    voxel_cc = float(np.prod(spacing_mm)) / 1000.0
    while True:
        pieces = int(np.prod(parts))
        if voxels * pieces >= FEWEST_SAMPLES and voxel_cc / pieces <= LARGEST_SAMPLE_CC:
            break
        divisible = [axis for axis in range(3) if parts[axis] < MOST_PARTS_PER_AXIS]
        if not divisible:
            break
        longest = max(divisible, key=lambda axis: spacing_mm[axis] / parts[axis])
        if voxels * pieces // parts[longest] * (parts[longest] + 1) > MOST_SAMPLES:
            break
        parts[longest] += 1
    return parts[0], parts[1], parts[2]


def _start_on_same_lattice(dose: Volume, part: Volume) -> tuple[int, int, int] | None:
    """Where ``part`` begins in the dose's own index, when its voxels coincide with the dose's; else None."""
    start = dose.geometry.index_of_lps(np.asarray(part.geometry.origin_mm))
    z, y, x = (int(round(float(value))) for value in start)
    coincides = dose.geometry.cropped((z, y, x), part.geometry.shape).is_close(part.geometry)
    return (z, y, x) if coincides else None


def _taken(dose: Volume, part: Volume, start: tuple[int, int, int]) -> tuple[np.ndarray, int]:
    """Dose at the mask's voxels when these are voxels of the dose grid: nothing to interpolate."""
    shape = part.array.shape
    low = [max(0, -s) for s in start]
    high = [min(n, available - s) for s, n, available in zip(start, shape, dose.array.shape, strict=True)]
    samples = np.zeros(shape, np.float32)
    covered = np.zeros(shape, bool)
    if all(a < b for a, b in zip(low, high, strict=True)):
        here = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
        there = tuple(slice(s + a, s + b) for s, a, b in zip(start, low, high, strict=True))
        samples[here] = dose.array[there]
        covered[here] = True
    return samples[part.array], int(np.count_nonzero(part.array & ~covered))


def _interpolated(dose: Volume, part: Volume, parts: tuple[int, int, int]) -> tuple[np.ndarray, int]:
    """Dose at the centres of the parts of the mask's voxels, and how many of them lie outside the dose grid."""
    from scipy.ndimage import map_coordinates

    # Index in the dose = matrix @ index in the mask + shift, both in (z, y, x).
    corners = dose.geometry.index_of_lps(part.geometry.lps_of_index(np.vstack([np.zeros(3), np.eye(3)])))
    shift, matrix = corners[0], (corners[1:] - corners[0]).T
    steps = [(np.arange(n) + 0.5) / n - 0.5 for n in parts]
    offsets = matrix @ np.stack(np.meshgrid(*steps, indexing="ij")).reshape(3, -1)
    shape = np.asarray(dose.array.shape, dtype=float)[:, None, None]
    array = dose.array if dose.array.dtype in (np.float32, np.float64) else dose.array.astype(np.float32)

    voxels = np.argwhere(part.array)
    samples = np.empty(len(voxels) * offsets.shape[1], np.float32)
    outside_count = 0
    step = max(1, CHUNK // offsets.shape[1])
    for begin in range(0, len(voxels), step):
        centres = matrix @ voxels[begin : begin + step].T + shift[:, None]
        points = centres[:, :, None] + offsets[:, None, :]
        # Voxels have an extent: the grid ends half a voxel beyond the outermost centres, where the dose is theirs.
        outside = ((points < -0.5 - 1e-6) | (points > shape - 0.5 + 1e-6)).any(axis=0)
        values = map_coordinates(array, points, order=1, mode="nearest", output=np.float32)
        values[outside] = 0.0
        outside_count += int(np.count_nonzero(outside))
        first = begin * offsets.shape[1]
        samples[first : first + values.size] = values.ravel()
    return samples, outside_count
