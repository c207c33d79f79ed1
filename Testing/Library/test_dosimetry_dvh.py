"""DVHs against closed formulas: where the truth is known, the histogram has to find it."""

from __future__ import annotations

import numpy as np
import pytest

from DosePredictionLib.dosimetry.dvh import compute_dvh
from DosePredictionLib.dosimetry.sampling import FEWEST_SAMPLES, LARGEST_SAMPLE_CC, voxel_division
from DosePredictionLib.errors import InputError
from DosePredictionLib.patient.geometry import Geometry
from DosePredictionLib.patient.structure import Structure, StructureRole
from DosePredictionLib.patient.volume import Volume
from DosePredictionLib.patient.voxel_box import occupied_box

RADIUS_MM = 20.0
CENTRE_MM = np.array([3.0, -7.0, 11.0])


def rotation(axis: tuple[float, float, float], degrees: float) -> np.ndarray:
    """Rotation matrix about an axis (Rodrigues)."""
    x, y, z = np.asarray(axis) / np.linalg.norm(axis)
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    angle = np.radians(degrees)
    return np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross


def grid(
    extent_mm: float, spacing_mm: tuple[float, float, float], direction: np.ndarray | None = None, centre_mm=CENTRE_MM
) -> Geometry:
    """A grid of about ``extent_mm`` in each direction, centred in the patient at ``centre_mm``."""
    turn = np.eye(3) if direction is None else direction
    counts = [int(round(extent_mm / step)) for step in spacing_mm]
    half = (np.array(counts) - 1) / 2 * np.array(spacing_mm)
    origin = np.asarray(centre_mm) - turn @ half
    return Geometry(tuple(reversed(counts)), spacing_mm, tuple(origin), tuple(turn.ravel()))


def points(geometry: Geometry) -> np.ndarray:
    """LPS of all voxels, (z, y, x, 3)."""
    return geometry.lps_of_index(np.stack(np.meshgrid(*[np.arange(n) for n in geometry.shape], indexing="ij"), axis=-1))


def structure(name: str, inside: np.ndarray, geometry: Geometry) -> Structure:
    return Structure(name, Volume(inside.astype(np.uint8), geometry), StructureRole.OAR)


def sphere(geometry: Geometry, radius_mm: float = RADIUS_MM) -> Structure:
    return structure("sphere", np.linalg.norm(points(geometry) - CENTRE_MM, axis=-1) <= radius_mm, geometry)


#: A dose that rises by 0.5 Gy/mm along an oblique direction and is 40 Gy at the sphere's centre.
UPHILL = np.array([1.0, 2.0, -2.0]) / 3.0
GRADIENT_GY_PER_MM = 0.5


def gradient_dose(geometry: Geometry) -> Volume:
    height = (points(geometry) - CENTRE_MM) @ UPHILL
    return Volume((40.0 + GRADIENT_GY_PER_MM * height).astype(np.float32), geometry)


def cap_percent(dose_gy: float) -> float:
    """Part of the sphere above an isodose plane: a spherical cap of height h has the volume pi h^2 (3 R - h) / 3."""
    h = RADIUS_MM - (dose_gy - 40.0) / GRADIENT_GY_PER_MM
    return 100.0 * (np.pi * h**2 * (3 * RADIUS_MM - h) / 3) / (4 / 3 * np.pi * RADIUS_MM**3)


def cap_dose(percent: float) -> float:
    """The isodose above which the given part of the sphere lies, by bisection of the cap's formula."""
    low, high = 30.0, 50.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if cap_percent(middle) > percent else (low, middle)
    return low


DOSE_GRID = grid(90.0, (3.0, 3.0, 3.0))
STRUCTURE_GRIDS = {
    "finer than the dose": grid(46.0, (1.0, 1.0, 1.0)),
    "CT slices": grid(46.0, (0.9, 0.9, 2.5)),
    "oblique": grid(48.0, (1.0, 1.3, 2.0), rotation((1, 1, 0.3), 27.0)),
    "flipped and permuted": grid(
        46.0, (1.0, 1.0, 2.0), np.array([[0.0, -1.0, 0.0], [0.0, 0.0, 1.0], [-1.0, 0.0, 0.0]])
    ),
    "coarser than the dose": grid(56.0, (4.0, 4.0, 4.0), centre_mm=CENTRE_MM + (1.3, 0.9, -1.1)),
}


@pytest.mark.parametrize("case", STRUCTURE_GRIDS)
def test_sphere_in_a_linear_gradient(case: str) -> None:
    """A sphere cut by planes of equal dose: every V and D follows from the spherical cap."""
    dvh = compute_dvh(gradient_dose(DOSE_GRID), sphere(STRUCTURE_GRIDS[case]))
    coarse = case == "coarser than the dose"
    assert dvh.volume_cc == pytest.approx(4 / 3 * np.pi * 2.0**3, rel=0.03 if coarse else 0.005)
    assert dvh.mean_gy == pytest.approx(40.0, abs=0.1 if coarse else 0.02)
    for dose in (32.0, 36.0, 40.0, 43.0, 47.0):
        assert dvh.volume_at_dose_percent(dose) == pytest.approx(cap_percent(dose), abs=0.8 if coarse else 0.25)
    for percent in (99.0, 95.0, 50.0, 20.0, 2.0):
        assert dvh.dose_at_volume_percent(percent) == pytest.approx(cap_dose(percent), abs=0.25 if coarse else 0.08)
    two_cc = 100.0 * 2.0 / (4 / 3 * np.pi * 8.0)
    assert dvh.dose_at_volume_cc(2.0) == pytest.approx(cap_dose(two_cc), abs=0.25 if coarse else 0.08)
    assert dvh.min_gy == pytest.approx(30.0, abs=1.8 if coarse else 0.4)
    assert dvh.max_gy == pytest.approx(50.0, abs=1.8 if coarse else 0.4)


def test_oblique_dose_grid_gives_the_same_curve() -> None:
    """A linear field is the same field on every grid: turning the dose grid may not move the curve."""
    oblique_dose = gradient_dose(grid(120.0, (2.5, 3.0, 4.0), rotation((0.2, 1, 0.5), 40.0)))
    straight = compute_dvh(gradient_dose(DOSE_GRID), sphere(STRUCTURE_GRIDS["oblique"]))
    turned = compute_dvh(oblique_dose, sphere(STRUCTURE_GRIDS["oblique"]))
    np.testing.assert_allclose(turned.samples_gy, straight.samples_gy, atol=1e-3)


def test_box_has_a_straight_curve() -> None:
    """A 40 x 30 x 20 mm box with the gradient along its longest side: V falls linearly from 100 % to 0."""
    fine = Geometry((20, 30, 40), (1.0, 1.0, 1.0), (0.5, 0.5, 0.5))
    box = structure("box", np.ones(fine.shape, bool), fine)
    dose_grid = Geometry((15, 20, 25), (2.5, 2.5, 2.5), (-5.0, -5.0, -5.0))
    # 10 Gy at x = 0, 50 Gy at x = 40 mm.
    dose = Volume((10.0 + points(dose_grid)[..., 0]).astype(np.float32), dose_grid)
    dvh = compute_dvh(dose, box)
    assert dvh.volume_cc == pytest.approx(24.0)
    assert dvh.mean_gy == pytest.approx(30.0, abs=1e-3)
    # Voxels are 1 mm wide, that is 2.5 % of the volume; samples fill them, so the curve has no steps between.
    for percent in (99.0, 98.0, 97.5, 95.0, 50.0, 5.0, 2.5, 2.0, 1.0):
        assert dvh.dose_at_volume_percent(percent) == pytest.approx(50.0 - 0.4 * percent, abs=0.03)
    assert dvh.volume_at_dose_percent(20.0) == pytest.approx(75.0, abs=0.05)
    assert dvh.volume_at_dose_cc(40.0) == pytest.approx(6.0, abs=0.01)
    assert dvh.dose_at_volume_cc(6.0) == pytest.approx(40.0, abs=0.03)


def test_overlapping_structures_each_keep_their_own_dose() -> None:
    """Two boxes that share a region of 60 Gy: each counts the shared part in full."""
    geometry = Geometry((25, 25, 60), (1.0, 1.0, 1.0))
    dose = np.full(geometry.shape, 20.0, np.float32)
    dose[:, :, 20:40] = 60.0
    left, right = np.zeros(geometry.shape, bool), np.zeros(geometry.shape, bool)
    left[:, :, 0:40] = True
    right[:, :, 20:50] = True
    on_left = compute_dvh(Volume(dose, geometry), structure("left", left, geometry))
    on_right = compute_dvh(Volume(dose, geometry), structure("right", right, geometry))
    assert (on_left.volume_cc, on_right.volume_cc) == (pytest.approx(25.0), pytest.approx(18.75))
    assert on_left.volume_at_dose_percent(40.0) == pytest.approx(50.0)
    assert on_right.volume_at_dose_percent(40.0) == pytest.approx(100.0 * 2 / 3)
    assert on_left.volume_at_dose_cc(40.0) == pytest.approx(12.5) == on_right.volume_at_dose_cc(40.0)
    assert on_left.mean_gy == pytest.approx(40.0)
    assert on_right.mean_gy == pytest.approx((2 * 60.0 + 20.0) / 3)
    assert on_left.dose_at_volume_percent(95.0) == pytest.approx(20.0)
    assert on_right.dose_at_volume_percent(5.0) == pytest.approx(60.0)


@pytest.mark.parametrize("spacing", [(2.0, 2.0, 2.0), (1.7, 1.7, 1.7)])
def test_structure_partly_outside_the_dose_counts_zero_there(spacing: tuple[float, float, float]) -> None:
    """Half of the structure lies beyond the dose grid's face, half a voxel beyond its outermost centres."""
    dose_grid = Geometry((20, 20, 20), (2.0, 2.0, 2.0), (1.0, 1.0, 1.0))  # the voxels fill 0..40 mm
    dose = Volume(np.full(dose_grid.shape, 50.0, np.float32), dose_grid)
    first = spacing[0] / 2
    count = 10
    across = Geometry((count, count, count), spacing, (40.0 - count * spacing[0] / 2 + first, 5.0, 5.0))
    dvh = compute_dvh(dose, structure("across", np.ones(across.shape, bool), across))
    assert dvh.outside_dose_percent == pytest.approx(50.0)
    assert dvh.volume_at_dose_percent(50.0) == pytest.approx(50.0)
    assert dvh.mean_gy == pytest.approx(25.0)
    assert dvh.min_gy == 0.0
    assert dvh.volume_cc == pytest.approx(count**3 * np.prod(spacing) / 1000)


def test_structure_on_the_dose_grid_but_reaching_beyond_it() -> None:
    """Masks on the dose's own lattice take its voxels as they are, and zero beyond them."""
    dose_grid = Geometry((30, 30, 30), (1.0, 1.0, 1.0))
    dose = Volume(np.arange(30.0**3, dtype=np.float32).reshape(30, 30, 30) / 1000, dose_grid)
    shifted = dose_grid.cropped((-5, 3, 10), (25, 27, 40))
    dvh = compute_dvh(dose, structure("shifted", np.ones(shifted.shape, bool), shifted))
    expected = np.zeros(shifted.shape, np.float32)
    expected[5:, :, :20] = dose.array[:20, 3:30, 10:30]
    np.testing.assert_array_equal(dvh.samples_gy, np.sort(expected.ravel()))
    assert dvh.outside_dose_percent == pytest.approx(100 * (1 - 20 * 27 * 20 / (25 * 27 * 40)))


def test_structure_wholly_outside_the_dose() -> None:
    dose = Volume(np.full((5, 5, 5), 50.0, np.float32), Geometry((5, 5, 5), (2.0, 2.0, 2.0)))
    far = Geometry((30, 30, 30), (1.0, 1.0, 1.0), (500.0, 0.0, 0.0))
    dvh = compute_dvh(dose, structure("far", np.ones(far.shape, bool), far))
    assert (dvh.max_gy, dvh.outside_dose_percent) == (0.0, pytest.approx(100.0))
    assert dvh.volume_cc == pytest.approx(27.0)


def test_small_structure_is_read_between_its_voxels() -> None:
    """A lens of 8 voxels of 2.5 mm in a 2 Gy/mm gradient: 0.03 cc is a part of its hottest slab, not one voxel."""
    geometry = grid(60.0, (2.5, 2.5, 2.5))
    inside = np.zeros(geometry.shape, bool)
    inside[11:13, 11:13, 11:13] = True  # a 5 mm cube, 0.125 cc, centred on the gradient's 30 Gy
    dose = Volume((30.0 + 2.0 * (points(geometry)[..., 0] - CENTRE_MM[0])).astype(np.float32), geometry)
    dvh = compute_dvh(dose, structure("lens", inside, geometry))
    assert dvh.volume_cc == pytest.approx(0.125)
    # The hottest 0.03 cc is the slab of 0.03 / 0.125 of the 10 Gy that the cube spans, give or take half a plane of
    # samples (2.5 mm / 8 / 2 at 2 Gy/mm); exact where the slab ends between planes.
    assert dvh.dose_at_volume_cc(0.03) == pytest.approx(35.0 - 10.0 * 0.03 / 0.125, abs=0.32)
    assert dvh.dose_at_volume_cc(0.03125) == pytest.approx(32.5, abs=1e-3)
    assert dvh.dose_at_volume_percent(50.0) == pytest.approx(30.0, abs=0.05)
    assert dvh.max_gy == pytest.approx(35.0, abs=0.4)


def test_coarse_voxels_still_tell_the_hottest_0_03_cc() -> None:
    """On OpenKBP's voxels (about 38 mm3) 0.03 cc is less than one voxel; dividing them keeps it below the maximum."""
    geometry = Geometry((40, 40, 40), (3.906, 3.906, 2.5))
    inside = np.zeros(geometry.shape, bool)
    inside[10:30, 12:28, 12:20] = True
    rows = np.arange(40, dtype=np.float32)
    dose = Volume(np.broadcast_to(1.0 * rows, geometry.shape).copy(), geometry)  # 1 Gy a voxel along x
    dvh = compute_dvh(dose, structure("mandible", inside, geometry))
    width_mm, area_mm2 = 3.906, 20 * 2.5 * 16 * 3.906
    # The structure ends at 19.5 Gy; the centre of its outermost voxels has 19.0. Half a third of a voxel is 0.17 Gy.
    for volume_mm3 in (30.0, 2000.0, 5000.0):
        expected = 19.5 - volume_mm3 / area_mm2 / width_mm
        assert dvh.dose_at_volume_cc(volume_mm3 / 1000) == pytest.approx(expected, abs=0.17)


def test_structure_smaller_than_the_volume_asked_for_gives_its_minimum() -> None:
    geometry = Geometry((10, 10, 10), (1.0, 1.0, 1.0))
    dose = Volume(np.linspace(10.0, 20.0, 1000, dtype=np.float32).reshape(10, 10, 10), geometry)
    dvh = compute_dvh(dose, structure("one cc", np.ones(geometry.shape, bool), geometry))
    assert dvh.volume_cc == pytest.approx(1.0)
    assert dvh.dose_at_volume_cc(2.0) == dvh.dose_at_volume_cc(1.0) == dvh.min_gy
    assert dvh.dose_at_volume_cc(0.0) == dvh.max_gy


def test_volume_is_that_of_the_mask_however_its_voxels_are_divided() -> None:
    """Ragged thin structures lose nothing to the finer sampling."""
    geometry = Geometry((9, 9, 9), (2.0, 3.0, 5.0))
    inside = np.random.default_rng(3).random(geometry.shape) < 0.2
    dose = Volume(np.ones(geometry.shape, np.float32), geometry)
    dvh = compute_dvh(dose, structure("ragged", inside, geometry))
    assert dvh.volume_cc == pytest.approx(inside.sum() * 0.030)
    assert dvh.samples_gy.size > FEWEST_SAMPLES


def test_quantiles_are_exact_on_the_samples() -> None:
    """Random doses at 20,000 voxels: figures agree with a plain sort, far finer than the bins."""
    rng = np.random.default_rng(0)
    geometry = Geometry((20, 20, 50), (1.0, 1.0, 1.0))
    doses = rng.gamma(3.0, 10.0, geometry.shape).astype(np.float32)
    dvh = compute_dvh(Volume(doses, geometry), structure("all", np.ones(geometry.shape, bool), geometry))
    flat = doses.ravel().astype(float)
    for percent in (98.0, 95.0, 50.0, 2.0):
        expected = np.percentile(flat, 100.0 - percent, method="hazen")
        assert dvh.dose_at_volume_percent(percent) == pytest.approx(expected, rel=1e-12)
    for dose in (5.0, 20.0, 61.3):
        assert dvh.volume_at_dose_percent(dose) == pytest.approx(100.0 * (flat >= dose).mean(), rel=1e-12)
    assert dvh.mean_gy == pytest.approx(flat.mean(), rel=1e-9)
    assert (dvh.min_gy, dvh.max_gy) == (flat.min(), flat.max())


def test_histogram_and_cumulative_curve_belong_together() -> None:
    dvh = compute_dvh(gradient_dose(DOSE_GRID), sphere(STRUCTURE_GRIDS["CT slices"]))
    assert np.diff(dvh.bin_edges_gy).max() <= 0.05 + 1e-9
    assert dvh.bin_edges_gy[0] == 0.0
    assert dvh.bin_edges_gy[-1] > dvh.max_gy
    assert dvh.differential_cc.sum() == pytest.approx(dvh.volume_cc)
    dose, percent = dvh.cumulative_percent()
    assert (percent[0], percent[-1]) == (100.0, 0.0)
    assert (np.diff(percent) <= 0).all()
    np.testing.assert_allclose(-np.diff(percent) * dvh.volume_cc / 100.0, dvh.differential_cc, atol=1e-9)
    at_36 = percent[np.argmin(np.abs(dose - 36.0))]
    assert at_36 == pytest.approx(dvh.volume_at_dose_percent(36.0), abs=0.1)


@pytest.mark.parametrize("dose_gy", [56.3, 70.0, 0.1])
def test_uniform_dose(dose_gy: float) -> None:
    """All of the volume receives exactly the uniform dose, also where float32 cannot write it exactly."""
    dose = Volume(np.full(DOSE_GRID.shape, dose_gy, np.float32), DOSE_GRID)
    dvh = compute_dvh(dose, sphere(STRUCTURE_GRIDS["oblique"]))
    assert dvh.volume_at_dose_percent(dose_gy) == 100.0
    assert dvh.volume_at_dose_percent(dose_gy + 0.001) == 0.0
    assert dvh.dose_at_volume_percent(98.0) == pytest.approx(dose_gy, rel=1e-6)


def test_zero_dose_has_a_curve() -> None:
    dvh = compute_dvh(Volume(np.zeros(DOSE_GRID.shape, np.float32), DOSE_GRID), sphere(STRUCTURE_GRIDS["oblique"]))
    assert (dvh.max_gy, dvh.volume_at_dose_percent(0.0), dvh.volume_at_dose_percent(0.01)) == (0.0, 100.0, 0.0)
    assert dvh.differential_cc.sum() == pytest.approx(dvh.volume_cc)


def test_empty_structure_has_no_figures() -> None:
    empty = structure("empty", np.zeros(DOSE_GRID.shape, bool), DOSE_GRID)
    dvh = compute_dvh(gradient_dose(DOSE_GRID), empty)
    assert dvh.volume_cc == 0.0
    figures = [dvh.mean_gy, dvh.min_gy, dvh.max_gy, dvh.dose_at_volume_percent(95.0), dvh.dose_at_volume_cc(0.03)]
    assert np.isnan([*figures, dvh.volume_at_dose_percent(20.0), dvh.volume_at_dose_cc(20.0)]).all()


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_dose_that_is_no_number_is_refused_where_it_matters(bad: float) -> None:
    dose = gradient_dose(DOSE_GRID)
    spoiled = dose.array.copy()
    spoiled[15, 15, 15] = bad
    with pytest.raises(InputError, match="not a number at .* in structure 'sphere'"):
        compute_dvh(Volume(spoiled, DOSE_GRID), sphere(STRUCTURE_GRIDS["CT slices"]))
    elsewhere = dose.array.copy()
    elsewhere[0, 0, 0] = bad
    untouched = compute_dvh(Volume(elsewhere, DOSE_GRID), sphere(STRUCTURE_GRIDS["CT slices"]))
    assert untouched.mean_gy == pytest.approx(40.0, abs=0.1)


@pytest.mark.parametrize("dtype", [np.float64, np.float16, np.uint16, np.int32])
def test_any_number_type_of_dose_and_mask(dtype: type) -> None:
    dose = Volume(np.round(gradient_dose(DOSE_GRID).array).astype(dtype), DOSE_GRID)
    dvh = compute_dvh(dose, sphere(STRUCTURE_GRIDS["CT slices"]))
    assert dvh.mean_gy == pytest.approx(40.0, abs=0.05)
    boolean = sphere(STRUCTURE_GRIDS["CT slices"]).mask
    as_float = Structure("float", Volume(boolean.array.astype(np.float32), boolean.geometry), StructureRole.OAR)
    np.testing.assert_array_equal(compute_dvh(dose, as_float).samples_gy, dvh.samples_gy)


def test_voxels_are_divided_along_their_longest_edges_first() -> None:
    assert voxel_division(1_000_000, (2.5, 1.0, 1.0)) == (1, 1, 1)
    slices, rows, columns = voxel_division(3_000, (3.0, 1.0, 1.0))
    assert slices > rows == columns
    assert 3_000 * slices * rows * columns >= FEWEST_SAMPLES
    parts = voxel_division(20_000, (2.5, 3.9, 3.9))
    assert 2.5 * 3.9 * 3.9 / 1000 / np.prod(parts) <= LARGEST_SAMPLE_CC
    assert max(voxel_division(1, (5.0, 1.0, 1.0))) <= 8


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int16, np.float32])
def test_occupied_box(dtype: type) -> None:
    array = np.zeros((6, 7, 8), dtype)
    assert occupied_box(array) is None
    array[2, 3:5, 7] = 1
    assert occupied_box(array) == (slice(2, 3), slice(3, 5), slice(7, 8))


def test_only_the_structure_s_own_voxels_count_as_outside_the_dose() -> None:
    """A dose that ends in the middle of a sphere: half of it is outside, whatever the box around the sphere."""
    geometry = grid(60.0, (1.0, 1.0, 1.0))
    depth, rows, columns = geometry.shape
    half = geometry.cropped((0, 0, 0), (depth, rows, columns // 2))
    dvh = compute_dvh(Volume(np.full(half.shape, 30.0, np.float32), half), sphere(geometry))
    assert dvh.outside_dose_percent == pytest.approx(50.0, abs=1e-6)
    assert dvh.mean_gy == pytest.approx(15.0)


def test_the_histogram_holds_doses_below_zero_too() -> None:
    """Other programs' doses swing a little below zero; the volumes of the bins add up all the same."""
    geometry = grid(60.0, (2.0, 2.0, 2.0))
    dose = gradient_dose(geometry)
    below = Volume(dose.array - np.float32(40.0), geometry)
    dvh = compute_dvh(below, sphere(geometry))
    assert dvh.differential_cc.sum() == pytest.approx(dvh.volume_cc)
    assert dvh.bin_edges_gy[0] <= dvh.min_gy < -5.0
    assert dvh.cumulative_percent()[1][0] == 100.0
