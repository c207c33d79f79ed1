"""What a user can get wrong: one sentence each."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from phantom import AXIAL, ball, ball_patient

from DosePredictionLib.errors import InputError
from DosePredictionLib.patient.checks import check_patient
from DosePredictionLib.patient.geometry import Geometry
from DosePredictionLib.patient.patient import Patient
from DosePredictionLib.patient.reading import find_cases, read_patient
from DosePredictionLib.patient.structure import Structure, StructureRole
from DosePredictionLib.patient.volume import Volume
from DosePredictionLib.patient.writer_folder import write_patient_folder


def changed(name: str, **changes: object) -> Patient:
    """The ball with one structure changed."""
    patient = ball_patient()
    return patient.with_structures(
        replace(s, **changes) if s.name == name else s
        for s in patient.structures  # type: ignore[arg-type]
    )


def complaint(patient: Patient) -> str:
    """The sentence with which a patient is refused."""
    with pytest.raises(InputError) as refused:
        check_patient(patient)
    text = str(refused.value)
    assert text.endswith(".") and "\n" not in text
    return text


def test_a_good_patient_passes_without_a_warning():
    checked = check_patient(ball_patient())
    assert checked.warnings == ()


def test_no_target_is_refused_with_the_names_that_are_there():
    patient = ball_patient()
    text = complaint(patient.with_structures(s for s in patient.structures if s.role is not StructureRole.TARGET))
    assert "no target" in text and "Cord" in text


def test_an_empty_target_is_named():
    assert "PTV70" in complaint(changed("PTV70", mask=Volume(np.zeros(AXIAL.shape, np.uint8), AXIAL)))


@pytest.mark.parametrize(
    ("dose_gy", "hint"), [(0.0, "more than 0"), (-5.0, "more than 0"), (None, "no prescription"), (7000.0, "give 70")]
)
def test_prescriptions_that_cannot_be_meant_are_refused(dose_gy, hint):
    text = complaint(changed("PTV70", prescription_gy=dose_gy))
    assert "PTV70" in text and hint in text


def test_a_target_outside_the_ct_is_refused_and_an_organ_there_is_ignored():
    far = Geometry((5, 5, 5), (3.0, 3.0, 3.0), (500.0, 500.0, 500.0))
    mask = Volume(np.ones(far.shape, np.uint8), far)
    assert "outside the CT" in complaint(changed("PTV70", mask=mask))
    checked = check_patient(changed("Cord", mask=mask))
    assert any("Cord" in warning and "outside the CT" in warning for warning in checked.warnings)
    assert checked.structures[3].role is StructureRole.IGNORED


@pytest.mark.parametrize(("value", "hint"), [(np.nan, "not numbers"), (-1000.0, "all air")])
def test_a_ct_without_a_patient_is_refused(value, hint):
    patient = ball_patient()
    ct = Volume(np.full(AXIAL.shape, value, np.float32), AXIAL)
    assert hint in complaint(replace(patient, ct=ct))


def test_two_structures_in_one_role_are_both_named():
    patient = ball_patient()
    twin = Structure("Myelon", ball(AXIAL, (0, 40, 0), 7.0), StructureRole.OAR, "SpinalCord")
    text = complaint(patient.with_structures([*patient.structures, twin]))
    assert "Cord" in text and "Myelon" in text and "SpinalCord" in text


def test_two_structures_of_one_name_are_refused():
    patient = ball_patient()
    assert "PTV70" in complaint(patient.with_structures([*patient.structures, patient.structures[1]]))


def test_a_reference_dose_in_cgy_is_noticed():
    dose = Volume(np.full(AXIAL.shape, 7000.0, np.float32), AXIAL)
    assert "cGy" in complaint(replace(ball_patient(), reference_dose=dose))


def test_a_reference_dose_beside_the_patient_is_refused(tmp_path):
    far = Geometry((5, 5, 5), (3.0, 3.0, 3.0), (500.0, 500.0, 500.0))
    patient = replace(ball_patient(), reference_dose=Volume(np.full(far.shape, 40.0, np.float32), far))
    assert "reference dose of ball lies wholly outside the CT; check that it belongs" in complaint(patient)
    write_patient_folder(patient, tmp_path / "case")
    assert "wholly outside the CT" in refusal(tmp_path / "case")


@pytest.mark.parametrize(
    ("lowest_gy", "usable"), [(-0.5, True), (-21.0, True), (-21.00001, False), (-21.04, False), (-30, False)]
)
def test_a_reference_dose_may_undershoot_as_interpolation_does_but_no_more(lowest_gy, usable):
    array = np.full(AXIAL.shape, 70.0, np.float32)
    array[3, 4, 5] = lowest_gy
    patient = replace(ball_patient(), reference_dose=Volume(array, AXIAL))
    if usable:
        assert check_patient(patient) is not None
    else:
        assert f"ball goes down to {lowest_gy} Gy, more than 30 % of its maximum (70 Gy)" in complaint(patient)


def test_names_that_match_nothing_are_said_but_do_no_harm(tmp_path):
    patient = ball_patient()
    odd = Structure("Wibble", ball(AXIAL, (-20, 20, 0), 7.0), StructureRole.OTHER)
    write_patient_folder(patient.with_structures([*patient.structures, odd]), tmp_path / "case")
    checked = check_patient(read_patient(tmp_path / "case"))
    assert any("Wibble" in warning for warning in checked.warnings)


def refusal(path) -> str:  # noqa: ANN001
    """The sentence with which a path is refused."""
    with pytest.raises(InputError) as refused:
        read_patient(path)
    return str(refused.value)


@pytest.mark.parametrize("name", ["ct.nrrd", "structures.seg.nrrd"])
@pytest.mark.parametrize("keep", [0.0, 0.05, 0.5, 0.99])
def test_truncated_files_are_named(tmp_path, name, keep):
    write_patient_folder(ball_patient(), tmp_path / "case")
    path = tmp_path / "case" / name
    content = path.read_bytes()
    path.write_bytes(content[: int(keep * len(content))])
    assert name in refusal(tmp_path / "case")


def test_a_bad_prescription_file_is_named(tmp_path):
    write_patient_folder(ball_patient(), tmp_path / "case")
    path = tmp_path / "case" / "prescription.json"
    path.write_text("{")
    assert "prescription.json" in refusal(tmp_path / "case")
    path.write_text(json.dumps({"structures": {"Nobody": {"role": "target"}}}))
    assert "Nobody" in refusal(tmp_path / "case")
    path.write_text(json.dumps({"structures": {"Cord": {"role": "tea"}}}))
    assert "tea" in refusal(tmp_path / "case")
    path.write_text(json.dumps({"fraction": 35}))
    assert "'fraction' means nothing; the keys are" in refusal(tmp_path / "case")


def test_nothing_there_or_nothing_known_is_said(tmp_path):
    assert "nowhere" in refusal(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    assert "empty" in refusal(tmp_path / "empty")
    (tmp_path / "letter.txt").write_text("Dear physicist")
    assert "letter.txt" in refusal(tmp_path / "letter.txt")
    with pytest.raises(InputError, match="empty"):
        find_cases(tmp_path / "empty")


def test_a_damaged_packed_file_is_named(tmp_path):
    path = tmp_path / "pt_9.npz"
    np.savez_compressed(path, structures=np.zeros((4, 4, 4), np.uint16), spacing_mm=np.ones(3))
    assert "pt_9.npz" in refusal(path)
    path.write_bytes(b"PK\x03\x04 nothing else")
    assert "pt_9.npz" in refusal(path)
