"""Names that are guessed, that collide, or that stand for something derived from an organ or a target."""

from __future__ import annotations

import pytest

from DosePredictionLib.patient.name_words import name_table
from DosePredictionLib.patient.naming import match_structure_name, match_structure_names, role_of_standard_name
from DosePredictionLib.patient.structure import StructureRole


@pytest.mark.parametrize(
    ("name", "standard"),
    [("brainsteam", "Brainstem"), ("Spnal cord", "SpinalCord"), ("larnyx", "Larynx"), ("parotidis_l", "Parotid_L")],
)
def test_a_misspelt_organ_is_a_guess_and_says_so(name, standard):
    match = match_structure_name(name)
    assert match.standard_name == standard and not match.sure
    assert "please check" in match.reason


@pytest.mark.parametrize("name", ["Wibble", "Segment_1", "sausage", "Tumour board", "", "123"])
def test_nothing_is_guessed_from_names_that_resemble_none(name):
    match = match_structure_name(name)
    assert (match.standard_name, match.role, match.confidence) == (None, StructureRole.OTHER, 0.0)


@pytest.mark.parametrize("name", ["A_Femoral_L", "Bone_Temporal_R", "Pineal", "glnd parathyroid", "SpinalCord_Cerv"])
def test_tg263s_own_name_of_something_else_is_no_misspelt_organ(name):
    match = match_structure_name(name)
    assert match.standard_name.casefold() == name.replace(" ", "_").casefold()
    assert match.role is StructureRole.OTHER and match.sure


@pytest.mark.parametrize(
    ("name", "standard"),
    [
        ("SpinalCord_PRV05", "SpinalCord_PRV05"), ("cord+5mm", "SpinalCord_PRV05"), ("PRV Brainstem", "Brainstem_PRV"),
        ("OpticNrv_PRV03_L", "OpticNrv_PRV03_L"),
    ],
)  # fmt: skip
def test_an_organ_with_a_margin_is_not_the_organ(name, standard):
    match = match_structure_name(name)
    assert (match.standard_name, match.role) == (standard, StructureRole.OTHER)


@pytest.mark.parametrize("name", ["Skin-3mm", "Body-3mm", "Body -5 mm", "Skin_5mm", "Cord-3mm", "Parotid_L-3mm"])
def test_an_organ_made_smaller_or_a_rind_is_no_planning_risk_volume(name):
    match = match_structure_name(name)
    assert (match.standard_name, match.role) == (None, StructureRole.OTHER)


def test_a_hyphen_before_the_margin_of_a_planning_risk_volume_takes_nothing_away():
    assert match_structure_name("SpinalCord_PRV-5mm").standard_name == "SpinalCord_PRV05"


@pytest.mark.parametrize(
    "name", ["Lungs-GTV", "Larynx-PTV", "Body-PTV", "oesophagus_ptv", "PTV56-PTV63", "PTV70+5mm", "PTV_total"]
)
def test_what_is_cut_from_or_made_of_targets_is_only_measured(name):
    match = match_structure_name(name)
    assert (match.role, match.prescription_gy) == (StructureRole.OTHER, None)


@pytest.mark.parametrize("name", ["zPTV70", "Parotid_L_opt", "Avoid_larynx", "NTO", "Dose 50%", "Bolus", "Ring1"])
def test_what_serves_planning_only_is_ignored(name):
    assert match_structure_name(name).role is StructureRole.IGNORED


@pytest.mark.parametrize(("both", "standard"), [("Parotids", "Parotids"), ("Both lungs", "Lungs"), ("Eyes", "Eyes")])
def test_both_organs_of_a_pair_are_neither_of_them(both, standard):
    assert match_structure_name(both).standard_name == standard


@pytest.mark.parametrize("name", ["Parotid", "Kidney", "Parotid_contra"])
def test_an_organ_of_a_pair_without_its_side_is_not_guessed(name):
    match = match_structure_name(name)
    assert match.standard_name is None and match.role is StructureRole.OTHER
    assert "_L or " in match.reason


@pytest.mark.parametrize(
    ("name", "dose_gy"),
    [("PTV56-63", None), ("PTV_2000x3", None), ("PTV2", None), ("PTV70_35fx", 70.0), ("PTV2_60", 60.0),
     ("PTV_50p4Gy", 50.4), ("PTV_16Gy", 16.0), ("PTV_70_20230101", 70.0), ("PTV 59,4", 59.4), ("PTV 6996", 69.96)],
)  # fmt: skip
def test_only_a_number_that_can_be_a_dose_is_read_as_one(name, dose_gy):
    match = match_structure_name(name)
    assert match.role is StructureRole.TARGET
    assert match.prescription_gy == (None if dose_gy is None else pytest.approx(dose_gy))


def test_targets_that_differ_keep_different_names():
    names = [
        "PTV70",
        "PTV_63",
        "PTV5600",
        "PTVn_54",
        "PTVp_54",
        "PTV1_54",
        "PTV_Neck_L_54",
        "PTV_Neck_R_54",
        "PTV_High",
    ]
    standard = [match.standard_name for match in match_structure_names(names)]
    assert len(set(standard)) == len(names)
    assert standard[:4] == ["PTV_7000", "PTV_6300", "PTV_5600", "PTVn_5400"]


def test_a_guess_gives_way_to_a_sure_match():
    names = ["PTV70_opt", "PTV70", "Skin", "BODY", "brainsteam", "Brainstem"]
    opt, ptv, skin, body, misspelt, brainstem = match_structure_names(names)
    assert (ptv.role, body.role, brainstem.role) == (StructureRole.TARGET, StructureRole.EXTERNAL, StructureRole.OAR)
    for match in (opt, skin, misspelt):
        assert (match.role, match.standard_name, match.prescription_gy) == (StructureRole.OTHER, None, None)
    assert "'PTV70'" in opt.reason and "'BODY'" in skin.reason


def test_two_sure_matches_of_one_name_both_stay():
    first, second = match_structure_names(["Parotid_L", "LeftParotid"])
    assert first.standard_name == second.standard_name == "Parotid_L"


def test_a_guess_alone_is_kept():
    (skin,) = match_structure_names(["Skin"])
    assert skin.role is StructureRole.EXTERNAL


def test_every_name_of_the_table_is_found_and_no_two_structures_share_one():
    for entry in name_table()["structures"]:
        names = {entry["name"], *entry["synonyms"]}
        for name in names:
            spellings = {f"{name}_L": f"{entry['name']}_L", f"Right {name}": f"{entry['name']}_R"}
            if not entry.get("paired"):
                spellings = {name: entry["name"]}
            for spelling, standard in spellings.items():
                assert match_structure_name(spelling).standard_name == standard, spelling


def test_tg263_names_are_within_its_sixteen_characters():
    for entry in name_table()["structures"]:
        longest = f"{entry['name']}_L" if entry.get("paired") else entry["name"]
        assert len(longest) <= 16 and " " not in longest


def test_roles_of_standard_names():
    assert role_of_standard_name("Parotid_L") is StructureRole.OAR
    assert role_of_standard_name("External") is StructureRole.EXTERNAL
    assert role_of_standard_name("Prostate") is StructureRole.OTHER
    assert role_of_standard_name("Parotid_X") is None
