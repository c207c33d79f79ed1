"""DICOM files that are damaged, padded or bare: read, or told in one sentence."""

from __future__ import annotations

import numpy as np
import pydicom
import pytest
from dicom_phantom import (
    Study,
    static_beam,
    write_plan,
)
from test_dicom_case import dose, write_study

from DosePredictionLib.errors import InputError
from DosePredictionLib.patient.dicom_reference import DicomReference
from DosePredictionLib.patient.reading import read_patient


@pytest.fixture
def study() -> Study:
    return Study()


@pytest.mark.parametrize("vr", [b"HS", b"US", b"UL"], ids=["unknown VR", "2 bytes", "4 bytes"])
@pytest.mark.parametrize(
    ("name", "tag"),
    [("RP.dcm", b"\x0a\x30\xc0\x00IS"), ("RP.dcm", b"\x0a\x30\xb2\x00SH"), ("RS.dcm", b"\x06\x30\x22\x00IS"),
     ("RS.dcm", b"\x06\x30\x42\x00CS"), ("RD.dcm", b"\x04\x30\x0e\x00DS"), ("CT", b"\x28\x00\x10\x00US"),
     ("CT", b"\x28\x00\x30\x00DS"), ("CT", b"\x28\x00\x52\x10DS")],
)  # fmt: skip
def test_a_flipped_bit_never_ends_in_anything_but_a_sentence_that_names_the_file(tmp_path, study, name, tag, vr):
    write_study(tmp_path, study)
    path = tmp_path / name if name != "CT" else sorted((tmp_path / "CT").iterdir())[0]
    whole = path.read_bytes()
    path.write_bytes(whole.replace(tag, tag[:4] + vr, 1))
    try:
        read_patient(tmp_path)
    except InputError as error:
        assert path.name in str(error)


def test_a_damaged_file_of_no_concern_stops_nothing(tmp_path, study):
    write_study(tmp_path / "a" / "b" / "case", study)
    plan = write_plan(tmp_path / "a" / "other.dcm", Study(), beams=[static_beam(1, 0.0, (0.0, 0.0, 0.0))])
    for broken in (b"\x0c\x30\x60\x00HS", b"\x08\x00\x16\x00HS", b"\x20\x00\x52\x00US", b"\x20\x00\x0e\x00UL"):
        whole = plan.read_bytes()
        plan.write_bytes(whole.replace(broken[:4] + whole[whole.index(broken[:4]) + 4 :][:2], broken, 1))
        moved = tmp_path / "a" / "b" / "case" / "RS.dcm"
        assert read_patient(moved).prescription_gy == 66.0
        (tmp_path / "a" / "b" / "RS.dcm").write_bytes(moved.read_bytes())
        assert read_patient(tmp_path / "a" / "b" / "RS.dcm").prescription_gy == 66.0
        (tmp_path / "a" / "b" / "RS.dcm").unlink()
        plan.write_bytes(whole)


@pytest.mark.parametrize("padding", [b"\0", b"\0" * 700])
def test_zeros_after_the_last_value_are_padding(tmp_path, study, padding):
    write_study(tmp_path, study)
    for path in tmp_path.rglob("*.dcm"):
        path.write_bytes(path.read_bytes() + padding)
    patient = read_patient(tmp_path)
    assert patient.ct.array.max() == 30 and patient.reference_dose is not None and patient.beams is not None


@pytest.mark.parametrize("implicit", [True, False])
def test_files_without_a_preamble_are_read_and_written_for(tmp_path, study, implicit):
    write_study(tmp_path, study)
    for path in tmp_path.rglob("*.dcm"):
        whole = pydicom.dcmread(path)
        bare = pydicom.Dataset()
        bare.update({element.tag: element for element in whole})
        bare.save_as(path, implicit_vr=implicit, little_endian=True)
    patient = read_patient(tmp_path)
    assert patient.ct.array.max() == 30 and len(patient.structures) == 3
    assert np.abs(patient.reference_dose.array - dose().array).max() < 1e-5
    assert DicomReference.of_case(tmp_path).frame_of_reference_uid == study.frame_uid
