"""Differences between two doses voxel by voxel, inside a mask that has a name."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from DosePredictionLib.errors import InputError
from DosePredictionLib.patient.geometry import Geometry
from DosePredictionLib.patient.patient import Patient
from DosePredictionLib.patient.structure import StructureRole
from DosePredictionLib.patient.volume import Volume


@dataclass(frozen=True)
class VoxelStatistics:
    """Evaluated minus reference dose at the voxels of the reference grid inside a mask.

    Attributes:
        mask: which voxels, in words.
        voxels: how many.
        volume_cc: their volume.
        mae_gy: mean absolute difference.
        mean_difference_gy: mean difference; above 0 the evaluated dose is the higher one.
        rmse_gy: root of the mean squared difference.
        p95_absolute_gy: 95 % of the voxels differ by no more than this.
        max_absolute_gy: largest absolute difference.
    """

    mask: str
    voxels: int
    volume_cc: float
    mae_gy: float
    mean_difference_gy: float
    rmse_gy: float
    p95_absolute_gy: float
    max_absolute_gy: float


def comparison_mask(patient: Patient, geometry: Geometry, reference: Volume) -> tuple[str, np.ndarray]:
    """Where doses are compared, in words and as a boolean array on a grid.

    The data's own dose region; without one the external contour; without either the voxels that get at least 10 % of
    the reference dose's maximum.
    """
    region = patient_region(patient, geometry)
    if region is not None:
        return region
    dose = reference.on_grid(geometry).array
    threshold_gy = 0.1 * float(dose.max())
    return f"reference dose of {threshold_gy:.1f} Gy or more (10 % of its maximum)", dose >= threshold_gy


def patient_region(patient: Patient, geometry: Geometry) -> tuple[str, np.ndarray] | None:
    """The data's own dose region or the external contour, in words and as a boolean array on a grid; None without."""
    for role, words in ((StructureRole.DOSE_REGION, "dose region"), (StructureRole.EXTERNAL, "external contour")):
        structures = [s for s in patient.with_role(role) if s.mask.array.any()]
        if structures:
            masks = [s.mask.on_grid(geometry, nearest=True).array != 0 for s in structures]
            return f"{words} ({', '.join(s.name for s in structures)})", np.logical_or.reduce(masks)
    return None


def voxel_statistics(reference: Volume, evaluated: Volume, inside: np.ndarray, mask: str) -> VoxelStatistics:
    """Statistics of the difference.

    Args:
        reference: Gy.
        evaluated: Gy, on any grid; it is interpolated linearly at the reference's voxels. Those beyond its grid are
            left out, which ``mask`` then says.
        inside: boolean, on the reference's grid.
        mask: what ``inside`` is, in words.

    Raises:
        InputError: the mask holds no voxel of the reference dose.
    """
    known = evaluated.geometry.covers(reference.geometry)
    if (inside & ~known).any():
        inside, mask = inside & known, f"{mask}, as far as the evaluated dose's grid reaches"
    difference = evaluated.on_grid(reference.geometry).array[inside].astype(np.float64) - reference.array[inside]
    if not difference.size:
        raise InputError(
            f"No voxel of the reference dose lies in the {mask}; check that the dose belongs to this patient."
        )
    absolute = np.abs(difference)
    return VoxelStatistics(
        mask,
        int(difference.size),
        difference.size * reference.geometry.voxel_volume_cc,
        float(absolute.mean()),
        float(difference.mean()),
        float(np.sqrt(np.mean(difference**2))),
        float(np.percentile(absolute, 95.0)),
        float(absolute.max()),
    )
