"""Which voxels of a grid another grid covers."""

from __future__ import annotations

import numpy as np
import pytest
from phantom import AXIAL, oblique_geometry, points_mm

from DosePredictionLib.patient.geometry import Geometry

SMALLER = Geometry((10, 12, 14), (4.0, 4.0, 3.0), (-50.0, -40.0, -30.0))
FLIPPED = Geometry((10, 12, 14), (4.0, 4.0, 3.0), (2.0, 4.0, -3.0), (-1.0, 0, 0, 0, -1.0, 0, 0, 0, -1.0))


@pytest.mark.parametrize("one", [AXIAL, SMALLER, FLIPPED, oblique_geometry((5.0, 6.0, 7.0))])
@pytest.mark.parametrize("other", [AXIAL, SMALLER, oblique_geometry((8.0, 9.0, 10.0))])
def test_a_voxel_is_covered_when_its_centre_lies_in_one_of_the_others(one, other):
    index = one.index_of_lps(points_mm(other))
    above, below = index + 0.5, np.array(one.shape) - 0.5 - index
    unsure = (np.minimum(np.abs(above), np.abs(below)) < 2e-3).any(axis=-1)
    wanted = ((above > 0) & (below > 0)).all(axis=-1)
    assert np.array_equal(one.covers(other)[~unsure], wanted[~unsure]) and not unsure.all()
