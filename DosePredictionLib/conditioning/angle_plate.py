"""The beams' directions as a picture: lines from the isocentre towards each source."""

from __future__ import annotations

import numpy as np

from DosePredictionLib.patient.beams import BeamArrangement
from DosePredictionLib.patient.geometry import Geometry

#: Standard deviation of a line's profile.
LINE_WIDTH_MM = 5.0


def angle_plate(beams: BeamArrangement, targets: np.ndarray, body: np.ndarray, geometry: Geometry) -> np.ndarray:
    """Lines of the gantry angles through the isocentre, the same on every axial slice, within the body.

    The idea is the "angle plate" of the GDP-HMM challenge (Gao et al., arXiv:2501.11803), which has the lines in one
    axial plane. Fields from outside the axial plane are drawn by their projection.

    Args:
        beams: the arrangement; without an isocentre, the centroid of the targets is taken.
        targets: (z, y, x) boolean, all targets together.
        body: (z, y, x) boolean.
        geometry: its grid; its axes must be those of LPS.

    Returns:
        float32 (z, y, x) from 0 to 1, zero outside the body.
    """
    if beams.isocentre_mm is None:
        isocentre_mm = geometry.lps_of_index(np.argwhere(targets).mean(axis=0))
    else:
        isocentre_mm = np.asarray(beams.isocentre_mm)
    columns, rows = (
        geometry.origin_mm[axis] + geometry.spacing_mm[axis] * np.arange(geometry.shape[2 - axis]) - isocentre_mm[axis]
        for axis in (0, 1)
    )
    x, y = columns[None, :], rows[:, None]
    plane = np.zeros((len(rows), len(columns)))
    for beam in beams.beams:
        direction = beam.to_source[:2]
        length = float(np.hypot(*direction))
        if length < 1e-3:
            continue  # along the patient's axis: nothing to see from above
        along = (x * direction[0] + y * direction[1]) / length
        across = (x * direction[1] - y * direction[0]) / length
        line = np.exp(-0.5 * (across / LINE_WIDTH_MM) ** 2) * (along >= 0)
        plane = np.maximum(plane, line)
    return (plane[None] * body).astype(np.float32)
