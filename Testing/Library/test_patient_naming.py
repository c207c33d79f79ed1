"""Structure names against TG-263."""

from __future__ import annotations

import pytest

from DosePredictionLib.patient.naming import match_structure_name
from DosePredictionLib.patient.structure import StructureRole


@pytest.mark.parametrize(
    ("name", "standard"),
    [
        ("Brainstem", "Brainstem"), ("BRAIN STEM", "Brainstem"), ("brain_stem", "Brainstem"),
        ("SpinalCord", "SpinalCord"), ("Spinal Cord", "SpinalCord"), ("cord", "SpinalCord"), ("Myelon", "SpinalCord"),
        ("LeftParotid", "Parotid_L"), ("parotid lt", "Parotid_L"), ("Parotid_L", "Parotid_L"),
        ("L Parotid", "Parotid_L"),
        ("RT PAROTID", "Parotid_R"), ("parotid_right", "Parotid_R"),
        ("Oesophagus", "Esophagus"), ("Mandible", "Bone_Mandible"), ("Larynx", "Larynx"),
        ("Oral Cavity", "Cavity_Oral"), ("Left Lung", "Lung_L"), ("Optic Nerve Left", "OpticNrv_L"),
        ("chiasm", "OpticChiasm"), ("Kidney_R", "Kidney_R"), ("Submandibular L", "Glnd_Submand_L"),
    ],
)  # fmt: skip
def test_organs(name, standard):
    match = match_structure_name(name)
    assert match.standard_name == standard
    assert match.role is StructureRole.OAR
    assert 0.5 < match.confidence <= 1.0 and match.reason


@pytest.mark.parametrize(
    ("name", "dose_gy"),
    [("PTV70", 70.0), ("PTV_7000", 70.0), ("PTV 63", 63.0), ("PTV-56", 56.0), ("ptv_54.25", 54.25),
     ("PTV_6300cGy", 63.0), ("PTV60Gy", 60.0), ("PTV_2000", 20.0), ("PTV_2025cGy", 20.25), ("PTV_60_2024", 60.0),
     ("PTV_2024", None)],
)  # fmt: skip
def test_targets_with_their_dose(name, dose_gy):
    match = match_structure_name(name)
    assert match.role is StructureRole.TARGET
    assert match.prescription_gy == pytest.approx(dose_gy)


@pytest.mark.parametrize("name", ["PTVHighOPT", "PTV_High", "PTV"])
def test_targets_without_a_dose_in_their_name(name):
    match = match_structure_name(name)
    assert match.role is StructureRole.TARGET and match.prescription_gy is None


@pytest.mark.parametrize("name", ["BODY", "External", "outer contour", "body"])
def test_the_outline(name):
    assert match_structure_name(name).role is StructureRole.EXTERNAL


@pytest.mark.parametrize("name", ["CTV70", "GTV", "SpinalCord_PRV05", "Ring_PTV70", "CouchSurface", "Wibble"])
def test_what_the_model_must_not_take_for_a_target_or_an_organ(name):
    assert match_structure_name(name).role in (StructureRole.OTHER, StructureRole.IGNORED)


def test_left_and_right_are_never_mixed_up():
    for name in ("Parotid", "Lung", "Kidney", "Cochlea"):
        left, right = match_structure_name(f"{name}_L").standard_name, match_structure_name(f"{name}_R").standard_name
        assert left.endswith("_L") and right.endswith("_R") and left[:-2] == right[:-2]
