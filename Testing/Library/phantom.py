"""Patients made of formulas."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from DosePredictionLib.patient.beams import OPENKBP_BEAMS, BeamArrangement
from DosePredictionLib.patient.geometry import Geometry
from DosePredictionLib.patient.patient import Patient
from DosePredictionLib.patient.structure import Structure, StructureRole
from DosePredictionLib.patient.volume import Volume

AXIAL = Geometry((40, 44, 48), (4.0, 4.0, 3.0), (-94.0, -86.0, -58.5))


def oblique_geometry(spacing_mm: tuple[float, float, float] = (1.7, 2.3, 3.1)) -> Geometry:
    """An anisotropic grid of about 19 cm each way, turned about two axes and off centre."""
    a, b = np.radians(20.0), np.radians(-12.0)
    turn_z = np.array([[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1]])
    turn_x = np.array([[1, 0, 0], [0, np.cos(b), -np.sin(b)], [0, np.sin(b), np.cos(b)]])
    direction = turn_z @ turn_x
    shape = tuple(int(round(190.0 / s)) for s in reversed(spacing_mm))
    half = (np.array(shape[::-1]) - 1) / 2 * np.array(spacing_mm)
    origin = np.array([11.0, -23.0, 37.0]) - direction @ half
    return Geometry(shape, spacing_mm, tuple(origin), tuple(direction.ravel()))


def points_mm(geometry: Geometry) -> np.ndarray:
    """LPS position of every voxel, (z, y, x, 3)."""
    return _points_mm(geometry).copy()


@lru_cache(maxsize=4)  # most tests ask for the same grid
def _points_mm(geometry: Geometry) -> np.ndarray:
    return geometry.lps_of_index(np.stack(np.indices(geometry.shape), axis=-1).astype(float))


def ball(geometry: Geometry, centre_mm: tuple[float, float, float], radius_mm: float) -> Volume:
    """Mask of the voxels whose centre lies in a ball."""
    return Volume(_ball_mask(geometry, tuple(centre_mm), radius_mm).copy(), geometry)


@lru_cache(maxsize=32)  # a patient has six, and the same again in the next test
def _ball_mask(geometry: Geometry, centre_mm: tuple[float, float, float], radius_mm: float) -> np.ndarray:
    distance = np.linalg.norm(_points_mm(geometry) - np.asarray(centre_mm), axis=-1)
    return (distance <= radius_mm).astype(np.uint8)


def ball_patient(
    geometry: Geometry = AXIAL,
    centre_mm: tuple[float, float, float] = (0.0, 0.0, 0.0),
    beams: BeamArrangement | None = OPENKBP_BEAMS,
) -> Patient:
    """A ball of water with two nested targets, a spinal cord and both parotids, around ``centre_mm``."""
    centre = np.asarray(centre_mm)

    def at(x: float, y: float, z: float, radius_mm: float) -> Volume:
        return ball(geometry, tuple(centre + (x, y, z)), radius_mm)

    body = at(0, 0, 0, 78.0)
    hu = np.where(body.array > 0, 20.0, -1000.0).astype(np.int16)
    return Patient(
        "ball",
        geometry,
        Volume(hu, geometry),
        (
            Structure("Body", body, StructureRole.EXTERNAL),
            Structure("PTV70", at(8, -10, 4, 17.0), StructureRole.TARGET, None, 70.0),
            Structure("PTV56", at(4, -10, 0, 30.0), StructureRole.TARGET, None, 56.0),
            Structure("Cord", at(0, 45, 0, 8.0), StructureRole.OAR, "SpinalCord"),
            Structure("Parotid left", at(45, 0, 20, 12.0), StructureRole.OAR, "Parotid_L"),
            Structure("Parotid right", at(-48, 4, 18, 11.0), StructureRole.OAR, "Parotid_R"),
        ),
        fractions=35,
        site="head-and-neck",
        beams=beams,
    )


def ball_dose(shift_mm: float = 0.0, peak_gy: float = 70.0) -> Volume:
    """A dose of `ball_patient` that falls off around its high target's middle, inside the body only.

    Args:
        shift_mm: of the dose to the patient's left.
        peak_gy: in the middle.
    """
    distance = np.linalg.norm(_points_mm(AXIAL) - (8.0 + shift_mm, -10.0, 4.0), axis=-1)
    body = ball_patient().structures[0].mask.array > 0
    return Volume((peak_gy * np.exp(-((distance / 40.0) ** 2)) * body).astype(np.float32), AXIAL)
