"""Structures made from others, against spheres whose volumes are known."""

from __future__ import annotations

import numpy as np
import pytest
from phantom import points_mm

from DosePredictionLib.dosimetry.derived import (
    combined,
    contracted,
    expanded,
    intersection,
    minus,
    ring_inside,
    ring_outside,
)
from DosePredictionLib.dosimetry.dvh import compute_dvh
from DosePredictionLib.dosimetry.partial_voxels import inside_cc
from DosePredictionLib.patient.geometry import Geometry
from DosePredictionLib.patient.structure import Structure, StructureRole
from DosePredictionLib.patient.volume import Volume

CENTRE_MM = np.array([4.3, -2.9, 7.1])
#: Cosine and sine of 45 degrees.
H = float(np.sqrt(0.5))
GRIDS = {
    "fine": Geometry((40, 40, 40), (1.0, 1.0, 1.0), (-16.0, -23.0, -13.0)),
    "CT slices": Geometry((16, 42, 42), (1.0, 1.0, 3.0), (-16.0, -23.0, -17.0)),
    "dose grid": Geometry((18, 18, 18), (2.5, 2.5, 2.5), (-17.0, -24.0, -14.0)),
    "oblique": Geometry((24, 24, 24), (2.0, 2.0, 2.0), (4.3, -36.0, -15.9), (H, -H, 0.0, H, H, 0.0, 0.0, 0.0, 1.0)),
}  # fmt: skip


def sphere_cc(radius_mm: float) -> float:
    return 4.0 / 3.0 * np.pi * radius_mm**3 / 1000.0


def sphere(geometry: Geometry, radius_mm: float = 15.0, shift_mm: tuple[float, float, float] = (0, 0, 0)) -> Structure:
    away = np.linalg.norm(points_mm(geometry) - CENTRE_MM - shift_mm, axis=-1)
    return Structure("PTV60", Volume((away <= radius_mm).astype(np.uint8), geometry), StructureRole.TARGET, None, 60.0)


def volume_cc(structure: Structure) -> float:
    mask = structure.mask.array
    total = mask.sum(dtype=float) if mask.dtype.kind == "f" else np.count_nonzero(mask)
    return float(total * structure.mask.geometry.voxel_volume_cc)


def distances(structure: Structure) -> np.ndarray:
    """How far from the sphere's centre the voxels that belong wholly to a structure lie, mm."""
    return np.linalg.norm(points_mm(structure.mask.geometry) - CENTRE_MM, axis=-1)[structure.mask.array >= 0.999]


@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("margin_mm", [3.0, 5.0, 10.0])
def test_margin_around_a_sphere_is_a_larger_sphere(grid: str, margin_mm: float) -> None:
    """Radius right within 0.4 mm, wherever the border falls between voxel centres; beyond the mask's own grid too."""
    prv = expanded(sphere(GRIDS[grid]), margin_mm)
    radius_mm = (volume_cc(prv) / sphere_cc(1.0)) ** (1.0 / 3.0)
    assert radius_mm == pytest.approx(15.0 + margin_mm, abs=0.4)
    assert distances(prv).max() < 15.0 + margin_mm + 0.5
    assert (prv.role, prv.standard_name, prv.prescription_gy) == (StructureRole.OTHER, None, 60.0)


@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize(("inner_mm", "outer_mm"), [(0.0, 3.0), (5.0, 10.0), (10.0, 20.0)])
def test_ring_outside_a_sphere_is_a_shell(grid: str, inner_mm: float, outer_mm: float) -> None:
    ring = ring_outside(sphere(GRIDS[grid]), inner_mm, outer_mm)
    expected = sphere_cc(15.0 + outer_mm) - sphere_cc(15.0 + inner_mm)
    assert volume_cc(ring) == pytest.approx(expected, rel=0.08)
    away = distances(ring)
    if away.size:
        assert 15.0 + inner_mm - 0.7 < away.min() < away.max() < 15.0 + outer_mm + 0.7


@pytest.mark.parametrize("grid", ["fine", "CT slices"])
def test_ring_inside_a_sphere(grid: str) -> None:
    ring = ring_inside(sphere(GRIDS[grid]), 0.0, 3.0)
    assert volume_cc(ring) == pytest.approx(sphere_cc(15.0) - sphere_cc(12.0), rel=0.05)
    assert distances(ring).min() > 11.4
    assert volume_cc(minus(sphere(GRIDS[grid]), [ring])) == pytest.approx(sphere_cc(12.0), rel=0.05)


@pytest.mark.parametrize("grid", GRIDS)
def test_a_sphere_less_a_margin_is_a_smaller_sphere(grid: str) -> None:
    ball = sphere(GRIDS[grid])
    less = contracted(ball, 5.0)
    radius_mm = (750.0 * volume_cc(less) / np.pi) ** (1 / 3)
    assert radius_mm == pytest.approx(10.0, abs=0.6)
    assert distances(less).max() < 10.0 + max(GRIDS[grid].spacing_mm), "nothing is left at the old surface"
    assert not contracted(ball, 20.0).mask.array.any(), "and nothing where it is not that deep"


def test_anisotropic_voxels_get_the_same_margin_in_every_direction() -> None:
    """One voxel of 1 x 1 x 3 mm and 6 mm around it: six voxels to each side, two slices above and below."""
    geometry = Geometry((15, 31, 31), (1.0, 1.0, 3.0))
    dot = np.zeros(geometry.shape, np.uint8)
    dot[7, 15, 15] = 1
    grown = expanded(Structure("dot", Volume(dot, geometry), StructureRole.OAR), 6.0).mask
    z, y, x = np.nonzero(grown.array > 0.5)
    assert np.ptp(x) + 1 == np.ptp(y) + 1 == 13
    assert np.ptp(z) + 1 == 5


def test_one_without_another() -> None:
    """A sphere without one that shares a lens with it: the lens of two equal spheres has a formula."""
    grid = GRIDS["fine"]
    lung, tumour = sphere(grid), sphere(grid, shift_mm=(12.0, 0.0, 0.0))
    d, r = 12.0, 15.0
    lens_cc = np.pi * (4 * r + d) * (2 * r - d) ** 2 / 12.0 / 1000.0
    rest = minus(lung, [tumour], "Lungs-GTV")
    assert rest.name == "Lungs-GTV"
    assert volume_cc(rest) == pytest.approx(sphere_cc(15.0) - lens_cc, rel=0.01)
    assert volume_cc(intersection(lung, tumour)) == pytest.approx(lens_cc, rel=0.01)


def test_one_without_another_on_a_coarser_and_shifted_grid() -> None:
    lung = sphere(GRIDS["fine"])
    tumour = sphere(GRIDS["dose grid"], radius_mm=10.0)
    assert volume_cc(minus(lung, [tumour])) == pytest.approx(sphere_cc(15.0) - volume_cc(tumour), rel=0.02)
    # And a fine structure leaves a coarse one in fractions of its voxels.
    rest = minus(sphere(GRIDS["dose grid"]), [sphere(GRIDS["fine"], radius_mm=10.0)])
    assert volume_cc(rest) == pytest.approx(volume_cc(sphere(GRIDS["dose grid"])) - sphere_cc(10.0), rel=0.02)


def test_two_organs_together_on_crops_of_one_grid() -> None:
    left = Structure("Lung_L", sphere(GRIDS["fine"], 7.0, (-9.0, 0, 0)).mask.cropped_to_nonzero(), StructureRole.OAR)
    right = Structure("Lung_R", sphere(GRIDS["fine"], 8.0, (9.0, 2, 0)).mask.cropped_to_nonzero(), StructureRole.OAR)
    both = combined([left, right], "Lungs")
    assert both.mask.array.dtype == np.uint8
    assert volume_cc(both) == pytest.approx(volume_cc(left) + volume_cc(right), rel=1e-6)
    other = Structure("Lung_R", sphere(GRIDS["CT slices"], 8.0, (9.0, 2, 0)).mask, StructureRole.OAR)
    assert volume_cc(combined([left, other])) == pytest.approx(volume_cc(left) + volume_cc(other), rel=0.02)


def test_dose_in_a_ring() -> None:
    """A dose that falls by 2 Gy a millimetre from the target's surface: 10 to 0 Gy between 5 and 10 mm."""
    grid = Geometry((60, 60, 60), (1.0, 1.0, 1.0), tuple(CENTRE_MM - 29.5))
    away = np.linalg.norm(points_mm(grid) - CENTRE_MM, axis=-1)
    dose = Volume(np.clip(20.0 - 2.0 * (away - 15.0), 0.0, 20.0).astype(np.float32), grid)
    dvh = compute_dvh(dose, ring_outside(sphere(GRIDS["fine"]), 5.0, 10.0))
    assert dvh.volume_cc == pytest.approx(sphere_cc(25.0) - sphere_cc(20.0), rel=0.03)
    assert dvh.dose_at_volume_percent(2.0) == pytest.approx(10.0, abs=0.8)
    assert dvh.dose_at_volume_percent(98.0) == pytest.approx(0.0, abs=0.8)


def test_shells_need_a_thickness() -> None:
    with pytest.raises(ValueError, match="from 5 to 5 mm has no thickness"):
        ring_outside(sphere(GRIDS["fine"]), 5, 5)


@pytest.mark.parametrize("grid", ["fine", "dose grid"])
def test_what_two_structures_share_counts_once(grid: str) -> None:
    """A structure with itself is itself, without itself nothing, voxels that its surface runs through included."""
    margin = expanded(sphere(GRIDS[grid], 8.0), 5.0)
    whole = volume_cc(margin)
    assert inside_cc(margin.mask) == pytest.approx(whole) != np.count_nonzero(margin.mask.array)
    assert volume_cc(combined([margin, margin])) == pytest.approx(whole, rel=0.01)
    assert volume_cc(intersection(margin, margin)) == pytest.approx(whole, rel=0.01)
    assert volume_cc(minus(margin, [margin])) < 0.01 * whole
    # One within the other, as a target of the lower level holds the higher one's.
    inner = expanded(sphere(GRIDS[grid], 8.0), 2.0)
    assert volume_cc(combined([margin, inner])) == pytest.approx(whole, rel=0.01)
    assert combined([margin, inner]).mask.array.max() <= 1.0
    assert volume_cc(minus(margin, [inner])) == pytest.approx(whole - volume_cc(inner), rel=0.02)
