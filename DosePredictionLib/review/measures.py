"""The figures that warnings rest on. What they are held against is in `thresholds`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from DosePredictionLib.conditioning.dose_region import body_mask
from DosePredictionLib.conditioning.grid import model_geometry
from DosePredictionLib.conditioning.resampling import resample
from DosePredictionLib.errors import InputError
from DosePredictionLib.patient.geometry import Geometry
from DosePredictionLib.patient.patient import Patient
from DosePredictionLib.patient.structure import Structure, StructureRole
from DosePredictionLib.patient.volume import Volume
from DosePredictionLib.patient.voxel_box import occupied_box

#: Of so many voxels, evenly spread, a share is known to a tenth of a percent or so.
_VOXELS_LOOKED_AT = 50_000


@dataclass(frozen=True)
class Body:
    """The patient's outline on a coarse axial grid.

    Attributes:
        inside: (z, y, x) boolean.
        geometry: its grid, at least as wide as the CT.
        covered: (z, y, x) boolean, where the CT is: all of the grid, unless the CT lies on it at an angle.
    """

    inside: np.ndarray
    geometry: Geometry
    covered: np.ndarray


def body_of(patient: Patient) -> Body | None:
    """The external contour, or else the solid part of the CT; None where neither tells.

    A dose region is no outline: it ends where the plan's dose does.
    """
    geometry = model_geometry(patient.geometry)
    outlined = patient.with_structures(s for s in patient.structures if s.role is not StructureRole.DOSE_REGION)
    try:
        inside = body_mask(outlined, geometry)
    except InputError:
        return None
    return Body(inside, geometry, patient.geometry.covers(geometry))


def near_skin_percent(target: Structure, body: Body, within_mm: float) -> float:
    """Part of a target's volume, %, that lies nearer than ``within_mm`` to the skin or outside the body.

    Half a voxel is taken off distances, which are those between voxel centres; beyond the CT counts as body.
    """
    inside = resample(target.mask, body.geometry) >= 0.5
    box = _box_around(inside, body.geometry, within_mm + 10.0)
    if box is None:
        return 0.0
    part = np.pad((body.inside | ~body.covered)[box], 1, constant_values=True)
    if part.all():
        return 0.0
    x, y, z = body.geometry.spacing_mm
    distance = ndimage.distance_transform_edt(part, sampling=(z, y, x))[1:-1, 1:-1, 1:-1] - 0.5 * min(x, y)
    return 100.0 * float(np.mean(distance[inside[box]] < within_mm))


@dataclass(frozen=True)
class DoseOutline:
    """What the predicted dose ends at: outside it is 0, whatever lies there.

    Attributes:
        name: as a sentence calls it ("the external contour").
        parts: masks, of which one is enough to be inside.
        ends_early: whether it ends below and above where the plan's dose does, not where the patient does.
        coarse: whether it was seen on a coarse grid rather than drawn, so that the skin is known to some millimetres.
    """

    name: str
    parts: tuple[Volume, ...]
    ends_early: bool = False
    coarse: bool = False


def dose_outline(patient: Patient, body: Body | None) -> DoseOutline | None:
    """The data's own dose region, as in `dose_region`, or else the external contour, or else the body seen in the CT.

    Args:
        patient: whose structures are looked at.
        body: what `body_of` found.
    """
    regions, externals = (patient.with_role(role) for role in (StructureRole.DOSE_REGION, StructureRole.EXTERNAL))
    if regions:
        return DoseOutline("the dose region", tuple(s.mask for s in regions), ends_early=True)
    if externals:
        return DoseOutline("the external contour", tuple(s.mask for s in externals))
    if body is None:
        return None
    return DoseOutline("the body seen in the CT", (Volume(body.inside, body.geometry),), coarse=True)


def points_of(structure: Structure) -> np.ndarray:
    """LPS positions, mm, of a structure's voxels, (n, 3); of large ones every second, third ... voxel."""
    mask = structure.mask
    voxels = np.flatnonzero(mask.array.astype(bool, copy=False))
    voxels = voxels[:: 1 + len(voxels) // _VOXELS_LOOKED_AT]
    index = np.column_stack(np.unravel_index(voxels, mask.array.shape)).astype(float)
    return np.asarray(mask.geometry.lps_of_index(index))


def outside_percent(structure: Structure, outline: DoseOutline, ends_mm: float) -> float:
    """Part of a structure's volume, %, outside the outline.

    Args:
        structure: looked at voxel by voxel, large ones at every second, third ... voxel.
        outline: what it should lie in.
        ends_mm: of an outline that ends early, what lies beyond its first and last slice, or so near, is let pass.
    """
    points_mm = points_of(structure)
    if not len(points_mm):
        return 0.0
    inside = np.zeros(len(points_mm), bool)
    let_pass = np.full(len(points_mm), outline.ends_early)
    for part in outline.parts:
        index = np.rint(part.geometry.index_of_lps(points_mm)).astype(int)
        there = np.all((index >= 0) & (index < part.array.shape), axis=1)
        inside[there] |= part.array[tuple(index[there].T)] != 0
        if outline.ends_early and part.array.any():
            slices = np.flatnonzero(part.array.any(axis=(1, 2)))
            end = ends_mm / part.geometry.spacing_mm[2]
            let_pass &= (index[:, 0] < slices[0] + end) | (index[:, 0] > slices[-1] - end)
    return 100.0 * float(np.mean(~inside & ~let_pass))


def median_dose_gy(dose: Volume, structure: Structure) -> float:
    """The dose of the voxel of a dose nearest to each voxel of a structure, in the middle of all; NaN for none.

    Beyond the dose's grid is no dose.
    """
    points_mm = points_of(structure)
    if not len(points_mm):
        return float("nan")
    index = np.rint(dose.geometry.index_of_lps(points_mm)).astype(int)
    there = np.all((index >= 0) & (index < dose.array.shape), axis=1)
    found = np.zeros(len(points_mm))
    found[there] = dose.array[tuple(index[there].T)]
    return float(np.median(found))


def volume_above_hu_cc(ct: Volume, threshold_hu: float) -> float:
    """Volume of the CT's voxels at or above a value, cc."""
    return int(np.count_nonzero(ct.array >= threshold_hu)) * ct.geometry.voxel_volume_cc


def cut_off_slices_percent(patient: Patient, body: Body, touching_mm: float) -> float:
    """Part of the slices through targets, %, in which the body runs into the image's edge.

    Args:
        patient: with targets.
        body: its outline.
        touching_mm: a shorter contact with the edge is taken for a couch, a sleeve or noise.
    """
    heights = _target_slices(patient, body.geometry)
    if heights is None:
        return 0.0
    part = slice(heights[0], heights[1] + 1)
    x, y, _ = body.geometry.spacing_mm
    contacts_mm = [
        _longest_contact_mm(inside, covered, (x + y) / 2)
        for inside, covered in zip(body.inside[part], body.covered[part], strict=True)
    ]
    return 100.0 * float(np.mean(np.array(contacts_mm) >= touching_mm))


def _longest_contact_mm(inside: np.ndarray, covered: np.ndarray, pixel_mm: float) -> float:
    """How far the body runs along the image's edge in a slice, at a stretch."""
    edge = covered & ~ndimage.binary_erosion(covered)
    labels, count = ndimage.label(inside & edge, structure=np.ones((3, 3)))
    return pixel_mm * float(np.bincount(labels.ravel())[1:].max()) if count else 0.0


def target_to_ct_end_mm(patient: Patient) -> float:
    """Distance from the targets to the CT's first or last slice, whichever is nearer; negative beyond it."""
    geometry = patient.geometry
    nearest = np.inf
    normal_mm = geometry.spacing_mm[2]
    for target in patient.targets:
        voxels = np.argwhere(target.mask.array)
        if len(voxels):
            z = geometry.index_of_lps(target.mask.geometry.lps_of_index(voxels))[:, 0]
            nearest = min(nearest, float(z.min()) * normal_mm, (geometry.shape[0] - 1 - float(z.max())) * normal_mm)
    return nearest


@dataclass(frozen=True)
class HotSpot:
    """The largest connected volume outside the targets at or above a dose.

    Attributes:
        volume_cc: its volume; 0 when there is none.
        maximum_gy: the highest dose outside the targets and their margin.
        centre_mm: LPS of its hottest voxel; None when there is none.
    """

    volume_cc: float
    maximum_gy: float
    centre_mm: tuple[float, float, float] | None


def hot_spot_outside_targets(patient: Patient, dose: Volume, level_gy: float, margin_mm: float) -> HotSpot:
    """The largest hot spot farther than ``margin_mm`` from every target."""
    near = np.zeros(dose.geometry.shape, dtype=bool)
    for target in patient.targets:
        near |= resample(target.mask, dose.geometry) >= 0.5
    x, y, z = dose.geometry.spacing_mm
    box = _box_around(near, dose.geometry, margin_mm)
    if box is not None:
        near[box] = ndimage.distance_transform_edt(~near[box], sampling=(z, y, x)) <= margin_mm
    outside = np.where(near, 0.0, dose.array)
    maximum_gy = float(outside.max())
    hot = outside >= level_gy
    where = occupied_box(hot) if level_gy > 0.0 else None
    if where is None:
        return HotSpot(0.0, maximum_gy, None)
    labels, _ = ndimage.label(hot[where])
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    largest = int(sizes.argmax())
    hottest = np.unravel_index(int(np.where(labels == largest, outside[where], 0.0).argmax()), labels.shape)
    centre = np.add(hottest, [part.start for part in where]).astype(float)
    px, py, pz = (float(v) for v in dose.geometry.lps_of_index(centre))
    return HotSpot(int(sizes[largest]) * dose.geometry.voxel_volume_cc, maximum_gy, (px, py, pz))


def mean_std_percent(dose: Volume, std: Volume, prescription_gy: float, from_percent: float) -> float:
    """Mean standard deviation, in % of the prescription, where the dose reaches ``from_percent`` % of it."""
    return mean_percent_where_dosed(dose.array, std.on_grid(dose.geometry).array, prescription_gy, from_percent)


def mean_percent_where_dosed(
    dose_gy: np.ndarray, std_gy: np.ndarray, prescription_gy: float, from_percent: float
) -> float:
    """`mean_std_percent` of voxels; NaN where none has so much dose."""
    if not prescription_gy > 0.0:
        return float("nan")
    inside = dose_gy >= from_percent / 100.0 * prescription_gy
    if not inside.any():
        return float("nan")
    return 100.0 * float(std_gy[inside].mean(dtype=np.float64)) / prescription_gy


def _box_around(mask: np.ndarray, geometry: Geometry, margin_mm: float) -> tuple[slice, slice, slice] | None:
    box = occupied_box(mask)
    if box is None:
        return None
    grown = []
    for part, spacing, size in zip(box, geometry.spacing_mm[::-1], mask.shape, strict=True):
        more = int(np.ceil(margin_mm / spacing)) + 1
        grown.append(slice(max(0, part.start - more), min(size, part.stop + more)))
    return grown[0], grown[1], grown[2]


def _target_slices(patient: Patient, geometry: Geometry) -> tuple[int, int] | None:
    """First and last slice of a grid that a target lies in."""
    found: list[float] = []
    for target in patient.targets:
        voxels = np.argwhere(target.mask.array)
        if len(voxels):
            z = geometry.index_of_lps(target.mask.geometry.lps_of_index(voxels))[:, 0]
            found += [float(z.min()), float(z.max())]
    if not found:
        return None
    last = geometry.shape[0] - 1
    return min(last, max(0, round(min(found)))), max(0, min(last, round(max(found))))
