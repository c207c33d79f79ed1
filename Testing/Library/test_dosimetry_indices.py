"""Homogeneity and conformity where they are known in closed form."""

from __future__ import annotations

import numpy as np
import pytest

from DosePredictionLib.dosimetry.dvh import compute_dvh
from DosePredictionLib.dosimetry.indices import conformity_index_paddick, homogeneity_index, isodose_volume_cc
from DosePredictionLib.patient.geometry import Geometry
from DosePredictionLib.patient.structure import Structure, StructureRole
from DosePredictionLib.patient.volume import Volume

GRID = Geometry((50, 60, 60), (1.5, 1.5, 2.0), (-44.25, -44.25, -49.0))
POINTS = GRID.lps_of_index(np.stack(np.meshgrid(*[np.arange(n) for n in GRID.shape], indexing="ij"), axis=-1))


def radial_dose(centre_mm: tuple[float, float, float] = (0.0, 0.0, 0.0)) -> Volume:
    """100 Gy in the centre, falling by 2 Gy/mm: the isodose of D Gy is a sphere of radius (100 - D) / 2 mm."""
    radius = np.linalg.norm(POINTS - centre_mm, axis=-1)
    return Volume(np.maximum(100.0 - 2.0 * radius, 0.0).astype(np.float32), GRID)


def sphere(radius_mm: float, centre_mm: tuple[float, float, float] = (0.0, 0.0, 0.0)) -> Structure:
    inside = np.linalg.norm(POINTS - centre_mm, axis=-1) <= radius_mm
    return Structure("PTV", Volume(inside, GRID), StructureRole.TARGET, prescription_gy=60.0)


def sphere_cc(radius_mm: float) -> float:
    return 4 / 3 * np.pi * radius_mm**3 / 1000


@pytest.mark.parametrize("dose_gy", [20.0, 50.0, 80.0])
def test_isodose_volume_is_a_sphere(dose_gy: float) -> None:
    assert isodose_volume_cc(radial_dose(), dose_gy) == pytest.approx(sphere_cc((100 - dose_gy) / 2), rel=0.02)


def test_conformity_is_one_when_the_isodose_is_the_target() -> None:
    # Short of 1 by what a mask of whole voxels has off the sphere at its surface.
    # The corners of the mask's voxels stick out of the isodose.
    assert 0.94 < conformity_index_paddick(radial_dose(), sphere(20.0), 60.0) <= 1.0


@pytest.mark.parametrize(("target_mm", "dose_gy"), [(15.0, 60.0), (25.0, 60.0), (10.0, 40.0)])
def test_conformity_of_concentric_spheres(target_mm: float, dose_gy: float) -> None:
    """Of two concentric spheres the smaller is the overlap, so the index is the ratio of the volumes."""
    isodose_mm = (100 - dose_gy) / 2
    smaller, larger = sorted((target_mm, isodose_mm))
    index = conformity_index_paddick(radial_dose(), sphere(target_mm), dose_gy)
    assert index == pytest.approx((smaller / larger) ** 3, rel=0.03)


def test_conformity_of_spheres_side_by_side() -> None:
    """Isodose sphere and target of 20 mm, 20 mm apart: they share a lens of pi (4 R + d)(2 R - d)^2 / 12."""
    radius, distance = 20.0, 20.0
    shared = np.pi * (4 * radius + distance) * (2 * radius - distance) ** 2 / 12 / 1000
    index = conformity_index_paddick(radial_dose((0.0, 0.0, distance)), sphere(radius), 60.0)
    assert index == pytest.approx((shared / sphere_cc(radius)) ** 2, rel=0.03)


def test_conformity_without_the_isodose_or_without_a_target() -> None:
    assert conformity_index_paddick(radial_dose(), sphere(20.0), 150.0) == 0.0
    assert np.isnan(conformity_index_paddick(radial_dose(), sphere(-1.0), 60.0))


def test_homogeneity_of_a_linear_curve() -> None:
    """Doses evenly spread from 60 to 70 Gy: D2 = 69.8, D98 = 60.2, D50 = 65."""
    geometry = Geometry((20, 25, 40), (1.0, 1.0, 1.0))
    doses = np.linspace(60.0, 70.0, 20_000, dtype=np.float32).reshape(geometry.shape)
    box = Structure("PTV", Volume(np.ones(geometry.shape, bool), geometry), StructureRole.TARGET)
    assert homogeneity_index(compute_dvh(Volume(doses, geometry), box)) == pytest.approx(9.6 / 65.0, rel=1e-3)


def test_homogeneity_without_dose_or_volume() -> None:
    nothing = Volume(np.zeros(GRID.shape, np.float32), GRID)
    assert np.isnan(homogeneity_index(compute_dvh(nothing, sphere(20.0))))
    assert np.isnan(homogeneity_index(compute_dvh(radial_dose(), sphere(-1.0))))


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_an_isodose_reaches_as_far_between_voxels_on_either_side(axis: int) -> None:
    """70 Gy in the middle plane, 10 Gy less a voxel: 32 Gy are reached 3.8 voxels to either side."""
    grid = Geometry((15, 15, 15), (4.0, 4.0, 4.0))
    fall = np.abs(np.arange(15) - 7.0).reshape([-1 if a == axis else 1 for a in range(3)])
    dose = Volume(np.broadcast_to(np.maximum(70.0 - 10.0 * fall, 0.0), grid.shape).astype(np.float32), grid)
    assert isodose_volume_cc(dose, 32.0) == pytest.approx(2 * 3.8 * 4.0 * 60.0 * 60.0 / 1000, rel=0.005)
