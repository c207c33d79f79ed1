"""Structure names against TG-263."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from phantom import ball_patient

from DosePredictionLib.errors import InputError
from DosePredictionLib.patient.naming import match_standard_name, match_structure_name
from DosePredictionLib.patient.reading import read_patient
from DosePredictionLib.patient.structure import StructureRole
from DosePredictionLib.patient.writer_folder import write_patient_folder


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


@pytest.mark.parametrize(
    "name",
    ["Skin", "Spc_Bowel", "Spc_Bowel_Small", "A_Femoral_L", "V_Pulmonary", "Bone_Temporal_L", "SpinalCord_Cerv",
     "SeminalVes_Prox", "ProstateBed", "Glnd_Parathyroid", "Pineal", "Pacemaker", "Bolus_05mm", "IDL_5000", "Lungs-GTV",
     "Kidney_L-GTV", "Body-PTV", "E-PTV_5000", "E-PTV_Ev05_5000", "VB_T5"],
)  # fmt: skip
def test_names_of_tg263_are_standard_names_however_like_another_one_they_are(name):
    assert match_standard_name(name).standard_name == name
    assert match_standard_name(name).confidence == 0.0, "nothing tells the role"


@pytest.mark.parametrize(
    ("spelling", "standard"),
    [("skin", "Skin"), ("Spc Bowel", "Spc_Bowel"), ("parotid left", "Parotid_L"), ("Body", "External"),
     ("SpinalCord_PRV5", "SpinalCord_PRV05")],
)  # fmt: skip
def test_standard_names_may_be_spelt_otherwise(spelling, standard):
    assert match_standard_name(spelling).standard_name == standard


@pytest.mark.parametrize("name", ["Parotid", "Spinl_Cord", "Bowl_Small", "leg skin", "lungs less gtv", "A_Pulmonari"])
def test_what_is_like_a_name_of_tg263_and_none_is_no_standard_name(name):
    with pytest.raises(InputError, match="no TG-263 name that is known"):
        match_standard_name(name)


def test_a_structure_is_the_skin_where_its_plan_says_so(tmp_path: Path):
    write_patient_folder(ball_patient(), tmp_path / "case")
    plan = json.loads((tmp_path / "case" / "prescription.json").read_text())
    plan["structures"]["Cord"] = {"role": "other", "standard_name": "Skin"}
    (tmp_path / "case" / "prescription.json").write_text(json.dumps(plan))
    skin = next(s for s in read_patient(tmp_path / "case").structures if s.name == "Cord")
    assert (skin.standard_name, skin.role) == ("Skin", StructureRole.OTHER)
