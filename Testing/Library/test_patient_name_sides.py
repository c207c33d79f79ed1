"""Sides in structure names: other languages' words, and names that may mean one organ of a pair or the other."""

from __future__ import annotations

import pytest

from DosePredictionLib.patient.naming import match_structure_name
from DosePredictionLib.patient.structure import StructureRole


@pytest.mark.parametrize(
    ("left", "right", "standard"),
    [
        ("Lung sx", "Lung dx", "Lung"), ("Cochlea li", "Cochlea re", "Cochlea"), ("Kidney_li", "Kidney_re", "Kidney"),
        ("Parotis links", "Parotis rechts", "Parotid"), ("Parotis sin", "Parotis dex", "Parotid"),
        ("ParotisLi", "ParotisRe", "Parotid"), ("li Parotis", "re Parotis", "Parotid"),
        ("Optic nerve li", "Optic nerve re", "OpticNrv"), ("Gl. submand. li", "Gl. submand. re", "Glnd_Submand"),
        ("Hippocampus li", "Hippocampus re", "Hippocampus"), ("Parotide gauche", "Parotide droite", "Parotid"),
        ("Parotide izq", "Parotide dcha", "Parotid"), ("Kidney izquierda", "Kidney derecha", "Kidney"),
    ],
)  # fmt: skip
def test_sides_in_other_languages(left, right, standard):
    assert match_structure_name(left).standard_name == f"{standard}_L"
    assert match_structure_name(right).standard_name == f"{standard}_R"


@pytest.mark.parametrize(
    "name",
    ["Kidney_G", "Kidney_D", "Parotid_G", "Parotid D", "Cochlea_G", "Bronchus_D", "kidneyd", "Parotid_X", "Lungs_X",
     "Cortex renal D", "Cochlea_contra", "Optic nerve ipsi", "Lung sup", "Lung upper", "Lung_S", "Kidney superior",
     "Parotid superior", "Rene S", "Pulmon inf", "Mama inf"],
)  # fmt: skip
def test_what_may_be_one_organ_of_a_pair_is_not_taken_for_both(name):
    match = match_structure_name(name)
    assert (match.standard_name, match.role) == (None, StructureRole.OTHER)


@pytest.mark.parametrize(
    ("name", "standard"), [("ONs", "OpticNrv"), ("SMGs", "Glnd_Submands"), ("BPs", "BrachialPlexs")]
)
def test_the_plural_of_an_abbreviation_is_both(name, standard):
    assert match_structure_name(name).standard_name == standard


@pytest.mark.parametrize("name", ["Lung reRT", "Lung re-RT", "Lung_L_re-RT", "Parotid_L_reCT", "Kidney_L re-plan"])
def test_done_again_is_not_right(name):
    assert match_structure_name(name).standard_name is None


@pytest.mark.parametrize("name", ["Breast_R_Sx", "Lung L re", "Kidney_L_dex"])
def test_sides_of_two_languages_that_contradict_each_other_are_no_pair(name):
    assert match_structure_name(name).standard_name is None


@pytest.mark.parametrize("name", ["Lungs li re", "Lung L+R", "Lung sx dx", "Both lungs"])
def test_both_sides_of_one_language_are_both_organs(name):
    assert match_structure_name(name).standard_name == "Lungs"


@pytest.mark.parametrize("name", ["Liver", "Retina", "Rectum", "RECTUM", "Spleen", "Sinus", "Lien"])
def test_a_side_is_not_cut_out_of_a_word(name):
    standard = match_structure_name(name).standard_name
    assert standard is None or not standard.endswith(("_L", "_R"))


@pytest.mark.parametrize("name", ["Rectum", "RECTUM", "Rectum O"])
def test_a_word_that_begins_like_a_repeated_ct_is_kept(name):
    assert match_structure_name(name).standard_name == "Rectum"
