"""Outlines that the files of a patient held and the voxels in its nodes don't."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from DosePredictionLib.patient.geometry import index3
from DosePredictionLib.patient.outlined_mask import OutlinedMask
from DosePredictionLib.patient.patient import Patient
from DosePredictionLib.patient.structure import Structure
from DosePredictionLib.patient.volume import Volume


def with_known_outlines(patient: Patient, source: Patient) -> Patient:
    """A patient read off its nodes, its structures measured by the contours of the files that the nodes were made from.

    Args:
        patient: as the nodes have it.
        source: as the files had it. A structure's outline is taken where name and voxels are still the same.
    """
    known = {structure.name: structure for structure in source.structures}
    return patient.with_structures(_outlined(one, known.get(one.name)) for one in patient.structures)


def _outlined(structure: Structure, source: Structure | None) -> Structure:
    if source is None or not isinstance(source.mask, OutlinedMask):
        return structure
    if not _same_voxels(structure.mask, source.mask):
        return structure
    mask = OutlinedMask(structure.mask.array, structure.mask.geometry, source.mask.occupancy)
    return replace(structure, mask=mask)


def _same_voxels(mask: Volume, other: Volume) -> bool:
    """Whether two masks are the same on the grid of the first, which may be the coarser one."""
    mine, theirs = mask.cropped_to_nonzero(), other.cropped_to_nonzero()
    ends_mm = theirs.geometry.lps_of_index(theirs.geometry.corners())
    index = np.rint(mine.geometry.index_of_lps(ends_mm)).astype(int)
    low = np.minimum(index.min(axis=0), 0)
    high = np.maximum(index.max(axis=0) + 1, mine.geometry.shape)
    both = mine.geometry.cropped(index3(low), index3(high - low))
    return np.array_equal(mine.on_grid(both, nearest=True).array != 0, theirs.on_grid(both, nearest=True).array != 0)
