"""A hot spot outside the targets: found where it is, and looked for only where the dose is high."""

from __future__ import annotations

import numpy as np
import pytest
from phantom import AXIAL, ball, ball_patient
from scipy import ndimage

from DosePredictionLib.patient.volume import Volume
from DosePredictionLib.review.measures import HotSpot, hot_spot_outside_targets

CENTRES_MM = {(-45.0, 20.0, 0.0): 10.0, (-60.0, -30.0, 40.0): 6.0}


@pytest.fixture
def labelled(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Voxels among which connected ones are looked for, by call."""
    voxels: list[int] = []
    label = ndimage.label

    def counted(array):
        voxels.append(array.size)
        return label(array)

    monkeypatch.setattr(ndimage, "label", counted)
    return voxels


def hot_gy() -> Volume:
    """20 Gy and two balls of 74 Gy, whose hottest voxels are their middles."""
    gy = np.full(AXIAL.shape, 20.0, np.float32)
    for centre_mm, radius_mm in CENTRES_MM.items():
        gy[ball(AXIAL, centre_mm, radius_mm).array > 0] = 74.0
        z, y, x = np.rint(AXIAL.index_of_lps(np.array(centre_mm))).astype(int)
        gy[z, y, x] = 75.0 if radius_mm > 8.0 else 76.0
    return Volume(gy, AXIAL)


def test_the_larger_one_is_found_among_few_voxels(labelled: list[int]) -> None:
    dose = hot_gy()
    spot = hot_spot_outside_targets(ball_patient(), dose, 70.0, 5.0)
    large = ball(AXIAL, (-45.0, 20.0, 0.0), 10.0)
    assert spot.volume_cc == pytest.approx(int(large.array.sum()) * AXIAL.voxel_volume_cc)
    assert spot.maximum_gy == 76.0, "of all that is outside, not of the largest alone"
    assert spot.centre_mm == pytest.approx((-45.0, 20.0, 0.0), abs=2.1)
    whole, count = ndimage.label(dose.array >= 70.0)
    assert count >= 2 and labelled[0] < 0.1 * whole.size


def test_without_one_nothing_is_searched(labelled: list[int]) -> None:
    assert hot_spot_outside_targets(ball_patient(), hot_gy(), 80.0, 5.0) == HotSpot(0.0, 76.0, None)
    assert hot_spot_outside_targets(ball_patient(), hot_gy(), 0.0, 5.0) == HotSpot(0.0, 76.0, None)
    assert labelled == []
