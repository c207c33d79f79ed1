"""How far from the targets a hot spot begins, in millimetres on voxels that are no cubes."""

from __future__ import annotations

import numpy as np
import pytest
from phantom import AXIAL, ball, ball_patient

from DosePredictionLib.patient.volume import Volume
from DosePredictionLib.review.measures import hot_spot_outside_targets


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
