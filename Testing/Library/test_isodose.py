"""Isodose volumes, their overlap and the distance of their surfaces, against spheres."""

from __future__ import annotations

import numpy as np
import pytest
from phantom import AXIAL, oblique_geometry, points_mm
from scipy.ndimage import binary_erosion
from scipy.spatial import KDTree

from DosePredictionLib.dosimetry.isodose import isodose_agreement
from DosePredictionLib.patient.geometry import Geometry
from DosePredictionLib.patient.volume import Volume

GRID = Geometry((60, 60, 60), (2.0, 2.0, 2.0), (-59.0, -59.0, -59.0))


def cone(geometry: Geometry, shift_mm: float = 0.0, grown_mm: float = 0.0) -> Volume:
    """70 Gy in the middle, 1 Gy less for each millimetre: every isodose is a sphere."""
    distance = np.linalg.norm(points_mm(geometry) - (shift_mm, 0.0, 0.0), axis=-1)
    return Volume(np.maximum(70.0 + grown_mm - distance, 0.0).astype(np.float32), geometry)


def sphere_cc(radius_mm: float) -> float:
    return 4.0 / 3.0 * np.pi * radius_mm**3 / 1000.0


def test_identical_doses_agree_fully() -> None:
    for level in isodose_agreement(cone(AXIAL), cone(AXIAL), 70.0, (50.0, 80.0)):
        assert level.dice == 1.0 and level.hd95_mm == 0.0
        assert level.reference_cc == level.evaluated_cc


def test_volumes_are_those_of_spheres() -> None:
    half, most = isodose_agreement(cone(GRID), cone(GRID, grown_mm=4.0), 70.0, (50.0, 80.0))
    assert (half.level_gy, most.level_gy) == (35.0, 56.0)
    assert half.reference_cc == pytest.approx(sphere_cc(35.0), rel=0.01)
    assert half.evaluated_cc == pytest.approx(sphere_cc(39.0), rel=0.01)
    assert most.reference_cc == pytest.approx(sphere_cc(14.0), rel=0.04)
    # Nested spheres: Dice = 2 r^3 / (r^3 + R^3), and the surfaces are R - r apart everywhere.
    assert half.dice == pytest.approx(2 * 35.0**3 / (35.0**3 + 39.0**3), abs=0.005)
    assert half.hd95_mm == pytest.approx(4.0, abs=1.0)


def test_shifted_spheres_have_the_overlap_of_a_lens() -> None:
    (level,) = isodose_agreement(cone(GRID), cone(GRID, shift_mm=10.0), 70.0, (50.0,))
    radius, apart = 35.0, 10.0
    lens = np.pi / 12.0 * (4.0 * radius + apart) * (2.0 * radius - apart) ** 2 / 1000.0
    assert level.dice == pytest.approx(lens / sphere_cc(radius), abs=0.01)
    # The distance to the other sphere is |cos| times the shift nearly; its 95th percentile is 0.95 of it.
    assert level.hd95_mm == pytest.approx(9.5, abs=1.0)


def test_the_doses_may_lie_on_different_grids() -> None:
    for other in (AXIAL, oblique_geometry()):
        (level,) = isodose_agreement(cone(GRID), cone(other), 70.0, (60.0,))
        assert level.dice > 0.97 and level.hd95_mm <= 2.0
    # A shift is found on voxels twice its size, because isodoses run between voxels.
    (level,) = isodose_agreement(cone(AXIAL), cone(AXIAL, shift_mm=2.0), 70.0, (50.0,))
    assert 1.0 <= level.hd95_mm <= 3.0


def test_levels_that_are_not_reached_have_no_distance() -> None:
    one_sided, neither = isodose_agreement(cone(GRID), cone(GRID, grown_mm=-30.0), 70.0, (80.0, 120.0))
    assert one_sided.dice == 0.0 and np.isnan(one_sided.hd95_mm) and one_sided.evaluated_cc == 0.0
    assert np.isnan(neither.dice) and np.isnan(neither.hd95_mm) and neither.reference_cc == 0.0
    (nothing,) = isodose_agreement(cone(GRID), cone(GRID), 700.0, (95.0,))
    assert np.isnan(nothing.dice)


def block(*parts: tuple[slice, slice, slice]) -> Volume:
    """35 Gy in some boxes, nothing elsewhere."""
    dose = np.zeros((30, 30, 30), np.float32)
    for part in parts:
        dose[part] = 35.0
    return Volume(dose, Geometry(dose.shape, (1.5, 1.0, 2.0)))


CUBE = (slice(5, 15), slice(5, 15), slice(5, 15))
SPIKE = (slice(15, 27), slice(9, 10), slice(9, 10))
APART = (slice(20, 24), slice(18, 22), slice(20, 24))


@pytest.mark.parametrize(("one", "other"), [([CUBE], [CUBE, SPIKE]), ([CUBE], [CUBE, APART]), ([CUBE, SPIKE], [APART]),
                                            ([CUBE], [(slice(4, 16), slice(3, 17), slice(5, 15))])])  # fmt: skip
def test_distances_are_those_of_a_search_through_all_surface_voxels(one, other) -> None:
    """The 95th percentile of both directions together, which a thin spike doesn't change and a part elsewhere does."""
    doses = block(*one), block(*other)
    surfaces = [
        points_mm(dose.geometry)[(dose.array > 0) & ~binary_erosion(dose.array > 0)] for dose in doses
    ]  # fmt: skip
    there, back = (KDTree(a).query(b)[0] for a, b in (surfaces, surfaces[::-1]))
    wanted = np.percentile(np.concatenate([there, back]), 95.0)
    for pair in (doses, doses[::-1]):
        (level,) = isodose_agreement(*pair, 70.0, (50.0,))
        assert level.hd95_mm == pytest.approx(wanted, abs=1e-3)


def test_a_dose_of_just_the_level_is_within_the_isodose() -> None:
    (level,) = isodose_agreement(block(CUBE), block(CUBE, APART), 70.0, (50.0,))
    assert level.reference_cc == pytest.approx(10 * 10 * 10 * 3.0 / 1000)
    assert level.dice == pytest.approx(2 * 1000 / (2 * 1000 + 64))
