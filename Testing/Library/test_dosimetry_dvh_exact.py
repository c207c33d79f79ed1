"""DVHs of closed surfaces against formulas: solids, gradients, grids, and structures of a few voxels."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from phantom import points_mm
from solids import ball, cap_fraction, cylinder, inverse, segment_fraction

from DosePredictionLib.dosimetry.closed_surface import occupancy_of_surface, occupancy_on_part, surface_volume_cc
from DosePredictionLib.dosimetry.dvh import compute_dvh, compute_dvhs
from DosePredictionLib.errors import InputError
from DosePredictionLib.patient.geometry import Geometry
from DosePredictionLib.patient.structure import Structure, StructureRole
from DosePredictionLib.patient.volume import Volume

CENTRE_MM = np.array([1.3, -4.2, 7.7])
Surface = tuple[np.ndarray, np.ndarray]


def grid(half_mm: float, spacing_mm: tuple[float, float, float], shift_mm: np.ndarray | None = None) -> Geometry:
    """A grid of at least ``half_mm`` to each side of the centre, its voxels at odd places to it."""
    count = [int(np.ceil(2 * (half_mm + step) / step)) for step in spacing_mm]
    first = CENTRE_MM - (np.array(count) - 1) / 2 * spacing_mm + (0.0 if shift_mm is None else shift_mm)
    return Geometry(tuple(reversed(count)), spacing_mm, tuple(first))


def structure(surface: Surface, geometry: Geometry) -> Structure:
    points, triangles = surface
    return Structure("solid", occupancy_of_surface(points + CENTRE_MM, triangles, geometry), StructureRole.OAR)


def dose(formula: Callable[[np.ndarray], np.ndarray], spacing_mm: float = 2.0, half_mm: float = 45.0) -> Volume:
    """A dose by its formula of the place (x, y, z) from the centre."""
    geometry = grid(half_mm, (spacing_mm,) * 3, np.array([0.3, -0.4, 0.9]))
    return Volume(formula(points_mm(geometry) - CENTRE_MM).astype(np.float32), geometry)


def sphere_cc(radius_mm: float) -> float:
    return 4.0 / 3.0 * np.pi * radius_mm**3 / 1000.0


# Volumes


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (2.5, 2.5, 2.5), (5.4, 5.4, 3.0)])
def test_volume_of_a_sphere_of_three_voxels_wherever_it_lies(spacing: tuple[float, float, float]) -> None:
    """Within 0.5 % at every place on the grid, where the count of its voxels is off by up to 10 %."""
    radius_mm = 3.0 * spacing[0]
    points, triangles = ball(radius_mm)
    rng = np.random.default_rng(5)
    counted = []
    for _ in range(8):
        geometry = grid(radius_mm, spacing, rng.uniform(-0.5, 0.5, 3) * spacing)
        solid = structure((points, triangles), geometry)
        dvh = compute_dvh(dose(lambda at: at[..., 0] + 50.0), solid)
        assert dvh.volume_cc == pytest.approx(sphere_cc(radius_mm), rel=0.005)
        assert dvh.differential_cc.sum() == pytest.approx(dvh.volume_cc)
        away = np.linalg.norm(points_mm(geometry) - CENTRE_MM, axis=-1)
        counted.append((away <= radius_mm).sum() * geometry.voxel_volume_cc / sphere_cc(radius_mm) - 1.0)
    assert np.abs(counted).max() > 0.01


def test_volumes_of_surfaces() -> None:
    assert surface_volume_cc(*ball(20.0)) == pytest.approx(sphere_cc(20.0), rel=1e-3)
    assert surface_volume_cc(*ball(20.0, (1.0, 0.5, 1.5))) == pytest.approx(0.75 * sphere_cc(20.0), rel=1e-3)
    points, triangles = cylinder(10.0, 30.0)
    assert surface_volume_cc(points + 500.0, triangles) == pytest.approx(np.pi * 3.0, rel=1e-6)


def test_partial_voxels_of_a_box() -> None:
    """A box of 5 x 4 x 3 mm from 0.25, 0.5, 0.75 of a voxel on: faces fill the part of their voxels that they cover."""
    corners = np.array([[x, y, z] for x in (0.25, 5.25) for y in (0.5, 4.5) for z in (0.75, 3.75)])
    faces = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    triangles = np.array([t for a, b, c, d in faces for t in ((a, b, c), (a, c, d))])
    inside = occupancy_of_surface(corners - 0.5, triangles, Geometry((6, 7, 8), (1.0, 1.0, 1.0))).array
    assert inside.sum() == pytest.approx(60.0)
    np.testing.assert_allclose(inside[:, 2, 2], [0.25, 1.0, 1.0, 0.75, 0.0, 0.0], atol=1e-5)
    np.testing.assert_allclose(inside[1, :, 2], [0.5, 1.0, 1.0, 1.0, 0.5, 0.0, 0.0], atol=1e-5)
    np.testing.assert_allclose(inside[1, 2, :], [0.75, 1.0, 1.0, 1.0, 1.0, 0.25, 0.0, 0.0], atol=1e-5)


def test_surface_within_a_surface_is_a_hole() -> None:
    outer, triangles = ball(12.0)
    inner, _ = ball(7.0)
    both = np.vstack([outer, inner]), np.vstack([triangles, triangles + len(outer)])
    shell = structure(both, grid(12.0, (2.0, 2.0, 2.0)))
    volume_cc = shell.mask.array.sum() * 0.008
    assert volume_cc == pytest.approx(sphere_cc(12.0) - sphere_cc(7.0), rel=0.003)


def test_surface_that_reaches_beyond_its_grid_keeps_what_lies_on_it() -> None:
    half = Geometry((13, 26, 26), (1.0, 1.0, 1.0), tuple(CENTRE_MM + (-12.5, -12.5, 0.5)))
    solid = structure(ball(12.0), half)
    assert solid.mask.array.sum() == pytest.approx(1000.0 * sphere_cc(12.0) / 2.0, rel=0.003)


def test_open_surface_is_refused() -> None:
    points, triangles = cylinder(10.0, 30.0)
    with pytest.raises(InputError, match="The surface is not closed: .*close it"):
        occupancy_of_surface(points + CENTRE_MM, triangles[180:], grid(16.0, (2.0, 2.0, 2.0)))


def test_part_of_a_ct_that_holds_a_surface() -> None:
    """A small one three times as fine, a large one not at all, and none where the mask is all there is."""
    ct = grid(60.0, (2.0, 2.0, 2.5))
    points, triangles = ball(7.0)
    small = occupancy_on_part(points + CENTRE_MM, triangles, ct)
    assert small is not None and small.geometry.spacing_mm == pytest.approx((2 / 3, 2 / 3, 2.5 / 3))
    assert small.array.sum() * small.geometry.voxel_volume_cc == pytest.approx(sphere_cc(7.0), rel=0.003)
    assert np.prod(small.array.shape) * small.geometry.voxel_volume_cc < 3.0 * sphere_cc(7.0), "no more than it needs"
    medium = occupancy_on_part(*shifted(ball(30.0)), ct)
    assert medium is not None and medium.geometry.spacing_mm == ct.spacing_mm
    assert medium.array.sum() * medium.geometry.voxel_volume_cc == pytest.approx(sphere_cc(30.0), rel=0.003)
    assert occupancy_on_part(*shifted(ball(50.0)), grid(60.0, (1.0, 1.0, 2.0))) is None, "250,000 voxels"
    assert occupancy_on_part(points + 500.0, triangles, ct) is None, "far away"
    assert occupancy_on_part(points + CENTRE_MM, triangles[180 * 40 :], ct) is None, "open"
    assert occupancy_on_part(points, np.zeros((0, 3), int), ct) is None, "nothing"


def shifted(surface: Surface) -> Surface:
    return surface[0] + CENTRE_MM, surface[1]


# Curves

GRIDS = {
    "finer than the dose": (1.0, 1.0, 1.0),
    "CT slices": (1.0, 1.0, 3.0),
    "coarser than the dose": (4.0, 4.0, 4.0),
}


def assert_curve(dvh, at_or_above: Callable[[float], float], low: float, high: float, slope: float) -> None:
    """Volumes within 0.5 % of the structure, doses within 0.3 mm of the gradient (Gy/mm)."""
    for gray in np.linspace(low, high, 13)[1:-1]:
        assert dvh.volume_at_dose_percent(gray) == pytest.approx(100.0 * at_or_above(gray), abs=0.6)
    for percent in (98.0, 95.0, 50.0, 10.0, 2.0):
        expected = inverse(at_or_above, percent / 100.0, low, high)
        assert dvh.dose_at_volume_percent(percent) == pytest.approx(expected, abs=0.3 * slope)


@pytest.mark.parametrize("spacing", GRIDS.values(), ids=GRIDS)
def test_sphere_in_a_linear_gradient(spacing: tuple[float, float, float]) -> None:
    dvh = compute_dvh(
        dose(lambda at: 40.0 + at @ np.array([1.0, 2.0, -2.0]) / 3.0), structure(ball(20.0), grid(20.0, spacing))
    )
    assert_curve(dvh, lambda gray: cap_fraction((gray - 40.0) / 20.0), 20.0, 60.0, 1.0)
    assert dvh.mean_gy == pytest.approx(40.0, abs=0.02)


@pytest.mark.parametrize("spacing", GRIDS.values(), ids=GRIDS)
def test_ellipsoid_in_a_linear_gradient_along_its_axes(spacing: tuple[float, float, float]) -> None:
    solid = structure(ball(20.0, (0.6, 1.0, 1.4)), grid(28.0, spacing))
    for axis, half in enumerate((12.0, 20.0, 28.0)):
        dvh = compute_dvh(dose(lambda at, axis=axis: 50.0 + at[..., axis]), solid)
        assert dvh.volume_cc == pytest.approx(0.84 * sphere_cc(20.0), rel=0.005)
        assert_curve(dvh, lambda gray, half=half: cap_fraction((gray - 50.0) / half), 50.0 - half, 50.0 + half, 1.0)


@pytest.mark.parametrize("spacing", GRIDS.values(), ids=GRIDS)
def test_cylinder_in_linear_gradients(spacing: tuple[float, float, float]) -> None:
    """Along its axis the curve is a straight line, caps included; across it, the segment of a circle."""
    solid = structure(cylinder(15.0, 37.0), grid(20.0, spacing))
    along = compute_dvh(dose(lambda at: 40.0 + at[..., 2]), solid)
    assert along.volume_cc == pytest.approx(np.pi * 15.0**2 * 37.0 / 1000.0, rel=0.005)
    assert_curve(along, lambda gray: (58.5 - gray) / 37.0, 21.5, 58.5, 1.0)
    across = compute_dvh(dose(lambda at: 40.0 + at[..., 0]), solid)
    assert_curve(across, lambda gray: segment_fraction((gray - 40.0) / 15.0), 25.0, 55.0, 1.0)


def test_sphere_in_a_quadratic_dose() -> None:
    """60 Gy at the centre and 20 Gy at 20 mm: V(D) is (r / R)^3.

    The dose is known at points 1 mm apart; between them the straight line lies 0.04 Gy below the parabola.
    """
    dvh = compute_dvh(
        dose(lambda at: 60.0 - 0.1 * (at**2).sum(axis=-1), 1.0, 25.0),
        structure(ball(20.0), grid(20.0, (2.0, 2.0, 2.0))),
    )
    assert_curve(dvh, lambda gray: (max(60.0 - gray, 0.0) / 0.1) ** 1.5 / 8000.0, 20.0, 60.0, 4.0)
    assert dvh.mean_gy == pytest.approx(60.0 - 0.1 * 0.6 * 400.0, abs=0.15)
    assert dvh.volume_at_dose_percent(40.0) == pytest.approx(100.0 / 8**0.5, abs=0.5)


def test_cylinder_in_an_exponential_dose() -> None:
    """A depth dose: 60 Gy at the upper end, a tenth less each 5 mm; V falls with the logarithm of the dose."""
    rate = -np.log(0.9) / 5.0
    solid = structure(cylinder(12.0, 40.0), grid(22.0, (2.0, 2.0, 2.5)))
    dvh = compute_dvh(dose(lambda at: 60.0 * np.exp(-rate * (20.0 - at[..., 2]))), solid)
    low = 60.0 * np.exp(-rate * 40.0)
    assert_curve(dvh, lambda gray: np.log(60.0 / gray) / rate / 40.0, low, 60.0, rate * 60.0)
    assert dvh.mean_gy == pytest.approx(60.0 * (1.0 - np.exp(-rate * 40.0)) / (rate * 40.0), rel=2e-3)


def test_dose_far_coarser_than_the_structure() -> None:
    """A dose on 5 mm voxels in a structure of 8 mm: between its points it is interpolated, and there are no steps."""
    solid = structure(ball(4.0), grid(4.0, (1.0, 1.0, 1.0)))
    dvh = compute_dvh(dose(lambda at: 30.0 + 2.0 * at[..., 1], 5.0, 20.0), solid)
    assert_curve(dvh, lambda gray: cap_fraction((gray - 30.0) / 8.0), 22.0, 38.0, 2.0)
    assert np.unique(dvh.samples_gy).size > 100


# Small structures


def capped_dose(volume_cc: float, radius_mm: float) -> float:
    """The dose at a plane that cuts this volume off a sphere in a dose of 40 Gy + 2 Gy/mm."""
    part = volume_cc / sphere_cc(radius_mm)
    return 40.0 + 2.0 * radius_mm * inverse(cap_fraction, part, -1.0, 1.0)


@pytest.mark.parametrize("shift", [(0.0, 0.0, 0.0), (0.4, -0.3, 0.2), (1.2, 0.9, -1.1)])
def test_hottest_volumes_of_a_sphere_of_three_voxels(shift: tuple[float, float, float]) -> None:
    """In 2 Gy/mm a lens-sized sphere's D0.03cc is right to 0.3 mm; its hottest voxel is off by a millimetre."""
    solid = structure(ball(7.5), grid(7.5, (2.5, 2.5, 2.5), np.array(shift)))
    dvh = compute_dvh(dose(lambda at: 40.0 + 2.0 * at[..., 0]), solid)
    for volume_cc in (0.03, 0.1, 0.5, 1.0, 1.7):
        assert dvh.dose_at_volume_cc(volume_cc) == pytest.approx(capped_dose(volume_cc, 7.5), abs=0.6)
    assert dvh.max_gy == pytest.approx(55.0, abs=1.0)
    assert dvh.min_gy == pytest.approx(25.0, abs=1.0)
    assert dvh.complement_dose_cc(0.5) == pytest.approx(80.0 - capped_dose(0.5, 7.5), abs=0.6)


def test_structure_smaller_than_the_volume_asked_for() -> None:
    """A sphere of 0.01 cc: D0.03cc and D2cc are its minimum, as the definition says; the maximum stays what it is."""
    radius_mm = (0.01 / sphere_cc(1.0)) ** (1.0 / 3.0)
    dvh = compute_dvh(
        dose(lambda at: 40.0 + 2.0 * at[..., 0]), structure(ball(radius_mm), grid(radius_mm, (1.0, 1.0, 1.0)))
    )
    assert dvh.volume_cc == pytest.approx(0.01, rel=0.005)
    assert dvh.dose_at_volume_cc(0.03) == dvh.dose_at_volume_cc(2.0) == dvh.min_gy
    assert dvh.min_gy == pytest.approx(40.0 - 2.0 * radius_mm, abs=0.3)
    assert dvh.dose_at_volume_cc(0.005) == pytest.approx(40.0, abs=0.1)
    assert dvh.complement_dose_cc(0.03) == dvh.max_gy == pytest.approx(40.0 + 2.0 * radius_mm, abs=0.3)
    assert dvh.volume_at_dose_cc(0.0) == pytest.approx(0.01, rel=0.005)


# Masks of fractions


def test_one_voxel_filled_by_a_quarter() -> None:
    """Fractions count as volumes; of a voxel on its own its middle is read."""
    geometry = Geometry((3, 3, 3), (10.0, 10.0, 10.0))
    array = np.zeros(geometry.shape, np.float32)
    array[1, 1, 1] = 0.25
    spot = Structure("spot", Volume(array, geometry), StructureRole.OAR)
    x = np.broadcast_to(np.array([0.0, 10.0, 20.0], np.float32), geometry.shape)
    dvh = compute_dvh(Volume(np.ascontiguousarray(x), geometry), spot)
    assert dvh.volume_cc == pytest.approx(0.25)
    assert dvh.mean_gy == pytest.approx(10.0, abs=0.3)
    assert 5.0 < dvh.min_gy < dvh.max_gy < 15.0


def test_a_partial_voxel_is_read_on_the_side_of_the_structure() -> None:
    """Half of a slice belongs to the slab above it: its dose is that of its upper half."""
    geometry = Geometry((6, 20, 20), (1.0, 1.0, 4.0))
    array = np.zeros(geometry.shape, np.float32)
    array[2], array[3:5] = 0.5, 1.0
    slab = Structure("slab", Volume(array, geometry), StructureRole.OAR)
    rows = np.arange(6, dtype=np.float32)[:, None, None] * 4.0
    dvh = compute_dvh(Volume(np.broadcast_to(rows, geometry.shape).copy(), geometry), slab)
    # From the middle of slice 2 (8 mm) to the upper end of slice 4 (18 mm), 1 Gy a millimetre.
    assert dvh.volume_cc == pytest.approx(4.0)
    assert dvh.mean_gy == pytest.approx(13.0, abs=0.1)
    assert dvh.dose_at_volume_percent(99.0) == pytest.approx(8.1, abs=0.4)
    assert dvh.volume_at_dose_percent(10.0) == pytest.approx(80.0, abs=3.0)


def test_whole_numbers_and_labels_are_no_fractions() -> None:
    """A labelmap's label, and ones in floating point, mean all of the voxel."""
    geometry = Geometry((4, 5, 6), (2.0, 2.0, 2.0))
    flat = Volume(np.full(geometry.shape, 30.0, np.float32), geometry)
    for array in (np.full(geometry.shape, 7, np.int16), np.ones(geometry.shape), np.ones(geometry.shape, bool)):
        assert compute_dvh(flat, Structure("all", Volume(array, geometry), StructureRole.OAR)).volume_cc == 0.96


# Two doses, and what can be read from a curve


def test_two_doses_are_read_at_the_same_points() -> None:
    """The n-th sample is the same place in both, so a dose and its double differ by exactly that."""
    solid = structure(ball(9.0), grid(9.0, (2.0, 2.0, 3.0)))
    first = dose(lambda at: 30.0 + at[..., 0])
    double = Volume(2.0 * first.array, first.geometry)
    other_grid = dose(lambda at: 30.0 + at[..., 0], 3.0)
    one, two, three = compute_dvhs([first, double, other_grid], solid)
    np.testing.assert_allclose(two.samples_gy, 2.0 * one.samples_gy, rtol=1e-6)
    np.testing.assert_allclose(three.samples_gy, one.samples_gy, atol=1e-3)
    assert one.volume_cc == two.volume_cc == three.volume_cc
    np.testing.assert_array_equal(one.samples_gy, compute_dvh(first, solid).samples_gy)


def test_differential_and_cumulative_curves() -> None:
    dvh = compute_dvh(dose(lambda at: 40.0 + at[..., 2]), structure(cylinder(15.0, 36.0), grid(20.0, (1.0, 1.0, 2.0))))
    gray, density = dvh.differential_percent_per_gy()
    width = np.diff(dvh.bin_edges_gy)
    assert (density * width).sum() == pytest.approx(100.0)
    # A straight gradient through a cylinder: the same volume for each Gy. Over 2 Gy, for planes of samples to even out.
    inside = (gray > 24.0) & (gray < 56.0)
    assert density[inside].reshape(-1, 40).mean(axis=1) == pytest.approx(np.full(16, 100.0 / 36.0), rel=0.05)
    at, volume_cc = dvh.cumulative_cc()
    assert volume_cc[0] == pytest.approx(dvh.volume_cc)
    assert volume_cc[np.argmin(np.abs(at - 40.0))] == pytest.approx(dvh.volume_cc / 2.0, rel=0.02)


def test_complements_add_up() -> None:
    dvh = compute_dvh(dose(lambda at: 40.0 + at[..., 0]), structure(ball(12.0), grid(12.0, (2.0, 2.0, 2.0))))
    for gray in (30.0, 40.0, 51.0):
        assert dvh.complement_volume_cc(gray) + dvh.volume_at_dose_cc(gray) == pytest.approx(dvh.volume_cc)
        assert dvh.complement_volume_percent(gray) + dvh.volume_at_dose_percent(gray) == pytest.approx(100.0)
    assert dvh.complement_dose_percent(30.0) == dvh.dose_at_volume_percent(70.0)
    assert dvh.complement_dose_cc(1.0) == pytest.approx(dvh.dose_at_volume_cc(dvh.volume_cc - 1.0))
    with pytest.raises(ValueError, match="a volume is not negative"):
        dvh.complement_dose_cc(-1.0)
