"""prescription.json: what it says reaches the patient, and what can't be meant is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from phantom import ball_patient

from DosePredictionLib.dosimetry.goal_choice import best_goal_set
from DosePredictionLib.errors import InputError
from DosePredictionLib.patient.checks import check_patient
from DosePredictionLib.patient.patient import Patient
from DosePredictionLib.patient.plan_file import read_plan_file
from DosePredictionLib.patient.reading import read_patient
from DosePredictionLib.patient.structure import StructureRole
from DosePredictionLib.patient.writer_folder import write_patient_folder


def case(folder: Path, plan: dict[str, Any], *names: str) -> Patient:
    """A folder with a CT, a mask under each name, and this prescription.json, read."""
    patient = ball_patient()
    patient.ct.write(folder / "ct.nrrd")
    for name in names:
        patient.structures[1].mask.write(folder / f"{name}.nrrd")
    (folder / "prescription.json").write_text(json.dumps(plan))
    return read_patient(folder)


def doses(patient: Patient) -> dict[str, float | None]:
    return {structure.name: structure.prescription_gy for structure in patient.structures}


@pytest.mark.parametrize(
    ("names", "wanted"),
    [
        (("PTV",), {"PTV": 66.0}),
        (("PTV70",), {"PTV70": 66.0}),  # said by the plan against what the name says
        (("PTV_High", "PTV54"), {"PTV_High": 66.0, "PTV54": 54.0}),
        (("PTV", "PTV54"), {"PTV": 66.0, "PTV54": 54.0}),
        (("PTV60", "PTV54"), {"PTV60": 66.0, "PTV54": 54.0}),
        (("PTV_High", "PTV_Low"), {"PTV_High": 66.0, "PTV_Low": None}),
        (("PTV_Mid", "PTV_Low"), {"PTV_Mid": None, "PTV_Low": None}),  # which is the highest can't be told
    ],
)
def test_one_prescription_goes_to_the_highest_target(tmp_path, names, wanted):
    assert doses(case(tmp_path, {"prescription_gy": 66}, *names)) == wanted


def test_a_target_left_without_a_dose_is_asked_for(tmp_path):
    patient = case(tmp_path, {"prescription_gy": 66}, "PTV_High", "PTV_Low")
    with pytest.raises(InputError, match="PTV_Low.*has no prescription.*prescription.json"):
        check_patient(patient)


def test_a_prescription_may_be_given_more_than_once_if_alike(tmp_path):
    plan = {
        "prescription_gy": 66,
        "prescriptions_gy": {"PTV70": 66, "PTV54": 54},
        "structures": {"PTV70": {"prescription_gy": 66}},
    }
    assert doses(case(tmp_path, plan, "PTV70", "PTV54")) == {"PTV54": 54.0, "PTV70": 66.0}


@pytest.mark.parametrize("key", ["PTV70", "ptv70", "PTV_7000", "PTV 70 Gy"])
def test_targets_are_known_by_any_way_to_write_their_name(tmp_path, key):
    assert doses(case(tmp_path, {"prescriptions_gy": {key: 69.96}}, "PTV70")) == {"PTV70": 69.96}


def test_what_has_a_prescription_is_a_target(tmp_path):
    (structure,) = case(tmp_path, {"prescriptions_gy": {"CTV_boost": 60}}, "CTV_boost").structures
    assert (structure.role, structure.prescription_gy) == (StructureRole.TARGET, 60.0)


def test_cgy_is_noticed(tmp_path):
    with pytest.raises(InputError, match="7000 looks like cGy; give 70"):
        case(tmp_path, {"prescriptions_gy": {"PTV70": 7000}}, "PTV70")


def test_a_number_beyond_all_bounds_is_refused(tmp_path):
    (tmp_path / "prescription.json").write_text('{"prescription_gy": 1' + "0" * 400 + "}")
    with pytest.raises(InputError, match="prescription_gy is no number that can be reckoned with"):
        read_plan_file(tmp_path / "prescription.json")


def test_a_standard_name_brings_its_role_and_an_empty_one_takes_it_away(tmp_path):
    plan = {
        "structures": {
            "Speicheldruese": {"standard_name": "Parotid_L"},
            "Larynx": {"role": "other", "standard_name": ""},
        }
    }
    larynx, gland = case(tmp_path, plan, "Larynx", "Speicheldruese").structures
    assert (gland.role, gland.standard_name) == (StructureRole.OAR, "Parotid_L")
    assert (larynx.role, larynx.standard_name) == (StructureRole.OTHER, None)


@pytest.mark.parametrize("spelling", ["Parotid_l", "parotid left", "Parotid L", "Ohrspeicheldrüse links"])
def test_a_standard_name_may_be_spelt_otherwise(tmp_path, spelling):
    (gland,) = case(tmp_path, {"structures": {"gl 1": {"standard_name": spelling}}}, "gl 1").structures
    assert (gland.role, gland.standard_name) == (StructureRole.OAR, "Parotid_L")


@pytest.mark.parametrize(
    ("spelling", "hint"),
    [
        ("foo bar", "known; give one"),
        ("Parotid", "name it Parotid_L or Parotid_R"),
        ("Brainsteam", "spelt like Brainstem"),
        (" ", "known"),
    ],
)
def test_a_standard_name_that_is_none_is_refused(tmp_path, spelling, hint):
    with pytest.raises(InputError, match=f"prescription.json.*'SpinalCord'.*{spelling!r}.*{hint}"):
        case(tmp_path, {"structures": {"SpinalCord": {"standard_name": spelling}}}, "SpinalCord")


def test_the_standard_name_of_a_target_tells_its_dose(tmp_path):
    (boost,) = case(tmp_path, {"structures": {"boost": {"standard_name": "PTV 70"}}}, "boost").structures
    assert (boost.role, boost.standard_name, boost.prescription_gy) == (StructureRole.TARGET, "PTV_7000", 70.0)


def test_a_comment_may_stand_in_the_file(tmp_path):
    (tmp_path / "prescription.json").write_text(
        '{"comment": "boost planned", "fractions": 35, "structures": {"Cord": {"note": "of the CT", "role": "oar"}}}'
    )
    read = read_plan_file(tmp_path / "prescription.json")
    assert read.fractions == 35 and read.corrections["Cord"].role is StructureRole.OAR


def test_standard_names_are_written_as_they_are_read(tmp_path):
    def written(standard_name: str, name: str = "Gl") -> str | None:
        patient = ball_patient()
        gland = replace(patient.structures[4], name=name, standard_name=standard_name)
        folder = tmp_path / f"{name} {standard_name}"
        write_patient_folder(patient.with_structures([*patient.structures[:2], gland]), folder)
        return read_patient(folder).structures[-1].standard_name

    assert [written(spelling) for spelling in ("Parotid_R", "parotid_r")] == ["Parotid_R"] * 2
    assert written("PTV_7000-03", "PTV70-3mm") == "PTV_7000-03"  # a guess from the name, which comes again
    assert [written(other) for other in ("VB_T5", "Scrotum")] == ["VB_T5", "Scrotum"]  # TG-263 has more than are known
    with pytest.raises(InputError, match="standard name of Gl: 'Foo bar' is no TG-263 name that is known"):
        written("Foo bar")
    assert not (tmp_path / "Gl Foo bar").exists()


def test_collisions_are_reported_and_can_be_corrected(tmp_path):
    with pytest.raises(InputError, match="LeftParotid and Parotid_L.*prescription.json"):
        check_patient(case(tmp_path, {}, "PTV70", "Parotid_L", "LeftParotid"))
    corrected = case(tmp_path, {"structures": {"LeftParotid": {"role": "other"}}}, "PTV70", "Parotid_L", "LeftParotid")
    assert check_patient(corrected).standard("Parotid_L") is not None


def test_beams_with_couch_and_isocentre(tmp_path):
    beams = {"gantry_deg": [0, 90], "couch_deg": [0, 15], "isocentre_mm": [1, 2.5, -3]}
    read = case(tmp_path, {"beams": beams}, "PTV70").beams
    assert [(beam.gantry_deg, beam.couch_deg) for beam in read.beams] == [(0.0, 0.0), (90.0, 15.0)]
    assert read.isocentre_mm == (1.0, 2.5, -3.0)


@pytest.mark.parametrize(
    "plan",
    [
        '{"prescription_gy": 70, "fractions": 35, "prescription_gy": 60}',
        '{"prescriptions_gy": {"PTV70": 70, "PTV70": 60}}',
        '{"structures": {"PTV70": {"role": "target"}, "PTV70": {"role": "other"}}}',
    ],
)
def test_a_key_that_is_there_twice_is_refused(tmp_path, plan):
    (tmp_path / "prescription.json").write_text(plan)
    with pytest.raises(InputError, match=r"prescription\.json gives '.*' twice in one place; keep one"):
        read_plan_file(tmp_path / "prescription.json")


def test_a_blank_site_or_technique_is_unknown(tmp_path):
    patient = case(tmp_path, {"site": "", "technique": " "}, "PTV70")
    assert patient.site is None and patient.technique is None
    assert "does not state its site" in best_goal_set(patient).reason


@pytest.mark.parametrize(
    ("plan", "hint"),
    [
        ({"fractions": 0}, "fractions"),
        ({"fractions": 35.5}, "fractions.*35.5"),
        ({"fractions": True}, "fractions"),
        ({"fractions": 350}, "fractions.*350; give a whole number from 1 to 100"),
        ({"fractions": 10**60}, r"fractions.*10+\.\.\.; give"),
        ({"fractions": "35"}, "fractions"),
        ({"prescription_gy": "70 Gy"}, "70 Gy"),
        ({"prescriptions_gy": {"PTV70": None}}, "PTV70"),
        ({"prescriptions_gy": [70]}, "braces"),
        ({"prescriptions_gy": {"PTV50": 50}}, "PTV50.*there are PTV70"),
        ({"beams": {"gantry_deg": []}}, "gantry_deg"),
        ({"beams": {"gantry_deg": [0, 90], "couch_deg": [0]}}, "couch_deg"),
        ({"beams": {"gantry_deg": [0], "isocentre_mm": [0, 0]}}, "LPS"),
        ({"beams": {"gantry_deg": [0], "couch": [90]}}, "'couch' of \"beams\" means nothing; .*couch_deg"),
        ({"structures": {"PTV70": {"rolle": "target"}}}, "rolle"),
        ({"prescription": 70}, "'prescription' means nothing; .*prescription_gy"),
        ({"prescriptions_gy": {"PTV70": 70, "ptv 70": 60}}, "'PTV70' and 'ptv 70' are one structure"),
        ({"structures": {"PTV70": {"role": "other"}, "PTV_7000": {}}}, "'PTV70' and 'PTV_7000' are one structure"),
        ({"prescription_gy": 66, "prescriptions_gy": {"PTV70": 70}}, "both 70 and 66 Gy to PTV70, the highest"),
        (
            {"prescriptions_gy": {"PTV70": 70}, "structures": {"PTV70": {"prescription_gy": 60}}},
            "both 60 and 70 Gy to PTV70; keep one",
        ),
        ({"technique": 3}, "technique"),
        ([], "braces"),
    ],
)
def test_values_that_cannot_be_meant_are_refused_with_the_file_and_the_key(tmp_path, plan, hint):
    with pytest.raises(InputError, match=f"prescription.json.*{hint}") as refused:
        case(tmp_path, plan, "PTV70")
    assert "\n" not in str(refused.value)
