"""PTV names that tell of fractions, phases and thresholds instead of a dose."""

from __future__ import annotations

import pytest

from DosePredictionLib.patient.naming import match_structure_name
from DosePredictionLib.patient.structure import StructureRole


@pytest.mark.parametrize(
    ("name", "dose_gy"),
    [
        ("PTV_25#", None), ("PTV 60Gy 30#", 60.0), ("PTV 20 fraction", None), ("PTV 33 frac", None),
        ("PTV_33fracs", None), ("PTV_30f", None), ("PTV_25Frak", None), ("PTV 35 Fraktionen", None),
        ("PTV 28Sitzungen", None), ("PTV 70Gy 35 sessions", 70.0), ("PTV_phase50", None), ("PTV_PET40", None),
        ("PTV_F_60", 60.0), ("PTV_D70Gy", 70.0),
    ],
)  # fmt: skip
def test_fractions_phases_and_thresholds_are_no_dose(name, dose_gy):
    match = match_structure_name(name)
    assert (match.role, match.prescription_gy) == (StructureRole.TARGET, dose_gy)
