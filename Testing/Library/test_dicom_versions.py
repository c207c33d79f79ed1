"""Several DICOM files of one SOP Instance UID: copies, and versions that differ."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pydicom
import pytest
from dicom_phantom import (
    Study,
    prescription,
    save,
    static_beam,
    write_ct,
    write_dose,
    write_plan,
    write_structures,
)
from pydicom.uid import generate_uid
from test_dicom_case import ct, disc, dose, write_study

from DosePredictionLib.errors import InputError
from DosePredictionLib.patient.reading import find_cases, read_patient


@pytest.fixture
def study() -> Study:
    return Study()


def observe(folder: Path, radius_mm: float, study: Study) -> Path:
    """An observer's structure set: other contours under the UID of the one that was edited."""
    contours = {"BODY": disc(36.0, 0, 13), "PTV_High": disc(radius_mm)}
    return write_structures(folder / "RS.dcm", contours, study, types={"BODY": "EXTERNAL"})


def target_voxels(case: Path) -> int:
    return int(np.count_nonzero(read_patient(case).targets[0].mask.array))


def test_folders_with_edited_copies_of_a_case_are_cases_each(tmp_path, study):
    write_study(tmp_path / "in", study)
    for number in (1, 2, 3):
        shutil.copytree(tmp_path / "in", tmp_path / "study" / f"observer{number}")
        observe(tmp_path / "study" / f"observer{number}", 8.0 + number, study)
    cases = find_cases(tmp_path / "study")
    assert [case.name for case in cases] == ["observer1", "observer2", "observer3"]
    first, second, third = (target_voxels(case) for case in cases)
    assert first < second < third
    assert target_voxels(tmp_path / "study" / "observer2" / "RS.dcm") == second, "the folder's own before others"
    with pytest.raises(InputError, match=r"observer1/RS\.dcm and .*observer2/RS\.dcm differ, but have the same SOP"):
        read_patient(tmp_path / "study")


def test_structure_sets_of_several_observers_beside_one_ct_are_cases_each(tmp_path, study):
    write_ct(tmp_path / "CT", ct(), study)
    for number in (1, 2):
        observe(tmp_path / f"observer{number}", 8.0 + number, study)
    cases = find_cases(tmp_path)
    assert [case.relative_to(tmp_path).as_posix() for case in cases] == ["observer1/RS.dcm", "observer2/RS.dcm"]
    for case in cases:
        described = pydicom.dcmread(case)
        described.StructureSetROISequence[1].ROIName = "PTV_6000"
        save(described, case)
    assert target_voxels(cases[0]) < target_voxels(cases[1])


def test_two_objects_of_one_uid_in_one_folder_are_refused_and_copies_count_once(tmp_path, study):
    write_study(tmp_path, study)
    shutil.copy(tmp_path / "RS.dcm", tmp_path / "copy.dcm")
    shutil.copytree(tmp_path / "CT", tmp_path / "again")
    assert read_patient(tmp_path).prescription_gy == 66.0 and find_cases(tmp_path) == [tmp_path]
    observe(tmp_path, 9.0, study)
    assert find_cases(tmp_path) == [tmp_path]
    with pytest.raises(InputError, match=r"RS\.dcm and .*copy\.dcm differ|copy\.dcm and .*RS\.dcm differ"):
        read_patient(tmp_path)


def stamp(folder: Path, **changes: str) -> None:
    """What an archive or a planning system does to files at an export."""
    for path in folder.rglob("*.dcm"):
        one = pydicom.dcmread(path)
        one.file_meta.ImplementationVersionName = "ARCHIVE_2"
        for keyword, value in changes.items():
            setattr(one, keyword, value)
        save(one, path)


@pytest.mark.parametrize("compressed", [False, True])
def test_a_ct_that_was_stamped_anew_with_a_later_export_is_a_copy(tmp_path, study, compressed):
    write_study(tmp_path / "in", study)
    patient = tmp_path / "set" / "patient1"
    for export in ("monday", "friday"):
        shutil.copytree(tmp_path / "in" / "CT", patient / export / "CT")
    shutil.copy(tmp_path / "in" / "RS.dcm", patient / "monday")
    stamp(patient / "friday", InstanceCreationDate="20240601", InstanceCreationTime="101010")
    for path in (patient / "friday").rglob("*.dcm") if compressed else []:
        one = pydicom.dcmread(path)
        one.compress(pydicom.uid.RLELossless, generate_instance_uid=False)
        save(one, path)
    for name in ("RP.dcm", "RD.dcm"):
        shutil.copy(tmp_path / "in" / name, patient / "friday")
    write_study(tmp_path / "set" / "patient2", Study(patient_id="P2"))
    cases = find_cases(tmp_path / "set")
    assert cases == [patient, tmp_path / "set" / "patient2"] and find_cases(patient) == [patient]
    read = read_patient(patient)
    assert read.reference_dose is not None and read.prescription_gy == 66.0 and len(read.beams.beams) == 3


@pytest.mark.parametrize("name", ["RS.dcm", "RP.dcm", "RD.dcm"])
def test_a_backup_that_was_stamped_anew_is_a_copy(tmp_path, study, name):
    write_study(tmp_path, study)
    (tmp_path / "backup").mkdir()
    shutil.copy(tmp_path / name, tmp_path / "backup")
    stamp(tmp_path / "backup", InstanceCreationTime="101010", SoftwareVersions="17.2")
    assert find_cases(tmp_path) == [tmp_path]
    for path in (tmp_path, tmp_path / name, tmp_path / "backup" / name):
        patient = read_patient(path)
        assert patient.reference_dose is not None and patient.prescription_gy == 66.0


def test_of_copies_of_a_plan_the_approved_one_counts(tmp_path, study):
    write_study(tmp_path, study)
    write_plan(tmp_path / "RP2.dcm", study, uid=generate_uid(), prescriptions=[prescription(60.0, 2)])
    (tmp_path / "approved").mkdir()
    (tmp_path / "unapproved").mkdir()
    shutil.copy(tmp_path / "RP.dcm", tmp_path / "approved")
    shutil.move(tmp_path / "RP.dcm", tmp_path / "unapproved")
    stamp(tmp_path / "approved", ApprovalStatus="APPROVED")
    stamp(tmp_path / "unapproved", ApprovalStatus="UNAPPROVED")
    assert find_cases(tmp_path) == [tmp_path]
    patient = read_patient(tmp_path)
    assert patient.prescription_gy == 66.0 and "the approved one was taken" in patient.warnings[0]


@pytest.mark.parametrize("first", ["", "first"])
def test_edited_plans_of_one_uid_are_cases_each(tmp_path, study, first):
    write_study(tmp_path, study, rp=f"{first}/RP.dcm".lstrip("/"))
    write_plan(tmp_path / "later" / "RP.dcm", study, beams=[static_beam(1, 0.0, (0.6, 0.4, 0.0))],
               prescriptions=[prescription(60.0, 2)])  # fmt: skip
    cases = find_cases(tmp_path)
    assert cases == [tmp_path / first / "RP.dcm", tmp_path / "later" / "RP.dcm"]
    assert [read_patient(case).prescription_gy for case in cases] == [66.0, 60.0]
    with pytest.raises(InputError, match="differ, but have the same SOP Instance UID"):
        read_patient(tmp_path)


def test_edited_doses_of_one_uid_are_cases_each(tmp_path, study):
    write_study(tmp_path, study)
    uid = pydicom.dcmread(tmp_path / "RD.dcm").SOPInstanceUID
    write_dose(tmp_path / "later" / "RD.dcm", dose(50.0), study, SOPInstanceUID=uid)
    cases = find_cases(tmp_path)
    assert cases == [tmp_path / "RD.dcm", tmp_path / "later" / "RD.dcm"]
    assert [round(float(read_patient(case).reference_dose.array.max())) for case in cases] == [66, 50]
