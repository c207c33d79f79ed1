"""A hot spot outside the targets: found where it is and beyond the margin, looked for only where the dose is high."""

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


def test_the_fall_off_around_a_target_is_no_hot_spot() -> None:
    """The target of 30 mm at 60 Gy to 36 mm: within the margin of 10 mm; to 50 mm a shell from 40 mm on is left."""
    patient = ball_patient()
    near, far = (Volume(np.float32(60.0) * ball(AXIAL, (4.0, -10.0, 0.0), mm).array, AXIAL) for mm in (36.0, 50.0))
    assert hot_spot_outside_targets(patient, near, 56.0, 10.0).volume_cc == 0.0
    without_margin = hot_spot_outside_targets(patient, near, 56.0, 0.0)
    assert without_margin.volume_cc == pytest.approx(4 / 3 * np.pi * (3.6**3 - 3.0**3), rel=0.05)
    shell = hot_spot_outside_targets(patient, far, 56.0, 10.0)
    # The margin is one of voxel centres, which lie up to half a voxel within the target's surface.
    assert shell.volume_cc == pytest.approx(4 / 3 * np.pi * (5.0**3 - 4.0**3), rel=0.08)
    assert shell.maximum_gy == 60.0 and shell.centre_mm is not None
    assert 40.0 - 4.0 < np.linalg.norm(np.subtract(shell.centre_mm, (4.0, -10.0, 0.0))) <= 50.0
