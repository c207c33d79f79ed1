"""The same arrays through dicompyler-core, a DVH library of its own making (BSD; a dependency of the tests only)."""

from __future__ import annotations

import numpy as np
import pytest
from dicompylercore import dvhcalc
from dicompylercore.dvh import DVH

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
