"""The same arrays through dicompyler-core, a DVH library of its own making (BSD; a dependency of the tests only)."""

from __future__ import annotations

import numpy as np
import pytest
from dicompylercore import dvhcalc
from dicompylercore.dvh import DVH
from solids import ball, cap_fraction, inverse

from DosePredictionLib.dosimetry.closed_surface import occupancy_of_surface
from DosePredictionLib.dosimetry.dvh import Dvh, compute_dvh
from DosePredictionLib.patient.geometry import Geometry
from DosePredictionLib.patient.structure import Structure, StructureRole
from DosePredictionLib.patient.volume import Volume

#: dicompyler-core bins by 1 cGy and takes a bin's edge: two bins are what it may differ by.
TWO_BINS_GY = 0.02
GRID = Geometry((40, 80, 80), (1.0, 1.0, 2.0), (-39.5, -39.5, -39.0))
Z, Y, X = np.meshgrid(np.arange(40) * 2.0 - 39.0, np.arange(80) - 39.5, np.arange(80) - 39.5, indexing="ij")
RADIUS_MM = 30.0


def clinical_looking_dose() -> Volume:
    """A 66 Gy plateau with a shoulder, a gradient and a little texture."""
    distance = np.sqrt((X - 6) ** 2 + (Y * 1.2) ** 2 + Z**2)
    dose = 66.0 / (1.0 + np.exp((distance - 18.0) / 4.0)) + 2.0 * np.sin(X / 5.0) * np.cos(Y / 7.0) + 3.0
    return Volume(dose.astype(np.float32), GRID)


def sphere() -> Structure:
    return Structure("organ", Volume(X**2 + Y**2 + Z**2 <= RADIUS_MM**2, GRID), StructureRole.OAR)


def assert_same_figures(ours: Dvh, theirs: DVH, *, volume_percent: float) -> None:
    assert ours.volume_cc == pytest.approx(theirs.volume, rel=volume_percent / 100)
    assert ours.mean_gy == pytest.approx(theirs.mean, abs=TWO_BINS_GY)
    assert ours.max_gy == pytest.approx(theirs.max, abs=TWO_BINS_GY)
    assert ours.min_gy == pytest.approx(theirs.min, abs=TWO_BINS_GY)
    for percent in (98, 95, 50, 2):
        expected = theirs.statistic(f"D{percent}").value
        assert ours.dose_at_volume_percent(percent) == pytest.approx(expected, abs=TWO_BINS_GY)
    for volume in (2, 10):
        assert ours.dose_at_volume_cc(volume) == pytest.approx(theirs.statistic(f"D{volume}cc").value, abs=TWO_BINS_GY)
    for dose in (10, 20, 40, 60):
        expected = theirs.statistic(f"V{dose}Gy").value
        assert ours.volume_at_dose_cc(dose) == pytest.approx(expected, abs=0.002 * theirs.volume)


def test_same_voxels() -> None:
    """dicompyler-core's DVH class over the very doses inside the mask."""
    dose, organ = clinical_looking_dose(), sphere()
    inside = dose.array[organ.mask.array]
    counts, bins = np.histogram(inside, np.arange(0.0, inside.max() + 0.01, 0.01))
    theirs = DVH(counts * GRID.voxel_volume_cc, bins, dvh_type="differential").cumulative
    ours = compute_dvh(dose, organ)
    assert ours.samples_gy.size == inside.size
    assert_same_figures(ours, theirs, volume_percent=0.001)


def test_contours_against_mask() -> None:
    """dicompyler-core's own way from contours: circles as polygons, slice by slice, on the dose's grid."""
    dose = clinical_looking_dose()
    columns, rows = X[0, 0], Y[0, :, 0]
    grid_points = np.stack([X[0].ravel(), Y[0].ravel()], axis=1)
    dose_data = {"dosegridscaling": 1.0, "lut": (columns, rows), "x_lut_index": 0, "rows": 80, "columns": 80}
    structure = {"thickness": 2.0}
    bins = int(dose.array.max() * 100) + 1
    angle = np.linspace(0.0, 2.0 * np.pi, 721)[:-1]
    counts = np.zeros(bins)
    for z, plane in zip(Z[:, 0, 0], dose.array, strict=True):
        if abs(z) >= RADIUS_MM:
            continue
        r = np.sqrt(RADIUS_MM**2 - z**2)
        contour = [{"data": [(r * np.cos(a), r * np.sin(a), z) for a in angle]}]
        hist, _ = dvhcalc.calculate_plane_histogram(
            contour, plane, grid_points, bins, dose_data, {}, structure, np.zeros(bins)
        )
        counts += hist
    theirs = DVH(counts * 0.002, np.arange(bins + 1) / 100, dvh_type="differential").cumulative
    assert_same_figures(compute_dvh(dose, sphere()), theirs, volume_percent=0.3)


# Where the two differ, and why


def contour_dvh(radius_mm: float, dose: np.ndarray, spacing_mm: float, z_mm: np.ndarray) -> DVH:
    """dicompyler-core's histogram of a sphere from circles on slices, the dose's grid in the plane being x = y."""
    plane_mm = (np.arange(dose.shape[1]) - (dose.shape[1] - 1) / 2) * spacing_mm
    grid_points = np.stack([c.ravel() for c in np.meshgrid(plane_mm, plane_mm)], axis=1)
    size = len(plane_mm)
    dose_data = {"dosegridscaling": 1.0, "lut": (plane_mm, plane_mm), "x_lut_index": 0, "rows": size, "columns": size}
    bins = int(dose.max() * 100) + 1
    counts = np.zeros(bins)
    angle = np.linspace(0.0, 2.0 * np.pi, 721)[:-1]
    for z, plane in zip(z_mm, dose, strict=True):
        if abs(z) >= radius_mm:
            continue
        r = np.sqrt(radius_mm**2 - z**2)
        contour = [{"data": [(r * np.cos(a), r * np.sin(a), z) for a in angle]}]
        hist, _ = dvhcalc.calculate_plane_histogram(
            contour, plane, grid_points, bins, dose_data, {}, {"thickness": spacing_mm}, np.zeros(bins)
        )
        counts += hist
    return DVH(counts * spacing_mm**3 / 1000, np.arange(bins + 1) / 100, dvh_type="differential").cumulative


def small_sphere(shift_mm: float) -> tuple[DVH, Dvh, float]:
    """A sphere of three voxels in 2 Gy/mm: theirs from circles on slices, ours from its surface; the true volume."""
    spacing, radius = 2.5, 7.5
    grid = Geometry((20, 20, 20), (spacing,) * 3, (-9.5 * spacing, -9.5 * spacing, -9.5 * spacing + shift_mm))
    x = (np.arange(20) - 9.5) * spacing
    dose = np.broadcast_to((40.0 + 2.0 * x).astype(np.float32), grid.shape).copy()
    points, triangles = ball(radius)
    ours = compute_dvh(
        Volume(dose, grid), Structure("sphere", occupancy_of_surface(points, triangles, grid), StructureRole.OAR)
    )
    z = (np.arange(20) - 9.5) * spacing + shift_mm
    return contour_dvh(radius, dose, spacing, z), ours, 4 / 3 * np.pi * radius**3 / 1000


def test_volume_of_a_small_sphere() -> None:
    """dicompyler-core counts the dose grid's points within each contour: up to a fifth off, by where the slices lie."""
    spheres = [small_sphere(shift_mm) for shift_mm in (0.0, 0.6, 1.25)]
    for _, ours, true_cc in spheres:
        assert ours.volume_cc == pytest.approx(true_cc, rel=0.005)
    errors = [abs(theirs.volume / true_cc - 1.0) for theirs, _, true_cc in spheres]
    assert 0.1 < max(errors) < 0.25


def test_hottest_volume_of_a_small_sphere() -> None:
    """Its doses are those of whole voxels, which in 2 Gy/mm lie 5 Gy apart; ours is within 0.6 Gy of the formula."""
    theirs, ours, true_cc = small_sphere(0.6)
    expected = 40.0 + 15.0 * inverse(cap_fraction, 0.1 / true_cc, -1.0, 1.0)
    assert ours.dose_at_volume_cc(0.1) == pytest.approx(expected, abs=0.6)
    assert 1.0 < abs(theirs.statistic("D0.1cc").value - expected) < 5.0
    assert theirs.mean == pytest.approx(ours.mean_gy, abs=0.2)


def test_structures_smaller_than_the_volume_asked_for() -> None:
    """dicompyler-core gives 0 Gy, as if such a structure received nothing; by the definition it is the minimum."""
    theirs, ours, _ = small_sphere(0.0)
    assert theirs.statistic("D10cc").value == 0.0
    assert ours.dose_at_volume_cc(10.0) == ours.min_gy == pytest.approx(25.0, abs=1.0)
