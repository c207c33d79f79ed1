"""RTDOSE and RTSTRUCT out: the same numbers at the same points, and the patient's own frame."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from dicom_phantom import Study, circle, write_ct, write_structures
from phantom import oblique_geometry, points_mm

from DosePredictionLib.errors import InputError
from DosePredictionLib.patient.dicom_dose import read_dose
from DosePredictionLib.patient.dicom_reference import DicomReference
from DosePredictionLib.patient.geometry import Geometry
from DosePredictionLib.patient.patient import Patient
from DosePredictionLib.patient.reading import read_patient
from DosePredictionLib.patient.structure import Structure, StructureRole
from DosePredictionLib.patient.volume import Volume
from DosePredictionLib.patient.writer_dicom_dose import write_rtdose
from DosePredictionLib.patient.writer_dicom_isodose import isodose_levels_gy, write_isodose_contours

HFS = Geometry((10, 24, 26), (3.0, 2.5, 4.0), (-37.5, -28.75, -18.0))
OBLIQUE = oblique_geometry((9.0, 8.0, 12.0))
LEFT_HANDED = Geometry((10, 24, 26), (3.0, 2.5, 4.0), (-37.5, -28.75, 18.0), (1.0, 0, 0, 0, 1.0, 0, 0, 0, -1.0))
FEET_FIRST = Geometry((10, 24, 26), (3.0, 2.5, 4.0), (37.5, -28.75, 18.0), (-1.0, 0, 0, 0, 1.0, 0, 0, 0, -1.0))
GRIDS = pytest.mark.parametrize("geometry", [HFS, OBLIQUE, LEFT_HANDED, FEET_FIRST],
                                ids=["HFS", "oblique", "left-handed", "FFS"])  # fmt: skip


def bell(geometry: Geometry) -> Volume:
    """70 Gy in the middle, falling off, zero far away."""
    distance = np.linalg.norm((points_mm(geometry) - points_mm(geometry).reshape(-1, 3).mean(axis=0)) / 30.0, axis=-1)
    values = 70.0 * np.exp(-(distance**2)) + 0.3 * np.sin(9 * distance)
    return Volume(np.where(distance < 2.0, np.maximum(values, 0), 0).astype(np.float32), geometry)


@pytest.fixture
def study() -> Study:
    return Study()


@pytest.fixture
def reference(tmp_path, study) -> DicomReference:
    files = write_ct(tmp_path / "ct", Volume(np.zeros(HFS.shape, np.int16), HFS), study)
    contours = [circle(HFS, index, (37.2, 28.6), 15.0) for index in range(2, 8)]
    structures = write_structures(tmp_path / "rs.dcm", {"PTV70": contours}, study)
    return DicomReference.of_ct_files(files, structures)


def test_a_volume_that_was_moved_is_not_taken_for_the_ct(reference):
    assert reference.lies_like(HFS)
    x, y, z = HFS.origin_mm
    for moved in ((x + 2, y, z), (x, y - 2, z), (x, y, z + 2)):
        assert not reference.lies_like(replace(HFS, origin_mm=moved))
    turned = np.array([[0.9962, -0.0872, 0], [0.0872, 0.9962, 0], [0, 0, 1]]) @ np.reshape(HFS.direction, (3, 3))
    assert not reference.lies_like(replace(HFS, direction=tuple(turned.ravel())))
    # Of a tilted gantry, or with a slice missing, a volume is resampled: nothing can be told.
    uneven = replace(reference, slices=(*reference.slices[:2], *reference.slices[3:]))
    assert uneven.lies_like(replace(HFS, origin_mm=(x + 2, y, z)))


@GRIDS
def test_pydicom_reads_the_same_numbers_at_the_same_points(tmp_path, reference, geometry):
    dose = bell(geometry)
    write_rtdose(dose, reference, tmp_path / "dose.dcm")
    one = pydicom.dcmread(tmp_path / "dose.dcm")
    values = one.pixel_array * float(one.DoseGridScaling)
    # PS3.3 C.7.6.2.1.1 and C.8.8.3.2, spelt out.
    row, column = (np.array(one.ImageOrientationPatient[part], float) for part in (slice(3), slice(3, 6)))
    normal = np.cross(row, column)
    random = np.random.default_rng(5)
    for _ in range(200):
        k, j, i = (int(random.integers(n)) for n in values.shape)
        point = (np.array(one.ImagePositionPatient, float) + row * float(one.PixelSpacing[1]) * i
                 + column * float(one.PixelSpacing[0]) * j + normal * float(one.GridFrameOffsetVector[k]))  # fmt: skip
        z, y, x = np.rint(dose.geometry.index_of_lps(point)).astype(int)
        assert dose.geometry.lps_of_index(np.array([z, y, x])) == pytest.approx(point, abs=1e-6)
        assert values[k, j, i] == pytest.approx(dose.array[z, y, x], abs=2e-8)
    assert one.BitsAllocated == 32 and one.pixel_array.dtype == np.uint32
    assert float(values.max()) == pytest.approx(float(dose.array.max()), abs=1e-7)


@GRIDS
def test_simpleitk_reads_the_same_numbers_at_the_same_points(tmp_path, reference, geometry):
    dose = bell(geometry)
    write_rtdose(dose, reference, tmp_path / "dose.dcm")
    image = sitk.ReadImage(str(tmp_path / "dose.dcm"))
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(tmp_path / "dose.dcm"))
    reader.ReadImageInformation()
    stored = Volume.of_image(image)
    values = stored.array * float(reader.GetMetaData("3004|000e"))  # SimpleITK leaves the scaling to its caller
    index = np.indices(dose.array.shape).reshape(3, -1).T
    there = np.rint(stored.geometry.index_of_lps(dose.geometry.lps_of_index(index))).astype(int)
    assert np.abs(stored.geometry.lps_of_index(there) - dose.geometry.lps_of_index(index)).max() < 1e-3
    assert np.abs(values[tuple(there.T)] - dose.array.ravel()).max() < 1e-6


@GRIDS
def test_our_own_reader_gets_it_back(tmp_path, reference, geometry):
    dose = bell(geometry)
    write_rtdose(dose, reference, tmp_path / "dose.dcm")
    warnings: list[str] = []
    back = read_dose(tmp_path / "dose.dcm", None, warnings)
    assert warnings == []
    assert np.abs(back.on_grid(geometry).array - dose.array).max() < 1e-4


def test_it_belongs_to_the_patient_and_says_what_it_is(tmp_path, reference, study):
    uid = write_rtdose(bell(HFS), reference, tmp_path / "dose.dcm")
    write_rtdose(bell(HFS), reference, tmp_path / "again.dcm")
    one, again = pydicom.dcmread(tmp_path / "dose.dcm"), pydicom.dcmread(tmp_path / "again.dcm")
    assert (one.PatientName, one.PatientID, one.PatientSex) == ("Müller^Anna", "P1", "F")
    assert (one.StudyInstanceUID, one.FrameOfReferenceUID) == (study.study_uid, study.frame_uid)
    for text in (one.SeriesDescription, one.DoseComment):
        assert text == "Predicted dose, research use, not for clinical decisions"
    (overview,) = one.PlanOverviewSequence
    assert overview.ReferencedStructureSetSequence[0].ReferencedSOPInstanceUID == study.structures_uid
    assert overview.RTPlanLabel == "Predicted dose"
    assert "ReferencedRTPlanSequence" not in one, "a prediction is no plan's dose"
    assert one.DoseSummationType == "PLAN_OVERVIEW" and one.DoseUnits == "GY" and one.DoseType == "PHYSICAL"
    assert one.SOPInstanceUID == uid and uid.startswith("2.25.")
    for keyword in ("SOPInstanceUID", "SeriesInstanceUID"):
        assert one[keyword].value != again[keyword].value
        assert one[keyword].value.startswith("2.25.") and len(one[keyword].value) <= 64
    assert one.SeriesInstanceUID != study.series_uid


@pytest.mark.parametrize("character_set", [None, "ISO_IR 100", "ISO_IR 192"])
def test_names_in_any_script_come_back(tmp_path, recwarn, character_set):
    study = Study(patient_name="Müller^Jürgen" if character_set else "Smith^Ann")
    files = write_ct(tmp_path / "ct", Volume(np.zeros(HFS.shape, np.int16), HFS), study)
    for file in files:
        one = pydicom.dcmread(file)
        if character_set is None:
            del one.SpecificCharacterSet
        else:
            one.SpecificCharacterSet = character_set
        one.save_as(file)
    target = Structure("PTV70 头颈 Höhe", bell(HFS), StructureRole.TARGET, None, 70.0)
    patient = Patient("P", HFS, None, (target,))
    write_rtdose(bell(HFS), DicomReference.of_ct_files(files), tmp_path / "dose.dcm", patient=patient)
    one = pydicom.dcmread(tmp_path / "dose.dcm")
    assert str(one.PatientName) == study.patient_name and one.SpecificCharacterSet == "ISO_IR 192"
    overview = one.PlanOverviewSequence[0].PrescriptionOverviewSequence[0]
    assert overview.EntityLongLabel == target.name
    assert not recwarn.list


def test_its_voxels_are_as_the_standard_has_them(tmp_path, reference):
    """PS3.3 C.8.8.3.4 and C.8.8.3.2; `test_dicom_standard` looks at every attribute."""
    write_rtdose(bell(OBLIQUE), reference, tmp_path / "dose.dcm")
    one = pydicom.dcmread(tmp_path / "dose.dcm")
    assert one.file_meta.MediaStorageSOPClassUID == one.SOPClassUID == "1.2.840.10008.5.1.4.1.1.481.2"
    assert one.FrameIncrementPointer == 0x3004000C
    assert (one.SamplesPerPixel, one.PhotometricInterpretation, one.PixelRepresentation) == (1, "MONOCHROME2", 0)
    assert one.BitsStored == one.BitsAllocated and one.HighBit == one.BitsStored - 1
    assert float(one.GridFrameOffsetVector[0]) == 0.0 and len(one.GridFrameOffsetVector) == one.NumberOfFrames


def test_zero_negative_and_broken_doses(tmp_path, reference):
    write_rtdose(Volume(np.zeros(HFS.shape, np.float32), HFS), reference, tmp_path / "zero.dcm")
    assert pydicom.dcmread(tmp_path / "zero.dcm").pixel_array.max() == 0
    dose = bell(HFS)
    dose.array[0, 0, 0] = -0.5
    write_rtdose(dose, reference, tmp_path / "negative.dcm")
    assert pydicom.dcmread(tmp_path / "negative.dcm").pixel_array[0, 0, 0] == 0
    dose.array[0, 0, 0] = np.nan
    with pytest.raises(InputError, match="not numbers"):
        write_rtdose(dose, reference, tmp_path / "nan.dcm")
    assert not list(tmp_path.glob("*nan*")) and not list(tmp_path.glob(".partial*"))
    with pytest.raises(InputError, match="Cannot write"):
        write_rtdose(bell(HFS), reference, tmp_path / "zero.dcm" / "below.dcm")


def test_a_reference_needs_one_series(tmp_path, study):
    ct = Volume(np.zeros(HFS.shape, np.int16), HFS)
    files = write_ct(tmp_path / "a", ct, study)
    others = write_ct(tmp_path / "b", ct, Study())
    with pytest.raises(InputError, match="2 values of SeriesInstanceUID"):
        DicomReference.of_ct_files([*files, *others])
    with pytest.raises(InputError, match="no CT files"):
        DicomReference.of_ct_files([])
    (tmp_path / "text").write_text("no dicom")
    with pytest.raises(InputError, match="text cannot be read as DICOM"):
        DicomReference.of_ct_files([tmp_path / "text"])
    frameless = write_ct(tmp_path / "c", ct, Study(), FrameOfReferenceUID=None)
    with pytest.raises(InputError, match="The CT slices have no FrameOfReferenceUID, without which"):
        DicomReference.of_ct_files(frameless)
    plain = DicomReference.of_ct_files(files)
    assert plain.structure_set is None
    write_rtdose(bell(HFS), plain, tmp_path / "dose.dcm")
    assert "ReferencedStructureSetSequence" not in pydicom.dcmread(tmp_path / "dose.dcm").PlanOverviewSequence[0]


def test_isodose_contours_enclose_what_gets_the_dose(tmp_path, reference, study):
    dose = bell(HFS)
    levels = isodose_levels_gy(50.0)
    write_isodose_contours(dose, levels, reference, tmp_path / "iso.dcm")
    one = pydicom.dcmread(tmp_path / "iso.dcm")
    assert [region.ROIName for region in one.StructureSetROISequence] == [f"Isodose {gy:g} Gy" for gy in levels]
    assert {item.RTROIInterpretedType for item in one.RTROIObservationsSequence} == {"DOSE_REGION"}
    assert one.ApprovalStatus == "UNAPPROVED"
    # Every contour lies on the CT slice that it names.
    heights = {uid: -18.0 + 4.0 * index for index, uid in enumerate(study.slice_uids)}
    for drawn in one.ROIContourSequence:
        for contour in drawn.ContourSequence:
            points = np.array(contour.ContourData, float).reshape(-1, 3)
            assert len(points) == contour.NumberOfContourPoints
            assert np.ptp(points[:, 2]) == 0.0
            assert points[0, 2] == pytest.approx(heights[contour.ContourImageSequence[0].ReferencedSOPInstanceUID])
    # Read as structures they hold exactly the voxels at or above the level.
    (tmp_path / "rs.dcm").unlink()
    patient = read_patient(tmp_path)
    for structure, gy in zip(patient.structures, levels, strict=True):
        inside = structure.mask.on_grid(HFS, nearest=True).array > 0
        assert np.array_equal(inside, dose.array >= gy), structure.name


def test_contours_of_thousands_of_points_come_back(tmp_path, study, recwarn):
    """In explicit VR a contour ends at 64 kB; on the grid of a planning CT an isodose line may be longer."""
    fine = Geometry((2, 400, 400), (1.0, 1.0, 3.0), (-200.0, -200.0, -10.0))
    y, x = np.indices(fine.shape[1:]) - 199.5
    radius, angle = np.hypot(y, x), np.arctan2(y, x)
    wavy = 60.0 * np.exp(-((radius / (140.0 + 20.0 * np.sin(40.0 * angle))) ** 4))
    dose = Volume(np.stack([wavy, wavy]).astype(np.float32), fine)
    files = write_ct(tmp_path / "ct", Volume(np.zeros(fine.shape, np.int16), fine), study)
    write_isodose_contours(dose, [30.0], DicomReference.of_ct_files(files), tmp_path / "iso.dcm")
    assert not recwarn.list
    (drawn,) = pydicom.dcmread(tmp_path / "iso.dcm").ROIContourSequence
    for contour in drawn.ContourSequence:
        assert contour["ContourData"].VR == "DS" and contour.NumberOfContourPoints > 2_700
        assert len(contour.ContourData) == 3 * contour.NumberOfContourPoints
    (read,) = read_patient(tmp_path).structures
    assert np.array_equal(read.mask.on_grid(fine, nearest=True).array > 0, dose.array >= 30.0)


def test_predictions_among_the_files_they_were_made_from_change_nothing(tmp_path, reference):
    before = read_patient(tmp_path)
    write_rtdose(bell(HFS), reference, tmp_path / "out" / "dose.dcm")
    write_isodose_contours(bell(HFS), [20.0], reference, tmp_path / "out" / "isodoses.dcm")
    after = read_patient(tmp_path)
    assert [s.name for s in after.structures] == ["PTV70"]
    assert after.reference_dose is None and after.warnings == before.warnings


def test_levels_that_are_not_reached_are_left_out(tmp_path, reference):
    write_isodose_contours(bell(HFS), [60.0, 90.0], reference, tmp_path / "iso.dcm")
    assert len(pydicom.dcmread(tmp_path / "iso.dcm").StructureSetROISequence) == 1
    with pytest.raises(InputError, match="reaches none"):
        write_isodose_contours(bell(HFS), [90.0], reference, tmp_path / "none.dcm")
