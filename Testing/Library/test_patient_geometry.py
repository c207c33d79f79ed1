"""Which voxels of a grid another grid covers, and when two grids are one."""

from __future__ import annotations

import numpy as np
import pytest
from phantom import AXIAL, oblique_geometry, points_mm

from DosePredictionLib.patient.geometry import Geometry
from DosePredictionLib.patient.volume import Volume

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


@pytest.mark.parametrize("other", [
    Geometry(SMALLER.shape, (4.0, 4.0, 2.5), SMALLER.origin_mm),
    Geometry(SMALLER.shape, SMALLER.spacing_mm, (-50.0, -40.0, -29.0)),
    Geometry(SMALLER.shape, SMALLER.spacing_mm, SMALLER.origin_mm, (0, -1.0, 0, 1.0, 0, 0, 0, 0, 1.0)),
    Geometry((10, 12, 13), SMALLER.spacing_mm, SMALLER.origin_mm),
])  # fmt: skip
def test_grids_are_one_only_where_every_voxel_lies_on_its_fellow(other):
    """Two that begin at one place and have other voxels, or turn another way, are two: what lies there is resampled."""
    assert not SMALLER.is_close(other) and not other.is_close(SMALLER)
    heights = Volume(points_mm(SMALLER)[..., 2].astype(np.float32), SMALLER)
    inside = SMALLER.covers(other) & SMALLER.cropped((1, 1, 1), (8, 10, 12)).covers(other)
    assert heights.on_grid(other).array[inside] == pytest.approx(points_mm(other)[..., 2][inside], abs=1e-3)
    nearly = Geometry(SMALLER.shape, SMALLER.spacing_mm, (-50.0, -40.0, -30.0005))
    assert SMALLER.is_close(nearly)
