"""PTVs that may be a part of another one: measured beside their whole, targets without it."""

from __future__ import annotations

import pytest

from DosePredictionLib.patient.naming import match_structure_name, match_structure_names
from DosePredictionLib.patient.structure import StructureRole


@pytest.mark.parametrize(
    ("part", "whole"),
    [
        ("PTV70-Parotid_L", "PTV70"), ("PTV70-Parotid", "PTV_70Gy"), ("PTV70-Skin", "PTV70"), ("PTV70 - Body", "PTV70"),
        ("PTV70-3mm", "PTV70"), ("PTV -3mm", "PTV"), ("PTV70-0.5cm", "PTV70"), ("PTV-Rectum", "PTV"),
        ("PTV_High-Brainstem", "PTV_High"), ("PTV70-Parotid_L", "PTV_High_70"), ("PTV_in_Rectum", "PTV"),
        ("PTV_and_Rectum", "PTV"), ("PTV70_noSkin", "PTV70"), ("PTV_minus_Rectum", "PTV"), ("PTV-Cord PRV", "PTV"),
        ("PTV_crop_from_skin", "PTV"), ("PTV-Rectum 70", "PTV70"), ("PTV-Rectum 70Gy", "PTV70"),
        ("PTV minus Rectum 60Gy", "PTV_6000"), ("PTV-skin 50Gy", "PTV_50"), ("PTV60-Cord PRV 3mm", "PTV60"),
        ("PTVn_54-Larynx", "PTVn_54"), ("PTV70-Larynx", "PTVp_70"), ("PTV_Neck-Larynx", "PTV_Neck"),
        ("PTV minus Rectum", "PTV_Prostate"), ("PTV70 minus Rectum", "PTV_Prostate_70"), ("PTV-3mm", "PTV60"),
        ("PTV_7000-Parotid_L-03", "PTV_7000"), ("PTV60-2mm-Rectum", "PTV60"), ("PTV_skin-3mm", "PTV"),
    ],
)  # fmt: skip
def test_a_part_of_another_target_is_only_measured(part, whole):
    cut, target = match_structure_names([part, whole])
    assert (cut.standard_name, cut.role, cut.prescription_gy) == (None, StructureRole.OTHER, None)
    assert repr(whole) in cut.reason
    assert target == match_structure_name(whole)


@pytest.mark.parametrize(
    ("name", "dose_gy"),
    [
        ("PTV-Liver", None), ("PTV-Brain", None), ("PTV 60-Lung", 60.0), ("PTV_50-Pancreas", 50.0),
        ("PTV tonsil and BOT", None), ("PTV nodes and larynx", None), ("PTV70-Parotid_L", 70.0), ("PTV70-3mm", 70.0),
        ("PTV70_noSkin", 70.0),
    ],
)  # fmt: skip
def test_what_may_be_a_part_is_a_target_to_be_checked_where_it_is_alone(name, dose_gy):
    (match,) = match_structure_names([name])
    assert (match.role, match.prescription_gy, match.sure) == (StructureRole.TARGET, dose_gy, False)


@pytest.mark.parametrize(
    "names",
    [
        ["PTV 56-Neck", "PTV 70-Larynx"], ["PTV70-3mm", "PTV56"], ["PTV70-Parotid_L", "PTV56"],
        ["PTV_High_70-Brainstem", "PTV_High"], ["PTV70-Parotid_L", "PTV70-Parotid_R", "PTV56"],
    ],
)  # fmt: skip
def test_the_highest_dose_is_never_put_aside(names):
    matches = match_structure_names(names)
    assert {match.role for match in matches} == {StructureRole.TARGET}
    assert max(match.prescription_gy or 0.0 for match in matches) == 70.0
    assert len({match.standard_name for match in matches}) == len(names)


@pytest.mark.parametrize(
    "names",
    [
        ["PTV-Liver", "PTV-Lung"], ["PTV 54-Larynx", "PTV 54-Neck"], ["PTV1_50", "PTV2_50-Rectum"],
        ["PTV_Boost", "PTV-Larynx"], ["PTV-Breast 50Gy", "PTV-Boost 60Gy"], ["PTV-Mamma 50", "PTV_Boost 66"],
        ["PTV_56", "PTV-Larynx"],
    ],
)  # fmt: skip
def test_nothing_is_cut_from_a_target_of_another_site_number_or_dose(names):
    assert {match.role for match in match_structure_names(names)} == {StructureRole.TARGET}


def test_the_reason_tells_both_readings():
    reason = match_structure_name("PTV70-Larynx").reason
    assert "70 Gy" in reason and "cut with Larynx" in reason and "site" in reason
    assert "site" not in match_structure_name("PTV70 minus Larynx").reason


def test_a_cropped_target_gives_way_to_the_whole_one_and_stands_alone_otherwise():
    cropped, whole = match_structure_names(["PTV70-03", "PTV70"])
    assert (cropped.role, cropped.prescription_gy) == (StructureRole.OTHER, None)
    assert (whole.role, whole.prescription_gy) == (StructureRole.TARGET, 70.0)
    (alone,) = match_structure_names(["PTV_7000-03"])
    assert (alone.role, alone.prescription_gy, alone.sure) == (StructureRole.TARGET, 70.0, False)
