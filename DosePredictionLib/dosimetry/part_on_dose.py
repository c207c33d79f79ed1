"""What of a structure a dose tells anything about."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from DosePredictionLib.patient.geometry import Geometry
from DosePredictionLib.patient.structure import Structure
from DosePredictionLib.patient.volume import Volume


def part_on_dose(structure: Structure, dose: Volume) -> Structure:
    """The part of a structure that lies on a dose's grid; it has no voxels where none does.

    Args:
        structure: on any grid.
        dose: Gy, on its own; beyond it the dose is not 0 but not known.
    """
    return part_on_grid(structure, dose.geometry)


def part_on_grid(structure: Structure, geometry: Geometry) -> Structure:
    """The part of a structure that lies on a grid, such as the CT's; it has no voxels where none does."""
    whole = structure.measured
    known = geometry.covers(whole.geometry)
    if known.all():
        return structure
    return replace(structure, mask=Volume(np.where(known, whole.array, whole.array.dtype.type(0)), whole.geometry))
