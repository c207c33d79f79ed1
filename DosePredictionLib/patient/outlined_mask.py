"""A mask that knows the outline it was made from."""

from __future__ import annotations

from dataclasses import dataclass

from DosePredictionLib.patient.volume import Volume

#: Outlines that hold more voxels than this are measured by their masks: counting voxels is right to 0.2 % there, and
#: the parts of voxels would take more time and memory (the body's some hundred megabytes) than that is worth.
MOST_VOXELS = 200_000
#: Outlines of fewer voxels are shown on a grid this much finer: an odd factor, so that voxel centres remain centres.
SMALL_VOXELS = 5000
FINER = 3


@dataclass(frozen=True)
class OutlinedMask(Volume):
    """Zeros and ones, with the part of each voxel that lies inside the contours or the surface they were made from.

    What is made of this mask (cropped, resampled, grown) is a `Volume` again, so that no occupancy outlives its mask.

    Attributes:
        occupancy: float32, 0..1, on a grid of its own.
    """

    occupancy: Volume
