"""PTV names that tell of fractions, coverage, phases, organs cut away and other helps instead of a dose."""

from __future__ import annotations

import pytest

from DosePredictionLib.patient.naming import match_structure_name, match_structure_names
from DosePredictionLib.patient.structure import StructureRole


@pytest.mark.parametrize(
    ("name", "dose_gy"),
    [
        ("PTV_25#", None), ("PTV 60Gy 30#", 60.0), ("PTV 20 fraction", None), ("PTV 33 frac", None),
        ("PTV_33fracs", None), ("PTV_30f", None), ("PTV_25Frak", None), ("PTV 35 Fraktionen", None),
        ("PTV 28Sitzungen", None), ("PTV 70Gy 35 sessions", 70.0), ("PTV_phase50", None), ("PTV_ph50", 50.0),
        ("PTV_PET40", None),
        ("PTV_F_60", 60.0), ("PTV_D70Gy", 70.0),
        ("PTV_fx30", None), ("PTV_1.8Gyx25", None), ("PTV 2Gy x 30", None), ("PTV 12 Gy/fx", None), ("PTV20cc", None),
        ("PTV_54Gy_1.8Gyx30", 54.0), ("PTV 70 Gy/fx33", 70.0), ("PTV 70Gy/FDG", 70.0), ("PTV 60Gy/fossa", 60.0),

        ("PTV_24Gyx1", 24.0), ("PTV_60Gy x 30", 60.0), ("PTV 5400cGy x 30", 54.0), ("PTV_180cGyx30", None),
        ("PTV fx 30 60Gy", 60.0), ("PTV 35fx 70", 70.0), ("PTV 12.03.24", None),
        ("PTV_03/12/2024", None), ("PTV60 12.03.24", 60.0), ("PTV_PET 60Gy", 60.0),
    ],
)  # fmt: skip
def test_fractions_phases_and_thresholds_are_no_dose(name, dose_gy):
    match = match_structure_name(name)
    assert (match.role, match.prescription_gy) == (StructureRole.TARGET, dose_gy)


@pytest.mark.parametrize(
    ("name", "sure"),
    [("PTV T50", False), ("PTV_t50", False), ("PTV_PH50", False), ("PTVT50", False), ("PTV T50Gy", True),
     ("PTV T 50", True), ("PTV T54", True), ("PTV N50", True), ("PTV T5000", True)],
)  # fmt: skip
def test_a_dose_that_may_be_a_phase_of_breathing_is_a_guess(name, sure):
    match = match_structure_name(name)
    assert match.role is StructureRole.TARGET and match.prescription_gy in (50.0, 54.0)
    assert match.sure == sure and ("phase of breathing" in match.reason) != sure


@pytest.mark.parametrize(
    ("first", "second"),
    [("PTV Phase 1", "PTV Phase 2"), ("PTV 45 phase1", "PTV 45 phase2"), ("PTV_PET1", "PTV_PET2"), ("PTV 1#", "PTV 2#"),
     ("PTV 3fx", "PTV 5fx"), ("PTV_fx3", "PTV_fx5"), ("PTV50 Phase 1", "PTV50 Phase 2")],
)  # fmt: skip
def test_targets_numbered_by_phase_or_fractions_keep_different_names(first, second):
    matches = match_structure_names([first, second])
    assert [match.role for match in matches] == [StructureRole.TARGET] * 2
    assert matches[0].standard_name != matches[1].standard_name


def test_fractions_are_no_index_beside_dose_or_level():
    assert match_structure_name("PTV 26Gy 5#").standard_name == "PTV_2600"
    assert match_structure_name("PTV_High 5fx").standard_name == "PTV_High"


@pytest.mark.parametrize(
    ("name", "dose_gy"), [("PTV_D70", 70.0), ("PTV_D54", 54.0), ("PTV_V60", 60.0), ("PTV_D95Gy", 95.0)]
)
def test_a_d_or_v_before_a_usual_dose_is_no_coverage(name, dose_gy):
    match = match_structure_name(name)
    assert (match.role, match.prescription_gy) == (StructureRole.TARGET, dose_gy)


@pytest.mark.parametrize(
    "name", ["PTV_95%", "PTV95%", "95% PTV", "PTV_50 %", "PTV_V95", "PTVv95", "PTV_D98", "PTV_95pct", "PTV_70Gy_95%"]
)
def test_isodoses_coverage_and_phases_are_no_targets(name):
    match = match_structure_name(name)
    assert (match.role, match.prescription_gy) == (StructureRole.OTHER, None)


@pytest.mark.parametrize("name", ["PTVring", "ptvring", "PTVshell", "PTVavoid", "PTVhelp", "ringPTV", "PTV Hilfe"])
def test_words_of_planning_helps_glued_to_the_kind_are_seen(name):
    assert match_structure_name(name).role is StructureRole.IGNORED


@pytest.mark.parametrize(
    ("name", "standard"),
    [
        ("PTV-70", "PTV_7000"), ("PTV-7000", "PTV_7000"), ("PTV-Low", "PTV_Low"), ("PTV-High", "PTV_High"),
        ("PTV-boost", "PTV_Boost"), ("PTV-1", "PTV1"), ("PTV-LN", "PTV_LN"), ("PTV-LN_R", "PTV_LN_R"),
        ("PTV-Neck-L", "PTV_Neck_L"), ("PTV-Prostate", "PTV_Prostate"), ("PTV-Breast_L", "PTV_Breast_L"),
        ("PTV-Breast", "PTV_Breast"), ("PTV1-Mamma", "PTV1_Mamma"),
        ("PTV-SC", "PTV_SC"), ("PTV!", "PTV"), ("PTVn", "PTVn"), ("PTVp1", "PTVp1"), ("PTV_Lung", "PTV_Lung"),
        ("PTV_7000-03", "PTV_7000-03"), ("PTV_High-05", "PTV_High-05"),
    ],
)  # fmt: skip
def test_a_hyphen_before_dose_level_or_site_takes_nothing_away(name, standard):
    match = match_structure_name(name)
    assert (match.standard_name, match.role) == (standard, StructureRole.TARGET)
