"""Contours become masks of the right volume in the right place, held against solids of known shape."""

from __future__ import annotations

import numpy as np
import pytest
from dicom_phantom import circle
from phantom import oblique_geometry

from DosePredictionLib.patient.dicom_contours import ContoursRefused, rasterise
from DosePredictionLib.patient.dicom_isolines import isolines
from DosePredictionLib.patient.dicom_polygons import fill_polygons
from DosePredictionLib.patient.geometry import Geometry
from DosePredictionLib.patient.volume import Volume

AXIAL = Geometry((60, 128, 128), (1.0, 1.0, 2.5), (-64.0, -64.0, -75.0))
#: Feet first and prone: both in-plane axes and the normal differ from those of head first supine.
FEET_FIRST = Geometry((60, 128, 128), (1.0, 1.0, 2.5), (64.0, -64.0, 75.0), (-1.0, 0, 0, 0, 1.0, 0, 0, 0, -1.0))
PRONE = Geometry((60, 128, 128), (1.0, 1.0, 2.5), (64.0, 64.0, -75.0), (-1.0, 0, 0, 0, -1.0, 0, 0, 0, 1.0))
OBLIQUE = oblique_geometry((1.1, 0.9, 2.5))
GRIDS = pytest.mark.parametrize("geometry", [AXIAL, FEET_FIRST, PRONE, OBLIQUE], ids=["HFS", "FFS", "HFP", "oblique"])
#: Off the voxel centres: a circle of whole millimetres about one has many of its points right on other centres.
MIDDLE = (64.37, 63.81)


def volume_cc(mask: Volume) -> float:
    return float(np.count_nonzero(mask.array)) * mask.geometry.voxel_volume_cc


def centroid_mm(mask: Volume) -> np.ndarray:
    return mask.geometry.lps_of_index(np.argwhere(mask.array)).mean(axis=0)


def holds(mask: Volume, point_mm: np.ndarray) -> bool:
    z, y, x = np.rint(mask.geometry.index_of_lps(point_mm)).astype(int)
    inside = all(0 <= i < n for i, n in zip((z, y, x), mask.array.shape, strict=True))
    return bool(inside and mask.array[z, y, x])


def ball(
    geometry: Geometry, radius_mm: float, *, step: int = 1, shift: float = 0.0, middle: float = 29.3
) -> list[np.ndarray]:
    """A ball's contours: every ``step`` slices, ``shift`` slices off them, about a height in slices."""
    contours = []
    for index in np.arange(0, geometry.shape[0], step) + shift:
        height = (index - middle) * geometry.spacing_mm[2]
        if abs(height) < radius_mm:
            contours.append(circle(geometry, index, MIDDLE, np.sqrt(radius_mm**2 - height**2)))
    return contours


@GRIDS
@pytest.mark.parametrize("radius_mm", [8.0, 25.0])
def test_a_ball_keeps_volume_and_place(geometry, radius_mm):
    mask = rasterise(ball(geometry, radius_mm), geometry).mask
    assert volume_cc(mask) == pytest.approx(4 / 3 * np.pi * radius_mm**3 / 1000, rel=0.02)
    spacing = geometry.spacing_mm
    middle = geometry.lps_of_index(np.array([29.3, MIDDLE[1] / spacing[1], MIDDLE[0] / spacing[0]]))
    assert np.abs(centroid_mm(mask) - middle).max() < 0.25


@GRIDS
@pytest.mark.parametrize("radius_mm", [3.0, 20.0])
def test_a_cylinder_keeps_its_volume(geometry, radius_mm):
    contours = [circle(geometry, index, MIDDLE, radius_mm) for index in range(10, 30)]
    mask = rasterise(contours, geometry).mask
    height = 20 * geometry.spacing_mm[2]
    assert volume_cc(mask) == pytest.approx(np.pi * radius_mm**2 * height / 1000, rel=0.01)


@pytest.mark.parametrize("shift", [0.0, 0.31, 0.5])
def test_contours_on_every_third_slice_and_between_slices_are_interpolated(shift):
    built = rasterise(ball(AXIAL, 30.0, step=3, shift=shift), AXIAL)
    assert volume_cc(built.mask) == pytest.approx(4 / 3 * np.pi * 27.0, rel=0.02)
    assert built.filled_planes == 0
    occupied = np.flatnonzero(built.mask.array.any(axis=(1, 2)))
    assert (np.diff(occupied) == 1).all(), "no empty slices"


def test_between_contours_a_cone_narrows_evenly():
    """Radii of 30, 24, 18 and 12 mm on every fourth slice of 2.5 mm, and 1.5 mm less a slice between them."""
    slices = {index: 30.0 - 1.5 * (index - 20) for index in range(20, 33)}
    mask = rasterise([circle(AXIAL, index, MIDDLE, slices[index]) for index in (20, 24, 28, 32)], AXIAL).mask
    start = round(float(mask.geometry.index_of_lps(AXIAL.lps_of_index(np.zeros(3)))[0]))
    for index, radius_mm in slices.items():
        area_mm2 = np.count_nonzero(mask.array[start + index])
        assert np.sqrt(area_mm2 / np.pi) == pytest.approx(radius_mm, abs=0.35), index


def test_contours_finer_than_the_ct_are_sampled():
    contours = [circle(AXIAL, index, MIDDLE, 20.0) for index in np.arange(10.0, 30.0, 0.4)]
    assert volume_cc(rasterise(contours, AXIAL).mask) == pytest.approx(np.pi * 400 * 20 * 2.5 / 1000, rel=0.015)


def torus(geometry: Geometry, ring_mm: float, tube_mm: float) -> list[np.ndarray]:
    """A torus lying in the slices: two circles a slice, the inner one a hole."""
    contours = []
    for index in range(geometry.shape[0]):
        height = (index - 30) * geometry.spacing_mm[2]
        if abs(height) < tube_mm:
            half = np.sqrt(tube_mm**2 - height**2)
            contours += [circle(geometry, index, MIDDLE, ring_mm + half),
                         circle(geometry, index, MIDDLE, ring_mm - half)]  # fmt: skip
    return contours


@GRIDS
def test_a_torus_has_its_hole(geometry):
    mask = rasterise(torus(geometry, 30.0, 12.0), geometry).mask
    assert volume_cc(mask) == pytest.approx(2 * np.pi**2 * 30.0 * 144.0 / 1000, rel=0.02)
    x, y = MIDDLE[0] / geometry.spacing_mm[0], MIDDLE[1] / geometry.spacing_mm[1]
    assert not holds(mask, geometry.lps_of_index(np.array([30.0, y, x])))
    assert holds(mask, geometry.lps_of_index(np.array([30.0, y, x + 30.0 / geometry.spacing_mm[0]])))


def test_a_torus_on_edge_parts_into_two_discs():
    """The hole is open to the side where single slices show two separate contours."""
    contours = []
    for index in range(60):
        z = (index - 30) * 2.5
        for outer, inner in [(np.sqrt(max(42.0**2 - z**2, 0)), np.sqrt(max(18.0**2 - z**2, 0)))]:
            if outer > inner > 0:
                contours += [
                    circle(AXIAL, index, (64 + s * (outer + inner) / 2, 64), (outer - inner) / 2) for s in (1, -1)
                ]
    mask = rasterise(contours, AXIAL).mask
    assert not holds(mask, AXIAL.lps_of_index(np.array([30.0, 64.0, 64.0])))
    assert holds(mask, AXIAL.lps_of_index(np.array([30.0, 64.0, 64.0 + 30.0])))
    assert holds(mask, AXIAL.lps_of_index(np.array([30.0, 64.0, 64.0 - 30.0])))


def test_a_shell_is_hollow_and_holds_the_core_inside_it():
    shell = rasterise(ball(AXIAL, 30.0) + ball(AXIAL, 24.0), AXIAL).mask
    assert volume_cc(shell) == pytest.approx(4 / 3 * np.pi * (27.0 - 13.824), rel=0.02)
    with_core = rasterise(ball(AXIAL, 30.0) + ball(AXIAL, 24.0) + ball(AXIAL, 10.0), AXIAL).mask
    assert volume_cc(with_core) == pytest.approx(4 / 3 * np.pi * (27.0 - 13.824 + 1.0), rel=0.02)


@pytest.mark.parametrize("inner_backwards", [False, True])
@pytest.mark.parametrize("channel_mm", [0.0, 0.02])
def test_a_keyhole_is_a_hole_whichever_way_it_runs(inner_backwards, channel_mm):
    contours = []
    for index in range(10, 40):
        outer, inner = circle(AXIAL, index, MIDDLE, 30.0), circle(AXIAL, index, MIDDLE, 12.0)
        if inner_backwards:
            inner = np.roll(inner[::-1], 1, axis=0)
        back = np.array([0.0, channel_mm, 0.0])
        contours.append(np.concatenate([outer, outer[:1], inner, inner[:1] + back, outer[:1] + back]))
    mask = rasterise(contours, AXIAL).mask
    assert volume_cc(mask) == pytest.approx(np.pi * (900 - 144) * 75.0 / 1000, rel=0.01)
    assert not holds(mask, AXIAL.lps_of_index(np.array([20.0, *MIDDLE[::-1]])))


def test_a_contour_that_is_there_twice_counts_once():
    contours = [circle(AXIAL, index, MIDDLE, 20.0) for index in range(10, 20)]
    once, twice = rasterise(contours, AXIAL).mask, rasterise([*contours, *contours], AXIAL).mask
    assert np.array_equal(once.array, twice.array)


@pytest.mark.parametrize("again", [lambda c: c[::-1], lambda c: np.roll(c, 7, axis=0)], ids=["backwards", "rolled"])
def test_a_copy_of_a_contour_may_begin_elsewhere(again):
    contours = [circle(AXIAL, index, MIDDLE, 20.0) for index in range(10, 20)]
    once = rasterise(contours, AXIAL).mask
    twice = rasterise([*contours, *(again(contour) for contour in contours)], AXIAL)
    assert twice is not None and np.array_equal(once.array, twice.mask.array)


def test_the_way_round_a_contour_does_not_matter():
    contours = ball(AXIAL, 20.0)
    there, back = rasterise(contours, AXIAL).mask, rasterise([c[::-1] for c in contours], AXIAL).mask
    assert np.array_equal(there.array, back.array)


def test_a_missing_slice_is_filled_and_told_but_a_gap_of_more_stays():
    contours = [circle(AXIAL, index, MIDDLE, 20.0) for index in range(10, 40)]
    missing = rasterise(contours[:9] + contours[10:], AXIAL)
    assert missing.filled_planes == 1
    assert volume_cc(missing.mask) == pytest.approx(np.pi * 400 * 75 / 1000, rel=0.01)
    gap = rasterise(contours[:9] + contours[13:], AXIAL)
    assert gap.filled_planes == 0
    occupied = np.flatnonzero(gap.mask.array.any(axis=(1, 2)))
    assert np.diff(occupied).max() == 5


@pytest.mark.parametrize("step", [5, 6, 8], ids=["12.5 mm", "15 mm", "20 mm"])
def test_a_structure_contoured_coarsely_but_evenly_keeps_its_volume_and_is_told(step):
    built = rasterise([circle(AXIAL, index, MIDDLE, 20.0) for index in range(8, 8 + 4 * step, step)], AXIAL)
    assert built.coarse_mm == pytest.approx(step * 2.5) and built.open_gap_mm == 0.0
    assert volume_cc(built.mask) == pytest.approx(np.pi * 400 * 4 * step * 2.5 / 1000, rel=0.02)
    assert np.diff(np.flatnonzero(built.mask.array.any(axis=(1, 2)))).max() == 1
    ball_of_few = rasterise(ball(AXIAL, 60.0, step=step), AXIAL)
    assert volume_cc(ball_of_few.mask) == pytest.approx(4 / 3 * np.pi * 60**3 / 1000, rel=0.04)


def test_contours_on_every_slice_of_a_ct_with_wide_slices_are_not_coarse():
    wide = Geometry((20, 128, 128), (1.0, 1.0, 12.0), (-64.0, -64.0, -75.0))
    built = rasterise([circle(wide, index, MIDDLE, 20.0) for index in range(5, 12)], wide)
    assert built.coarse_mm == 0.0 and built.filled_planes == 0
    every_other = rasterise([circle(wide, index, MIDDLE, 20.0) for index in range(5, 12)][::2], wide)
    assert every_other.filled_planes or every_other.coarse_mm or every_other.open_gap_mm, "told in one way or another"


def test_shapes_over_each_other_beside_a_gap_are_told_and_shapes_side_by_side_are_not():
    contours = [circle(AXIAL, index, MIDDLE, 20.0) for index in range(10, 40)]
    gap = rasterise(contours[:9] + contours[15:], AXIAL)
    assert gap.open_gap_mm == pytest.approx(7 * 2.5) and gap.coarse_mm == 0.0
    far = rasterise([circle(AXIAL, index, (30.2, 64.4), 12.0) for index in (10, 11, 12)] +
                    [circle(AXIAL, index, (95.3, 64.4), 12.0) for index in (20, 21, 22)], AXIAL)  # fmt: skip
    assert far.open_gap_mm == 0.0
    beside = [circle(AXIAL, index, (30.2 if index % 10 else 95.3, 64.4), 12.0) for index in (5, 10, 15, 20)]
    assert volume_cc(rasterise(beside, AXIAL).mask) == pytest.approx(np.pi * 144 * 50 / 1000, rel=0.02), (
        "four parts of 12.5 mm, coarsely contoured each"
    )
    two = rasterise([circle(AXIAL, index, MIDDLE, 20.0) for index in (10, 16)], AXIAL)
    assert two.coarse_mm == 0.0 and two.open_gap_mm == pytest.approx(15.0), "two planes may be two nodes"


@pytest.mark.parametrize("planes", [(2, 2), (2, 3), (3, 3, 3)])
def test_small_parts_do_not_grow_by_the_gaps_between_them(planes):
    """Metastases of a few slices each, three slices apart in height and centimetres apart beside each other."""
    contours, index = [], 20
    for number, count in enumerate(planes):
        contours += [circle(AXIAL, index + own, (30.2 + 25 * number, 64.4), 8.0) for own in range(count)]
        index += count + 2
    built = rasterise(contours, AXIAL)
    assert volume_cc(built.mask) == pytest.approx(np.pi * 64 * 2.5 * sum(planes) / 1000, rel=0.02)
    assert built.filled_planes == 0 and built.coarse_mm == 0.0 and built.open_gap_mm == 0.0


def test_a_slice_that_is_missing_of_a_few_is_filled_and_no_wider_spacing():
    built = rasterise([circle(AXIAL, index, MIDDLE, 20.0) for index in (20, 21, 23, 24)], AXIAL)
    assert built.filled_planes == 1
    assert volume_cc(built.mask) == pytest.approx(np.pi * 400 * 12.5 / 1000, rel=0.01)


def test_parts_side_by_side_are_not_joined_across_a_missing_slice():
    left = [circle(AXIAL, index, (30.2, 64.4), 12.0) for index in range(10, 20)]
    right = [circle(AXIAL, index, (95.3, 64.4), 12.0) for index in range(21, 31)]
    built = rasterise(left + right, AXIAL)
    assert built.filled_planes == 0
    assert volume_cc(built.mask) == pytest.approx(np.pi * 144 * 50 / 1000, rel=0.01)


def test_a_single_contour_is_one_slice_thick():
    mask = rasterise([circle(AXIAL, 20, MIDDLE, 25.0)], AXIAL).mask
    assert volume_cc(mask) == pytest.approx(np.pi * 625 * 2.5 / 1000, rel=0.01)


@pytest.mark.parametrize("turn", ["sagittal", "coronal", "tilted"])
def test_contours_in_other_planes_are_built_there(turn):
    """A ball drawn on planes that aren't the CT's."""
    angle = np.radians(25.0)
    axes = {
        "sagittal": np.array([[0, 1, 0], [0, 0, 1], [1, 0, 0]], float),
        "coronal": np.array([[1, 0, 0], [0, 0, 1], [0, -1, 0]], float),
        "tilted": np.array([[1, 0, 0], [0, np.cos(angle), np.sin(angle)], [0, -np.sin(angle), np.cos(angle)]]),
    }[turn]
    around = np.linspace(0, 2 * np.pi, 90, endpoint=False)
    centre, radius = np.array([3.2, -5.1, 2.4]), 24.0
    contours = []
    for height in np.arange(-24.0, 24.0, 2.0) + 0.7:
        r = np.sqrt(max(radius**2 - height**2, 0.0))
        plane = np.column_stack([r * np.cos(around), r * np.sin(around), np.full(90, height)])
        contours.append(centre + plane @ axes)
    mask = rasterise(contours, AXIAL).mask
    assert volume_cc(mask) == pytest.approx(4 / 3 * np.pi * radius**3 / 1000, rel=0.02)
    assert np.abs(centroid_mm(mask) - centre).max() < 0.5
    assert mask.geometry.direction == AXIAL.direction


def test_planes_of_two_directions_and_bent_contours_are_refused():
    sagittal = circle(AXIAL, 20, MIDDLE, 20.0)[:, [2, 1, 0]]
    with pytest.raises(ContoursRefused, match="parallel planes"):
        rasterise([circle(AXIAL, 20, MIDDLE, 20.0), sagittal], AXIAL)
    bent = circle(AXIAL, 20, MIDDLE, 20.0)
    bent[:, 2] += 5.0 * np.sin(np.linspace(0, 4 * np.pi, len(bent)))
    with pytest.raises(ContoursRefused, match="parallel planes"):
        rasterise([bent], AXIAL)


def test_contours_far_away_are_refused_and_empty_ones_are_nothing():
    with pytest.raises(ContoursRefused, match="outside the CT"):
        rasterise([circle(AXIAL, 20, MIDDLE, 20.0) + 5000.0], AXIAL)
    assert rasterise([], AXIAL) is None
    assert rasterise([np.zeros((2, 3))], AXIAL) is None


def test_a_structure_that_reaches_beyond_the_ct_is_kept_whole():
    contours = [circle(AXIAL, index, (0.3, 64.4), 20.0) for index in range(-5, 10)]
    assert volume_cc(rasterise(contours, AXIAL).mask) == pytest.approx(np.pi * 400 * 37.5 / 1000, rel=0.01)


def test_small_structures_lie_on_voxels_three_times_as_fine_with_the_same_centres():
    mask = rasterise(ball(AXIAL, 6.0), AXIAL).mask
    assert mask.geometry.spacing_mm == pytest.approx((1 / 3, 1 / 3, 2.5 / 3))
    index = AXIAL.index_of_lps(np.asarray(mask.geometry.origin_mm)) * 3
    assert np.abs(index - np.rint(index)).max() < 1e-6
    assert volume_cc(mask) == pytest.approx(4 / 3 * np.pi * 0.216, rel=0.03)


def test_filling_is_by_pixel_centres_even_on_edges():
    square = np.array([[1.0, 1.0], [4.0, 1.0], [4.0, 3.0], [1.0, 3.0]])
    filled = fill_polygons([square], 6, 7)
    assert filled.sum() == 6, "half of the edges belong to a polygon, so neighbours neither overlap nor gape"
    right = square + [3.0, 0.0]
    both = fill_polygons([square], 6, 9).astype(int) + fill_polygons([right], 6, 9)
    assert both.max() == 1 and both.sum() == 12


def test_isolines_part_the_pixel_centres_exactly():
    random = np.random.default_rng(3)
    for _ in range(50):
        plane = np.round(random.normal(size=(17, 23)), 1)
        level = float(np.quantile(plane, random.uniform(0.05, 0.95)))
        assert np.array_equal(fill_polygons(isolines(plane, level), 17, 23), plane >= level)


def test_an_isoline_of_a_cone_is_a_circle():
    y, x = np.mgrid[:60, :70]
    (line,) = isolines(40.0 - np.hypot(y - 29.3, x - 33.8), 20.0)
    assert np.abs(np.hypot(line[:, 0] - 33.8, line[:, 1] - 29.3) - 20.0).max() < 0.02


def disc_cc(radius_mm: float, planes: int, *, union_at_mm: float = 0.0) -> float:
    """Volume of discs, or of the union of two each whose centres are so far apart."""
    r, d = radius_mm, union_at_mm
    shared = 2 * r**2 * np.arccos(d / 2 / r) - d / 2 * np.sqrt(4 * r**2 - d**2)
    return float(2 * np.pi * r**2 - shared) * planes * AXIAL.spacing_mm[2] / 1000


def assert_occupied_like_mask(mask: Volume, rel: float = 0.02) -> None:
    """What is measured agrees with the mask on every slice but those at the ends."""
    occupancy = mask.occupancy
    shift = round(float(mask.geometry.index_of_lps(np.asarray(occupancy.geometry.origin_mm))[0]))
    inside = {z + shift: float(plane.sum()) for z, plane in enumerate(occupancy.array)}
    for z in range(1, len(mask.array) - 1):
        assert inside[z] == pytest.approx(float(np.count_nonzero(mask.array[z])), rel=rel)


@GRIDS
def test_contours_that_cross_each_other_count_as_their_union(geometry):
    left, right = (54.2, 63.8), (74.2, 63.8)
    contours = [circle(geometry, index, centre, 20.0) for index in range(15, 36) for centre in (left, right)]
    built = rasterise(contours, geometry)
    assert built.crossing_planes == 21
    assert volume_cc(built.mask) == pytest.approx(
        disc_cc(20.0, 21, union_at_mm=20.0) * geometry.spacing_mm[2] / AXIAL.spacing_mm[2], rel=0.01
    )
    assert_occupied_like_mask(built.mask)


def test_holes_stay_holes_beside_contours_that_cross():
    left, right, far = (54.2, 63.8), (74.2, 63.8), (110.3, 63.8)
    contours = []
    for index in range(15, 36):
        contours += [circle(AXIAL, index, left, 20.0), circle(AXIAL, index, right, 20.0)]
        # In the left one alone, in both, with an island in it, and in one apart from them.
        contours += [circle(AXIAL, index, (45.3, 63.8), 6.0), circle(AXIAL, index, (64.2, 63.8), 6.0),
                     circle(AXIAL, index, (64.2, 63.8), 2.0), circle(AXIAL, index, far, 10.0),
                     circle(AXIAL, index, far, 5.0)]  # fmt: skip
    built = rasterise(contours, AXIAL)
    rest = np.pi * (-36 - 36 + 4 + 100 - 25) * 21 * 2.5 / 1000
    assert volume_cc(built.mask) == pytest.approx(disc_cc(20.0, 21, union_at_mm=20.0) + rest, rel=0.01)
    assert_occupied_like_mask(built.mask)


def test_contours_of_exclusive_or_take_from_each_other_where_the_structure_says_so():
    contours = [circle(AXIAL, i, centre, 20.0) for i in range(15, 36) for centre in ((54.2, 63.8), (74.2, 63.8))]
    built = rasterise(contours, AXIAL, exclusive=True)
    union, both = disc_cc(20.0, 21, union_at_mm=20.0), 2 * np.pi * 400 * 21 * 2.5 / 1000
    assert volume_cc(built.mask) == pytest.approx(union - (both - union), rel=0.01) and built.crossing_planes == 0


@pytest.mark.parametrize(
    "again",
    [lambda c: c + [0.01, 0, 0], lambda c: c + [0.1, 0.1, 0], lambda c: c + [0.3, 0, 0],
     lambda c: c.mean(axis=0) + (c - c.mean(axis=0)) * 0.998, lambda c: np.round(c, 1), lambda c: c[::2]],
    ids=["0.01 mm", "0.14 mm", "0.3 mm", "smaller", "rounded", "half the corners"],
)  # fmt: skip
@pytest.mark.parametrize("some", [slice(None), slice(3, 7)], ids=["everywhere", "on some slices"])
def test_a_copy_that_is_a_hair_off_counts_once(again, some):
    contours = [circle(AXIAL, index, MIDDLE, 20.0) for index in range(10, 20)]
    once = rasterise(contours, AXIAL).mask
    twice = rasterise([*contours, *(again(contour) for contour in contours[some])], AXIAL)
    assert volume_cc(twice.mask) == pytest.approx(volume_cc(once), rel=0.02)
    assert_occupied_like_mask(twice.mask)


def test_a_thin_shell_of_something_large_is_no_copy():
    skin = [circle(AXIAL, index, MIDDLE, radius) for index in range(10, 20) for radius in (60.0, 59.0)]
    assert volume_cc(rasterise(skin, AXIAL).mask) == pytest.approx(np.pi * 119 * 25 / 1000, rel=0.05)
    thinner = [circle(AXIAL, index, MIDDLE, radius, 720) for index in range(10, 20) for radius in (60.0, 59.6)]
    assert volume_cc(rasterise(thinner, AXIAL).mask) == pytest.approx(np.pi * 119.6 * 0.4 * 25 / 1000, rel=0.1)


def test_contours_that_touch_do_not_cross():
    square = np.array([[0.0, 0.0], [10.0, 0.0], [10.0, 10.0], [0.0, 10.0]]) + 40.3
    beside = [square, square + [10.0, 0.0], square + [3.3, 10.0]]
    contours = [
        AXIAL.lps_of_index(np.column_stack([np.full(4, index), polygon[:, ::-1]]))
        for index in range(10, 20) for polygon in beside
    ]  # fmt: skip
    built = rasterise(contours, AXIAL)
    assert built.crossing_planes == 0 and volume_cc(built.mask) == pytest.approx(300 * 25 / 1000, rel=0.01)
