"""Which DICOM files make up a case, and what is said when that isn't plain."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest
from dicom_phantom import (
    Study,
    circle,
    prescription,
    save,
    static_beam,
    write_ct,
    write_dose,
    write_plan,
    write_structures,
)
from pydicom.uid import generate_uid

from DosePredictionLib.errors import InputError
from DosePredictionLib.patient.checks import check_patient
from DosePredictionLib.patient.geometry import Geometry
from DosePredictionLib.patient.reading import find_cases, read_patient
from DosePredictionLib.patient.segmentation_nrrd import Segment, write_segmentation
from DosePredictionLib.patient.structure import StructureRole
from DosePredictionLib.patient.volume import Volume
from DosePredictionLib.patient.writer_folder import write_patient_folder

GRID = Geometry((14, 40, 44), (2.0, 2.0, 3.0), (-43.0, -39.0, -20.0))
MIDDLE = (43.3, 39.2)


def disc(radius_mm: float, first: int = 2, last: int = 11, x_mm: float = 0.0) -> list[np.ndarray]:
    return [circle(GRID, index, (MIDDLE[0] + x_mm, MIDDLE[1]), radius_mm) for index in range(first, last + 1)]


STRUCTURES = {
    "BODY": disc(36.0, 0, 13), "PTV_High": disc(12.0), "SpinalCord": disc(5.0, x_mm=-18.0),
    "Marker": [np.zeros((1, 3))], "Nothing": [],
}  # fmt: skip


def ct() -> Volume:
    return Volume(np.full(GRID.shape, 30, np.int16) - np.int16(1030) * (np.indices(GRID.shape)[2] < 3), GRID)


def dose(highest_gy: float = 66.0) -> Volume:
    z, y, x = np.indices(GRID.shape)
    return Volume((highest_gy * np.exp(-((y - 19.6) ** 2 + (x - 21.6) ** 2) / 200.0)).astype(np.float32), GRID)


def write_study(folder: Path, study: Study, **names: str) -> None:
    """A whole study; the files' names may be given as ct, rs, rp, rd."""
    write_ct(folder / names.get("ct", "CT"), ct(), study)
    write_structures(folder / names.get("rs", "RS.dcm"), STRUCTURES, study, types={"BODY": "EXTERNAL"},
                     kinds={"Marker": "POINT"})  # fmt: skip
    beams = [static_beam(number, angle, (0.6, 0.4, 0.0)) for number, angle in enumerate((0, 90, 215), start=1)]
    write_plan(folder / names.get("rp", "RP.dcm"), study, beams=beams, prescriptions=[prescription(66.0, 2)],
               fractions=(33,))  # fmt: skip
    write_dose(folder / names.get("rd", "RD.dcm"), dose(), study)


@pytest.fixture
def study() -> Study:
    return Study()


def test_a_folder_is_a_patient(tmp_path, study):
    write_study(tmp_path / "case", study)
    patient = read_patient(tmp_path / "case")
    assert patient.identifier == "case" and patient.geometry.is_close(GRID)
    assert {s.name: s.role for s in patient.structures} == {
        "BODY": StructureRole.EXTERNAL, "PTV_High": StructureRole.TARGET, "SpinalCord": StructureRole.OAR,
    }  # fmt: skip
    assert (patient.prescription_gy, patient.fractions, patient.technique) == (66.0, 33, "IMRT")
    assert [beam.gantry_deg for beam in patient.beams.beams] == [0.0, 90.0, 215.0]
    assert patient.beams.isocentre_mm == pytest.approx((0.6, 0.4, 0.0))
    assert np.abs(patient.reference_dose.array - dose().array).max() < 1e-5
    assert patient.structures[0].color == pytest.approx((1.0, 0.0, 0.2))
    assert set(patient.warnings) == {
        "Without contours, so left out: Nothing.", "Only points or open contours, so left out: Marker.",
    }  # fmt: skip
    check_patient(patient)
    assert "Müller" not in repr(patient) and "P1" not in repr(patient.warnings)


def test_file_names_folders_and_endings_do_not_matter(tmp_path, study):
    write_study(tmp_path / "in", study)
    (tmp_path / "case").mkdir()
    for number, path in enumerate(sorted((tmp_path / "in").rglob("*.dcm"))):
        shutil.copy(path, tmp_path / "case" / f"1.2.840.{number * 7919 % 101}.{number}")
    assert read_patient(tmp_path / "case").prescription_gy == 66.0
    assert find_cases(tmp_path / "case") == [tmp_path / "case"]


def test_a_folder_of_patients_gives_their_folders(tmp_path):
    for name in ("pt_10", "pt_2"):
        write_study(tmp_path / name, Study(patient_id=name))
    cases = find_cases(tmp_path)
    assert [case.name for case in cases] == ["pt_2", "pt_10"]
    assert [read_patient(case).identifier for case in cases] == ["pt_2", "pt_10"]


def test_two_patients_in_one_folder_are_told_apart_by_their_plans(tmp_path):
    for name in ("a", "b"):
        other = Study(patient_id=name)
        write_study(tmp_path, other, ct=f"CT{name}", rs=f"RS{name}.dcm", rp=f"RP{name}.dcm", rd=f"RD{name}.dcm")
    cases = find_cases(tmp_path)
    assert [case.name for case in cases] == ["RPa.dcm", "RPb.dcm"]
    patients = [read_patient(case) for case in cases]
    assert [patient.identifier for patient in patients] == [f"{tmp_path.name}_RPa", f"{tmp_path.name}_RPb"]
    with pytest.raises(InputError, match=r"holds 2 cases; choose one by giving RPa\.dcm or RPb\.dcm"):
        read_patient(tmp_path)


def test_patients_in_other_formats_may_lie_beside(tmp_path, study):
    write_study(tmp_path / "dicom", study)
    patient = read_patient(tmp_path / "dicom")
    write_patient_folder(replace(patient, identifier="nrrd"), tmp_path / "nrrd")
    assert [case.name for case in find_cases(tmp_path)] == ["dicom", "nrrd"]
    shutil.copytree(tmp_path / "dicom", tmp_path / "nrrd" / "original")
    assert [case.name for case in find_cases(tmp_path)] == ["dicom", "nrrd"]


def write_images(folder: Path, names: list[str]) -> None:
    """Files of a patient of image files, without a CT."""
    mask = Volume((ct().array > 0).astype(np.uint8), GRID)
    for name in names:
        if name == "Segmentation.seg.nrrd":
            write_segmentation([Segment("PTV70", mask, None)], GRID, folder / name)
        elif name.endswith(".json"):
            (folder / name).write_text('{"site": "lung"}')
        else:
            mask.write(folder / name)


@pytest.mark.parametrize("names", [["Segmentation.seg.nrrd"], ["PTV70.nrrd", "prescription.json"]])
def test_image_files_beside_dicom_do_not_hide_the_case(tmp_path, study, names):
    write_study(tmp_path, study)
    write_images(tmp_path, names)
    patient = read_patient(tmp_path)
    assert patient.ct is not None and patient.beams is not None and patient.reference_dose is not None
    assert any(f"passed over beside them: {names[0]}." in warning for warning in patient.warnings)
    assert find_cases(tmp_path) == [tmp_path]
    ct().write(tmp_path / "ct.nrrd")
    assert read_patient(tmp_path).beams is None, "a CT among the image files makes them the patient"


@pytest.mark.parametrize("names", [["Segmentation.seg.nrrd"], ["PTV70.nrrd", "prescription.json"]])
@pytest.mark.parametrize("place", [".", "sub"])
def test_a_dose_or_plan_without_ct_and_structures_does_not_hide_image_files(tmp_path, study, names, place):
    write_images(tmp_path, names)
    write_dose(tmp_path / place / "RD.dcm", dose(), study)
    write_plan(tmp_path / place / "RP.dcm", study, prescriptions=[prescription(66.0, 2)])
    patient = read_patient(tmp_path)
    assert [s.name for s in patient.structures] == ["PTV70"] and patient.prescription_gy == 70.0
    assert find_cases(tmp_path) == [tmp_path]
    write_study(tmp_path / place, study)
    assert read_patient(tmp_path).beams is not None, "a whole case comes before images without a CT"


def test_several_structure_sets_need_a_plan_or_a_choice(tmp_path, study):
    write_study(tmp_path, study)
    other = write_structures(tmp_path / "RS2.dcm", {"PTV 60 Gy": disc(9.0)}, study, uid=generate_uid())
    patient = read_patient(tmp_path)
    assert "Of 2 structure sets the plan's was taken" in patient.warnings[0] and "RS2.dcm" in patient.warnings[0]
    assert [s.prescription_gy for s in read_patient(other).structures] == [60.0]
    (tmp_path / "RP.dcm").unlink()
    with pytest.raises(InputError, match=r"2 structure sets of one CT: 'CONTOURS' in RS\.dcm, 'CONTOURS' in RS2\.dcm"):
        read_patient(tmp_path)


def test_several_plans_need_an_approved_one_or_a_choice(tmp_path, study):
    write_study(tmp_path, study)
    second = write_plan(tmp_path / "RP2.dcm", study, uid=generate_uid(), prescriptions=[prescription(60.0, 2)],
                        RTPlanLabel="HN2")  # fmt: skip
    with pytest.raises(InputError, match=r"2 plans of one structure set: 'HN1' in RP\.dcm, 'HN2' in RP2\.dcm"):
        read_patient(tmp_path)
    chosen = read_patient(second)
    assert chosen.prescription_gy == 60.0 and chosen.reference_dose is None, "the dose is the other plan's"
    approved = pydicom.dcmread(second)
    approved.ApprovalStatus = "APPROVED"
    save(approved, second)
    patient = read_patient(tmp_path)
    assert patient.prescription_gy == 60.0 and "the approved one was taken" in patient.warnings[0]


def test_the_series_that_was_contoured_is_taken(tmp_path, study):
    write_study(tmp_path, study)
    follow_up = Study(study_uid=study.study_uid, frame_uid=study.frame_uid)
    cold = Volume(np.full(GRID.shape, -500, np.int16), GRID)
    write_ct(tmp_path / "phase", cold, follow_up)
    assert read_patient(tmp_path).ct.array.max() == 30
    # With the references gone, the frame of reference leaves two.
    lost = pydicom.dcmread(tmp_path / "RS.dcm")
    del lost.ReferencedFrameOfReferenceSequence[0].RTReferencedStudySequence
    save(lost, tmp_path / "RS.dcm")
    with pytest.raises(InputError, match=r"drawn on any of 2 CT series: .*14 slices"):
        read_patient(tmp_path)
    slice_ = next((tmp_path / "CT").iterdir())
    assert read_patient(slice_).ct.array.max() == 30


def test_the_frame_of_reference_joins_what_names_no_partner(tmp_path, study):
    write_study(tmp_path, study)
    lost = pydicom.dcmread(tmp_path / "RS.dcm")
    del lost.ReferencedFrameOfReferenceSequence[0].RTReferencedStudySequence
    save(lost, tmp_path / "RS.dcm")
    plan = pydicom.dcmread(tmp_path / "RP.dcm")
    del plan.ReferencedStructureSetSequence
    save(plan, tmp_path / "RP.dcm")
    clinical = pydicom.dcmread(tmp_path / "RD.dcm")
    del clinical.ReferencedRTPlanSequence
    save(clinical, tmp_path / "RD.dcm")
    patient = read_patient(tmp_path)
    assert patient.prescription_gy == 66.0 and patient.reference_dose is not None
    write_dose(tmp_path / "RD.dcm", dose(), Study(), plan_uid=generate_uid())
    assert read_patient(tmp_path).reference_dose is None, "a dose of another frame is another patient's"


def test_a_dose_in_another_frame_of_reference_is_not_the_clinical_dose(tmp_path, study):
    write_study(tmp_path, study)
    write_dose(tmp_path / "RD.dcm", dose(), study, FrameOfReferenceUID="1.2.3.4.5")
    patient = read_patient(tmp_path)
    assert patient.reference_dose is None
    assert "The dose RD.dcm lies in another frame of reference than the CT and was passed over." in patient.warnings
    with pytest.raises(InputError, match="lies in another frame of reference than the CT; check"):
        read_patient(tmp_path / "RD.dcm")


def test_a_plan_in_another_frame_of_reference_gives_angles_but_no_isocentre(tmp_path, study):
    write_study(tmp_path, study)
    there = read_patient(tmp_path)
    assert there.beams.isocentre_mm is not None
    beams = [static_beam(number, angle, (0.6, 0.4, 0.0)) for number, angle in enumerate((0, 90, 215), start=1)]
    write_plan(tmp_path / "RP.dcm", study, beams=beams, prescriptions=[prescription(66.0, 2)],
               FrameOfReferenceUID="1.2.3.4.5")  # fmt: skip
    patient = read_patient(tmp_path)
    assert patient.beams.isocentre_mm is None and patient.beams.beams == there.beams.beams
    assert any("its isocentre means nothing there" in warning for warning in patient.warnings)


def test_the_cts_position_stands_in_for_a_plans_without_a_setup(tmp_path, study):
    write_study(tmp_path, study)
    write_ct(tmp_path / "CT", ct(), study, PatientPosition="HFP")
    write_plan(tmp_path / "RP.dcm", study, beams=[static_beam(1, 90.0, (0.6, 0.4, 0.0))],
               prescriptions=[prescription(66.0, 2)], PatientSetupSequence=[])  # fmt: skip
    patient = read_patient(tmp_path)
    assert patient.beams.beams[0].to_source == pytest.approx([-1.0, 0.0, 0.0], abs=1e-6)
    assert any("the CT's position, HFP, was taken" in warning for warning in patient.warnings)


def test_a_dose_of_a_plan_that_is_not_there_is_told(tmp_path, study):
    write_study(tmp_path, study)
    assert not any("not there" in warning for warning in read_patient(tmp_path).warnings)
    write_dose(tmp_path / "RD.dcm", dose(), study, plan_uid="1.2.3.9")
    patient = read_patient(tmp_path)
    assert patient.reference_dose is not None
    assert any("calculated for a plan that is not there" in warning for warning in patient.warnings)


def test_structures_of_other_images_are_left_out(tmp_path, study):
    write_ct(tmp_path / "CT", ct(), study)
    write_structures(tmp_path / "RS.dcm", {"PTV 60 Gy": disc(12.0), "GTV_MR": disc(8.0)}, study,
                     frames={"GTV_MR": generate_uid()})  # fmt: skip
    patient = read_patient(tmp_path)
    assert [s.name for s in patient.structures] == ["PTV 60 Gy"]
    assert "Drawn on other images, so left out: GTV_MR." in patient.warnings
    assert any("no plan (RTPLAN)" in warning for warning in patient.warnings)


def test_a_case_without_a_plan_takes_doses_from_the_names(tmp_path, study):
    write_ct(tmp_path / "CT", ct(), study)
    write_structures(tmp_path / "RS.dcm", {"PTV_6600": disc(12.0), "PTV_5400": disc(20.0)}, study)
    patient = read_patient(tmp_path)
    assert [target.prescription_gy for target in patient.targets] == [66.0, 54.0]
    assert patient.beams is None and patient.technique is None and patient.fractions is None


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("{}", "prescriptions come from the structures' names, and the beams are not known"),
        ('{"prescriptions_gy": {"PTV_6600": 66, "PTV_5400": 54}}',
         "come from prescription.json, and the beams are not known"),
        ('{"structures": {"PTV_5400": {"prescription_gy": 50.4}}, "beams": {"gantry_deg": [0, 90]}}',
         "from prescription.json and the structures' names, the beams from prescription.json."),
        ('{"structures": {"PTV_5400": {"role": "target"}}, "beams": {"gantry_deg": [0, 90]}}',
         "from the structures' names, the beams from prescription.json."),
    ],
)  # fmt: skip
def test_without_a_plan_it_is_told_where_doses_and_beams_come_from(given, told, tmp_path, study):
    write_ct(tmp_path / "CT", ct(), study)
    write_structures(tmp_path / "RS.dcm", {"PTV_6600": disc(12.0), "PTV_5400": disc(20.0)}, study)
    (tmp_path / "prescription.json").write_text(given)
    (warning,) = (one for one in read_patient(tmp_path).warnings if "no plan (RTPLAN)" in one)
    assert told in warning


def test_prescription_json_corrects(tmp_path, study):
    write_study(tmp_path, study)
    (tmp_path / "prescription.json").write_text(
        '{"prescriptions_gy": {"PTV_High": 60}, "site": "lung", "structures": {"SpinalCord": {"role": "other"}}}'
    )
    patient = read_patient(tmp_path)
    assert patient.prescription_gy == 60.0 and patient.site == "lung"
    (cord,) = (structure for structure in patient.structures if structure.name == "SpinalCord")
    assert cord.role is StructureRole.OTHER and patient.standard("SpinalCord") is None


def test_without_a_target_the_structures_without_contours_are_named(tmp_path, study):
    write_ct(tmp_path / "CT", ct(), study)
    write_structures(tmp_path / "RS.dcm", {"BODY": disc(36.0, 0, 13), "PTV70": []}, study)
    with pytest.raises(InputError, match=r"it has BODY; left out without a volume: PTV70\); contour the target"):
        check_patient(read_patient(tmp_path))


def test_what_is_missing_is_said(tmp_path, study):
    write_study(tmp_path / "case", study)
    shutil.copytree(tmp_path / "case" / "CT", tmp_path / "only_ct")
    with pytest.raises(InputError, match="no structure set"):
        read_patient(tmp_path / "only_ct")
    (tmp_path / "no_ct").mkdir()
    shutil.copy(tmp_path / "case" / "RS.dcm", tmp_path / "no_ct")
    with pytest.raises(InputError, match=r"RS\.dcm was drawn is not in"):
        read_patient(tmp_path / "no_ct")
    (tmp_path / "only_dose").mkdir()
    shutil.copy(tmp_path / "case" / "RD.dcm", tmp_path / "only_dose")
    with pytest.raises(InputError, match="neither a CT nor structures"):
        read_patient(tmp_path / "only_dose")


def test_damaged_structures_are_named(tmp_path, study):
    write_study(tmp_path, study)
    whole = (tmp_path / "RS.dcm").read_bytes()
    (tmp_path / "RS.dcm").write_bytes(whole[: len(whole) * 3 // 4])
    with pytest.raises(InputError, match=r"RS\.dcm cannot be read as a structure set"):
        read_patient(tmp_path)


def test_a_target_in_crossing_planes_is_refused_another_structure_left_out(tmp_path, study):
    write_ct(tmp_path / "CT", ct(), study)
    crossing = [*disc(9.0), GRID.lps_of_index(np.array([[2.0, 20, 20], [9.0, 20, 20], [9.0, 29, 20], [2.0, 29, 20]]))]
    write_structures(tmp_path / "RS.dcm", {"PTV60": disc(12.0), "Ring": crossing}, study)
    patient = read_patient(tmp_path)
    assert [s.name for s in patient.structures] == ["PTV60"]
    assert "Ring has contours that do not lie in parallel planes, so it was left out." in patient.warnings
    write_structures(tmp_path / "RS.dcm", {"PTV60": crossing}, study)
    with pytest.raises(InputError, match="target PTV60 has contours that do not lie in parallel planes"):
        read_patient(tmp_path)


def test_contours_that_cross_each_other_are_told_and_those_of_exclusive_or_are_taken_so(tmp_path, study):
    write_ct(tmp_path / "CT", ct(), study)
    crossing = [*disc(12.0, x_mm=-5.0), *disc(12.0, x_mm=5.0)]
    write_structures(tmp_path / "RS.dcm", {"PTV60": crossing, "Ring": crossing}, study,
                     kinds={"Ring": "CLOSEDPLANAR_XOR"})  # fmt: skip
    patient = read_patient(tmp_path)
    target, ring = (np.count_nonzero(structure.mask.array) for structure in patient.structures)
    assert target > 1.4 * ring
    told = [warning for warning in patient.warnings if "cross each other" in warning]
    assert told == ["PTV60 has contours that cross each other on 10 slices; what they enclose together was taken."]


def test_two_structures_of_one_name_are_told_apart(tmp_path, study):
    write_ct(tmp_path / "CT", ct(), study)
    path = write_structures(tmp_path / "RS.dcm", {"PTV60": disc(12.0), "Ring": disc(9.0), "Node": disc(5.0)}, study)
    twice = pydicom.dcmread(path)
    twice.StructureSetROISequence[2].ROIName = "Ring"
    save(twice, path)
    assert [s.name for s in read_patient(tmp_path).structures] == ["PTV60", "Ring (ROI 2)", "Ring (ROI 3)"]


def test_the_number_that_tells_two_structures_apart_is_no_dose(tmp_path, study):
    write_ct(tmp_path / "CT", ct(), study)
    path = write_structures(tmp_path / "RS.dcm", {"PTV": disc(12.0), "Node": disc(5.0)}, study)
    twice = pydicom.dcmread(path)
    for item, number in zip(twice.StructureSetROISequence, (45, 60), strict=True):
        item.ROIName, item.ROINumber = "PTV", number
    for sequence in (twice.ROIContourSequence, twice.RTROIObservationsSequence):
        for item, number in zip(sequence, (45, 60), strict=True):
            item.ReferencedROINumber = number
    save(twice, path)
    structures = read_patient(tmp_path).structures
    assert [(s.name, s.prescription_gy) for s in structures] == [("PTV (ROI 45)", None), ("PTV (ROI 60)", None)]
