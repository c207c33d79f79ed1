"""Structures made from others: with a margin, shells around and inside, one without another, several together.

All in millimetres of the patient, on grids of any spacing. A margin's border runs through voxels, so the results are
masks of fractions (the part of each voxel inside) wherever that is affordable; `compute_dvh` reads them as such.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from DosePredictionLib.dosimetry.partial_voxels import is_fractional, parts_inside
from DosePredictionLib.patient.geometry import Geometry, Index3, index3
from DosePredictionLib.patient.structure import Structure, StructureRole
from DosePredictionLib.patient.volume import Volume
from DosePredictionLib.patient.voxel_box import box_corners, occupied_box

#: Distances are measured on parts of voxels up to this size, as long as there aren't more of them than the next figure.
LARGEST_PART_MM = 1.5
MOST_PARTS = 2_500_000
#: Surfaces are smoothed by a Gaussian of this standard deviation before margins are added, in voxels.
SMOOTHING_VOXELS = 0.5
#: Voxels that two surfaces run through are cut into so many parts along each axis, to see what they share.
_PARTS_SHARED = 4


def expanded(structure: Structure, margin_mm: float, name: str | None = None) -> Structure:
    """A structure with a margin all around: a planning risk volume (PRV).

    Args:
        structure: whose mask is not empty; its role and names are not kept.
        margin_mm: at least 0.
        name: of the result; None writes it like TG-263 (``SpinalCord_PRV05``).
    """
    reach = _grown_outward(structure.measured, 0.0, margin_mm, with_inside=True)
    return _derived(name or f"{structure.name}_PRV{margin_mm:02g}", reach, structure)


def ring_outside(structure: Structure, inner_mm: float, outer_mm: float, name: str | None = None) -> Structure:
    """The shell from ``inner_mm`` to ``outer_mm`` outside a structure's surface."""
    shell = _grown_outward(structure.measured, inner_mm, outer_mm, with_inside=False)
    return _derived(name or f"ring {inner_mm:g}-{outer_mm:g} mm around {structure.name}", shell, structure)


def ring_inside(structure: Structure, inner_mm: float, outer_mm: float, name: str | None = None) -> Structure:
    """The shell from ``inner_mm`` to ``outer_mm`` below a structure's surface."""
    box = _box_around(structure.measured, 0.0)
    inside = _inside(box)
    outside = Volume(~inside, box.geometry)
    # Distance to the outside, kept within the structure.
    shell = _shell(outside, inner_mm, outer_mm, with_inside=False)
    return _derived(
        name or f"ring {inner_mm:g}-{outer_mm:g} mm inside {structure.name}",
        Volume((shell * inside).astype(np.float32), box.geometry),
        structure,
    )


def contracted(structure: Structure, margin_mm: float, name: str | None = None) -> Structure:
    """A structure less a margin all around; empty where no part of it is that deep.

    Args:
        structure: whose mask is not empty.
        margin_mm: more than 0.
        name: of the result.
    """
    box = _box_around(structure.measured, 0.0)
    inside = _inside(box)
    near = _shell(Volume(~inside, box.geometry), 0.0, margin_mm, with_inside=True)
    rest = Volume(_as_mask((inside * (1.0 - near)).astype(np.float32)), box.geometry)
    return _derived(name or f"{structure.name} less {margin_mm:g} mm", rest, structure)


def minus(structure: Structure, others: Sequence[Structure], name: str | None = None) -> Structure:
    """A structure without what it shares with others: ``Lungs-GTV``."""
    own = structure.measured
    rest = own.array if is_fractional(own.array) else (own.array != 0).astype(np.float32)
    for other in others:
        rest = rest - _shared(rest, _fractions_on(other.measured, own.geometry))
    label = name or f"{structure.name}-{'-'.join(other.name for other in others)}"
    return _derived(label, Volume(_as_mask(rest), own.geometry), structure)


def combined(structures: Sequence[Structure], name: str | None = None) -> Structure:
    """Several structures as one: both parotids, both lungs. On the first one's grid, made large enough for all."""
    first = structures[0].measured
    geometry = _grid_over([structure.measured for structure in structures])
    if any(structure.measured.geometry.start_of(first.geometry) is None for structure in structures[1:]):
        # The finest grid of them shows the others without loss.
        finest = min((s.measured for s in structures), key=lambda mask: mask.geometry.voxel_volume_cc)
        geometry = _grid_over([finest, *(s.measured for s in structures if s.measured is not finest)])
    union = np.zeros(geometry.shape, np.float32)
    for structure in structures:
        added = _fractions_on(structure.measured, geometry)
        union += added - _shared(union, added)
    return _derived(name or "+".join(s.name for s in structures), Volume(_as_mask(union), geometry), structures[0])


def intersection(structure: Structure, other: Structure, name: str | None = None) -> Structure:
    """What two structures share: a ring clipped to the body."""
    own = structure.measured
    mine = own.array if is_fractional(own.array) else (own.array != 0).astype(np.float32)
    shared = _shared(mine, _fractions_on(other.measured, own.geometry))
    return _derived(name or f"{structure.name} in {other.name}", Volume(_as_mask(shared), own.geometry), structure)


def _derived(name: str, mask: Volume, origin: Structure) -> Structure:
    """A structure that is measured only; it keeps the prescription of the target it was made from."""
    return replace(origin, name=name, mask=mask, role=StructureRole.OTHER, standard_name=None)


def _shared(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """The part of each voxel that lies inside both of two structures, whose fractions these are."""
    shared = one * other
    # Where both surfaces run through a voxel, it matters on which sides of them their insides lie.
    voxels = np.argwhere((one > 0.0) & (one < 1.0) & (other > 0.0) & (other < 1.0))
    if len(voxels):
        steps = (np.arange(_PARTS_SHARED) + 0.5) / _PARTS_SHARED - 0.5
        offsets = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), axis=-1).reshape(-1, 3)
        both = (parts_inside(one, voxels, offsets) & parts_inside(other, voxels, offsets)).mean(axis=1)
        place = tuple(voxels.T)
        shared[place] = np.minimum(both, np.minimum(one[place], other[place]))
    return shared


def _as_mask(fractions: np.ndarray) -> np.ndarray:
    return fractions if is_fractional(fractions) else (fractions > 0.5).astype(np.uint8)


def _inside(mask: Volume) -> np.ndarray:
    return mask.array >= 0.5 if is_fractional(mask.array) else mask.array != 0


def _box_around(mask: Volume, margin_mm: float) -> Volume:
    """The occupied part of a mask with room for a margin and one voxel more."""
    box = occupied_box(mask.array)
    if box is None:
        raise ValueError("an empty structure has no surroundings")
    spacing = mask.geometry.spacing_mm[::-1]
    room = [int(np.ceil(margin_mm / step)) + 1 for step in spacing]
    start = index3(part.start - r for part, r in zip(box, room, strict=True))
    shape = index3(part.stop - part.start + 2 * r for part, r in zip(box, room, strict=True))
    array = np.pad(mask.array[box], [(r, r) for r in room])
    return Volume(array, mask.geometry.cropped(start, shape))


def _grown_outward(mask: Volume, inner_mm: float, outer_mm: float, *, with_inside: bool) -> Volume:
    box = _box_around(mask, outer_mm)
    shell = _shell(Volume(_inside(box), box.geometry), inner_mm, outer_mm, with_inside=with_inside)
    return Volume(shell, box.geometry)


def _shell(inside: Volume, inner_mm: float, outer_mm: float, *, with_inside: bool) -> np.ndarray:
    """The part of each voxel whose distance from the surface lies between two figures; float32."""
    if not 0.0 <= inner_mm < outer_mm and not (with_inside and outer_mm == 0.0):
        raise ValueError(f"a shell from {inner_mm} to {outer_mm} mm has no thickness")
    parts = _parts(inside.geometry)
    distance = _distance_mm(inside, parts)
    # A part is inside when its centre is; the mean over a voxel's parts is the fraction of the voxel.
    within = (distance <= outer_mm) if with_inside else (distance > inner_mm) & (distance <= outer_mm)
    shape = inside.array.shape
    blocks = within.reshape(shape[0], parts[0], shape[1], parts[1], shape[2], parts[2])
    fractions = blocks.mean(axis=(1, 3, 5), dtype=np.float32)
    fractions[inside.array] = np.maximum(fractions[inside.array], 1.0) if with_inside else 0.0
    return fractions


def _parts(geometry: Geometry) -> Index3:
    """Into how many parts (odd, so that one lies at the centre) voxels are cut along z, y, x to measure distances."""
    parts = [1, 1, 1]
    spacing = geometry.spacing_mm[::-1]
    voxels = float(np.prod(geometry.shape))
    while True:
        axis = max(range(3), key=lambda a: spacing[a] / parts[a])
        finer = np.prod(parts) / parts[axis] * (parts[axis] + 2)
        if spacing[axis] / parts[axis] <= LARGEST_PART_MM and min(parts) >= 3 or voxels * finer > MOST_PARTS:
            return index3(parts)
        parts[axis] += 2


def _distance_mm(inside: Volume, parts: Index3) -> np.ndarray:
    """Distance of the parts of voxels from a structure's surface; 0 inside.

    The corners of a labelmap's voxels stick out of the surface that it was drawn from, and margins would start there.
    So distances are measured from a surface that is smoothed by about half a voxel: around spheres on voxels of 1 to 3
    mm, margins of 1 to 20 mm are right within 0.4 mm. No voxel is lost to the smoothing.
    """
    import SimpleITK as sitk
    from scipy.ndimage import gaussian_filter

    spacing = np.asarray(inside.geometry.spacing_mm) / parts[::-1]

    def signed_distance(points: np.ndarray) -> np.ndarray:
        image = sitk.GetImageFromArray(points.astype(np.uint8))
        image.SetSpacing([float(step) for step in spacing])
        signed = sitk.SignedMaurerDistanceMap(
            image, insideIsPositive=False, squaredDistance=False, useImageSpacing=True
        )
        return sitk.GetArrayFromImage(signed)

    union = inside.array
    for axis, count in enumerate(parts):
        union = np.repeat(union, count, axis=axis)
    if not union.any():
        return np.full(union.shape, np.inf, np.float32)
    half_part = float(min(spacing)) / 2.0
    if parts == (1, 1, 1):
        far = signed_distance(union)
        return np.where(far > 0.0, np.maximum(far - half_part, 1e-6), 0.0).astype(np.float32)
    # Distances below 0 are to the outermost parts inside, those above 0 from them: the surface lies half a part beyond.
    # Smoothing needs the distances near the structure only.
    box = occupied_box(union)
    assert box is not None
    near = tuple(
        slice(max(0, part.start - 3 * count), part.stop + 3 * count) for part, count in zip(box, parts, strict=True)
    )
    signed = signed_distance(union[near]) - half_part
    smooth = np.zeros(union.shape, bool)
    smooth[near] = gaussian_filter(signed, [SMOOTHING_VOXELS * count for count in parts]) < 0.0
    smooth[parts[0] // 2 :: parts[0], parts[1] // 2 :: parts[1], parts[2] // 2 :: parts[2]] |= inside.array
    far = signed_distance(smooth)
    return np.where(far > 0.0, np.maximum(far - half_part, 1e-6), 0.0).astype(np.float32)


def _grid_over(masks: Sequence[Volume]) -> Geometry:
    """The first mask's lattice, reaching over the occupied parts of all."""
    base = masks[0].geometry
    reached = [found for mask in masks if (found := _reach(mask, base)) is not None]
    if not reached:
        return base
    start = np.min([low for low, _ in reached], axis=0)
    stop = np.max([high for _, high in reached], axis=0)
    return base.cropped(index3(start), index3(np.maximum(stop - start, 1)))


def _reach(mask: Volume, geometry: Geometry) -> tuple[np.ndarray, np.ndarray] | None:
    """First index (z, y, x) and end of the voxels of a grid, or of its continuation, that a mask may touch."""
    box = occupied_box(mask.array)
    if box is None:
        return None
    index = geometry.index_of_lps(mask.geometry.lps_of_index(box_corners(box, 0.5)))
    return (
        np.floor(index.min(axis=0) + 0.5 + 1e-6).astype(int),
        np.ceil(index.max(axis=0) + 0.5 - 1e-6).astype(int),
    )


def _fractions_on(mask: Volume, geometry: Geometry) -> np.ndarray:
    """A mask as fractions on another grid; beyond its own grid 0."""
    fractions = np.zeros(geometry.shape, np.float32)
    reached = _reach(mask, geometry)
    if reached is not None:
        start, stop = np.maximum(reached[0], 0), np.minimum(reached[1], geometry.shape)
        if (start < stop).all():
            part = tuple(slice(a, b) for a, b in zip(start, stop, strict=True))
            fractions[part] = _fractions_within(mask, geometry.cropped(index3(start), index3(stop - start)))
    return fractions


def _fractions_within(mask: Volume, geometry: Geometry) -> np.ndarray:
    # Fractions lie between their voxels' centres as on a slope, zeros and ones have steps.
    steps = not is_fractional(mask.array)
    own = Volume((mask.array != 0).astype(np.uint8) if steps else np.clip(mask.array, 0.0, 1.0), mask.geometry)
    if geometry.start_of(mask.geometry) is not None:
        return own.on_grid(geometry, nearest=True).array.astype(np.float32)
    # Averaged over a voxel's parts: a structure finer than the grid is not lost between its points.
    finer = geometry.divided(3)
    if np.prod(finer.shape) > MOST_PARTS:
        return own.on_grid(geometry, nearest=steps).array.astype(np.float32)
    z, y, x = geometry.shape
    fine = own.on_grid(finer, nearest=steps).array.reshape(z, 3, y, 3, x, 3)
    return fine.mean(axis=(1, 3, 5), dtype=np.float32)
