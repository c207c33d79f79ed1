"""Agreement of isodoses: overlap and distance of surfaces."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from DosePredictionLib.patient.geometry import Geometry, index3, vector3
from DosePredictionLib.patient.volume import Volume
from DosePredictionLib.patient.voxel_box import box_corners, occupied_box

#: Usual isodose levels for comparisons, % of the prescription.
USUAL_LEVELS_PERCENT = (20.0, 50.0, 80.0, 95.0, 100.0)
#: Doses on coarser voxels are interpolated to voxels of at most this size first, so that surfaces lie between voxels.
FINEST_NEEDED_MM = 2.0


@dataclass(frozen=True)
class IsodoseAgreement:
    """How the volumes that receive at least a dose agree.

    Attributes:
        level_percent: of the prescription.
        level_gy: the same in Gy.
        reference_cc: volume within the reference's isodose.
        evaluated_cc: volume within the evaluated dose's isodose.
        dice: twice the common volume over the sum of both, 0 to 1; NaN when neither reaches the level.
        hd95_mm: 95th percentile of the distances from each surface to the other, of both directions together; NaN when
            one of them doesn't reach the level.
    """

    level_percent: float
    level_gy: float
    reference_cc: float
    evaluated_cc: float
    dice: float
    hd95_mm: float


def isodose_agreement(
    reference: Volume,
    evaluated: Volume,
    prescription_gy: float,
    levels_percent: Sequence[float] = USUAL_LEVELS_PERCENT,
) -> list[IsodoseAgreement]:
    """Dice coefficient and 95th percentile of the Hausdorff distance of isodose volumes.

    Both doses are interpolated linearly onto a grid along the reference's axes with voxels of at most 2 mm; distances
    are exact Euclidean ones between the outermost voxels of each volume, so they come in steps of that grid.

    Args:
        reference: Gy, on any grid.
        evaluated: Gy, on any grid; outside it the dose is 0.
        prescription_gy: what the levels are percentages of.
        levels_percent: above 0.
    """
    lowest_gy = min(levels_percent) * prescription_gy / 100.0
    grid = _common_grid(reference, evaluated, lowest_gy)
    nan = float("nan")
    if grid is None:
        return [IsodoseAgreement(p, p * prescription_gy / 100.0, 0.0, 0.0, nan, nan) for p in levels_percent]
    doses = reference.on_grid(grid).array, evaluated.on_grid(grid).array
    return [_agreement(doses, grid, percent, percent * prescription_gy / 100.0) for percent in levels_percent]


def _agreement(
    doses: tuple[np.ndarray, np.ndarray], grid: Geometry, level_percent: float, level_gy: float
) -> IsodoseAgreement:
    import SimpleITK as sitk

    inside = [dose >= level_gy for dose in doses]
    counts = [int(np.count_nonzero(one)) for one in inside]
    volumes = [count * grid.voxel_volume_cc for count in counts]
    nan = float("nan")
    if not any(counts):
        return IsodoseAgreement(level_percent, level_gy, 0.0, 0.0, nan, nan)
    if not all(counts):
        return IsodoseAgreement(level_percent, level_gy, volumes[0], volumes[1], 0.0, nan)
    box = occupied_box(inside[0] | inside[1])
    assert box is not None
    images = []
    for one in inside:
        part = np.pad(one[box], 1)  # a surface at the box's edge is a surface too
        images.append(Volume(part, Geometry(part.shape, grid.spacing_mm)).to_image())
    overlap = sitk.LabelOverlapMeasuresImageFilter()
    overlap.Execute(*images)
    surfaces = [sitk.LabelContour(image, fullyConnected=False) for image in images]
    distances = []
    for here, there in (surfaces, surfaces[::-1]):
        far = sitk.SignedMaurerDistanceMap(there, squaredDistance=False, useImageSpacing=True)
        # Within the other surface's own voxels the map is negative or 0.
        distance = np.maximum(sitk.GetArrayViewFromImage(far), 0.0)
        distances.append(distance[sitk.GetArrayViewFromImage(here) != 0])
    hd95_mm = float(np.percentile(np.concatenate(distances), 95.0))
    return IsodoseAgreement(
        level_percent, level_gy, volumes[0], volumes[1], float(overlap.GetDiceCoefficient()), hd95_mm
    )


def _common_grid(reference: Volume, evaluated: Volume, lowest_gy: float) -> Geometry | None:
    """A grid along the reference's axes around all voxels of either dose that reach the lowest level."""
    own = reference.geometry
    corners = []
    for dose in (reference, evaluated):
        box = occupied_box(dose.array >= lowest_gy)
        if box is not None:
            # One voxel more: the isodose surface lies between voxels.
            corners.append(own.index_of_lps(dose.geometry.lps_of_index(box_corners(box, 1.0))))
    if not corners:
        return None
    index = np.concatenate(corners)
    low, high = index.min(axis=0), index.max(axis=0)
    spacing = np.minimum(own.spacing_mm, FINEST_NEEDED_MM)
    shape = np.ceil((high - low) * np.asarray(own.spacing_mm[::-1]) / spacing[::-1]).astype(int) + 1
    return Geometry(index3(shape), vector3(spacing), vector3(own.lps_of_index(low)), own.direction)
