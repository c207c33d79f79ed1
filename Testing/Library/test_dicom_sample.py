"""The sample patient exported as DICOM RT and read back; and predicted from there, dose out as RTDOSE."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from dicom_phantom import (
    Study,
    mask_contours,
    prescription,
    static_beam,
    write_ct,
    write_dose,
    write_plan,
    write_structures,
)
from phantom import AXIAL, ball_dose, ball_patient
from scipy import ndimage
from tiny import tiny_weights

from DosePredictionLib.cli.main import main
from DosePredictionLib.cli.progress_bar import predict_with_bar
from DosePredictionLib.patient.checks import check_patient
from DosePredictionLib.patient.patient import Patient
from DosePredictionLib.patient.reading import find_cases, read_patient
from DosePredictionLib.patient.structure import StructureRole
from DosePredictionLib.patient.volume import Volume
from DosePredictionLib.patient.writer_folder import write_patient_folder
from DosePredictionLib.resources import resource_root

pytestmark = pytest.mark.usefixtures("worker_thread")


def write_as_dicom(patient: Patient, folder: Path, study: Study) -> None:
    """What a planning system would export of a patient."""
    drawn = [s for s in patient.structures if s.role is not StructureRole.DOSE_REGION]
    write_ct(folder / "CT", patient.ct, study)
    types = {StructureRole.TARGET: "PTV", StructureRole.OAR: "ORGAN", StructureRole.EXTERNAL: "EXTERNAL"}
    write_structures(folder / "RS.dcm", {s.name: mask_contours(s.mask) for s in drawn}, study,
                     types={s.name: types.get(s.role, "") for s in drawn})  # fmt: skip
    beams = [static_beam(number, beam.gantry_deg, (1.0, 2.0, 3.0), beam.couch_deg)
             for number, beam in enumerate(patient.beams.beams, start=1)]  # fmt: skip
    doses = [prescription(s.prescription_gy, number) for number, s in enumerate(drawn, start=1) if s.prescription_gy]
    write_plan(folder / "RP.dcm", study, beams=beams, prescriptions=doses, fractions=(patient.fractions,))
    if patient.reference_dose is not None:
        write_dose(folder / "RD.dcm", patient.reference_dose, study)


@pytest.fixture(scope="module")
def sample() -> Patient:
    (case,) = find_cases(resource_root() / "SampleData")
    return read_patient(case)


@pytest.fixture(scope="module")
def exported(sample, tmp_path_factory) -> Patient:
    folder = tmp_path_factory.mktemp("export")
    write_as_dicom(sample, folder, Study())
    return read_patient(folder)


def test_ct_dose_and_plan_are_the_same(sample, exported):
    assert exported.geometry.is_close(sample.geometry)
    assert np.array_equal(exported.ct.array, sample.ct.array)
    assert exported.reference_dose.geometry.is_close(sample.reference_dose.geometry)
    assert np.abs(exported.reference_dose.array - sample.reference_dose.array).max() < 1e-6
    assert [t.prescription_gy for t in exported.targets] == [70.0, 63.0, 56.0]
    assert (exported.fractions, exported.technique) == (35, "IMRT")
    assert exported.beams.beams == sample.beams.beams
    assert exported.beams.isocentre_mm == pytest.approx((1.0, 2.0, 3.0))
    assert check_patient(exported).warnings == ()


def test_structures_have_the_same_voxels_names_and_roles(sample, exported):
    kept = [s for s in sample.structures if s.role is not StructureRole.DOSE_REGION]
    assert [s.name for s in exported.structures] == [s.name for s in kept]
    for before, after in zip(kept, exported.structures, strict=True):
        assert (after.role, after.standard_name) == (before.role, before.standard_name)
        there = before.mask.on_grid(sample.geometry, nearest=True).array > 0
        back = after.mask.on_grid(sample.geometry, nearest=True).array > 0
        surface = ndimage.binary_dilation(there) & ~ndimage.binary_erosion(there)
        assert not ((there != back) & ~surface).any(), f"{before.name}: off by more than the surface's voxels"
        assert (there != back).sum() <= 0.01 * there.sum(), before.name


@pytest.fixture(scope="module")
def ball_case(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("dicom") / "ball"
    write_as_dicom(ball_patient(), folder, Study())
    return folder


@pytest.fixture(scope="module")
def weights(tmp_path_factory) -> Path:
    return tiny_weights(tmp_path_factory.mktemp("weights") / "tiny.safetensors")


def test_predicting_a_dicom_case_writes_dicom(ball_case, weights, tmp_path, monkeypatch):
    def smooth(predictor, patient, options):
        # The isodoses of weights that know nothing are thousands of specks.
        made = predict_with_bar(predictor, patient, options)
        return replace(made, dose=Volume(ball_dose().array, made.dose.geometry))

    monkeypatch.setattr("DosePredictionLib.cli.predict.predict_with_bar", smooth)
    code = main(["predict", str(ball_case), "-o", str(tmp_path), "--format", "dicom", "--isodose-contours", "--weights",
                 str(weights), "--device", "cpu", "--samples", "1"])  # fmt: skip
    assert code == 0
    dose = Volume.of_image(sitk.ReadImage(str(tmp_path / "dose.nrrd")))
    one, ct = pydicom.dcmread(tmp_path / "dose.dcm"), pydicom.dcmread(next((ball_case / "CT").iterdir()))
    assert dose.geometry.is_close(AXIAL)
    assert np.abs(one.pixel_array * float(one.DoseGridScaling) - dose.array).max() < 1e-6
    for keyword in ("PatientName", "PatientID", "StudyInstanceUID", "FrameOfReferenceUID"):
        assert one[keyword].value == ct[keyword].value
    assert "research use" in one.SeriesDescription
    structures = pydicom.dcmread(ball_case / "RS.dcm")
    (overview,) = one.PlanOverviewSequence
    assert overview.ReferencedStructureSetSequence[0].ReferencedSOPInstanceUID == structures.SOPInstanceUID
    isodoses = pydicom.dcmread(tmp_path / "isodoses.dcm")
    assert isodoses.FrameOfReferenceUID == ct.FrameOfReferenceUID and isodoses.Modality == "RTSTRUCT"


def test_a_dose_below_every_isodose_is_refused_before_anything_is_written(
    ball_case, weights, tmp_path, capsys, monkeypatch
):
    def faint(predictor, patient, options):
        prediction = predict_with_bar(predictor, patient, options)
        highest_gy = float(prediction.dose.array.max())
        return replace(prediction, dose=Volume(prediction.dose.array * (20.0 / highest_gy), prediction.dose.geometry))

    monkeypatch.setattr("DosePredictionLib.cli.predict.predict_with_bar", faint)
    out = tmp_path / "out"
    arguments = ["predict", str(ball_case), "-o", str(out), "--format", "dicom", "--weights", str(weights), "--device",
                 "cpu", "--samples", "1"]  # fmt: skip
    assert main([*arguments, "--isodose-contours"]) == 2
    told = capsys.readouterr().err
    assert "none of the isodose levels (maximum 20.0 Gy, lowest level 21 Gy)" in told
    assert not out.exists()
    assert main(arguments) == 0 and (out / "dose.dcm").exists()


def test_dicom_is_refused_where_there_is_none_before_anything_is_predicted(ball_case, weights, tmp_path, capsys):
    nrrd = tmp_path / "nrrd"
    write_patient_folder(replace(ball_patient(), identifier="nrrd"), nrrd)
    out = tmp_path / "out"
    assert main(["predict", str(nrrd), "-o", str(out), "--format", "dicom", "--weights", str(weights)]) == 2
    assert "nrrd is not a DICOM case" in capsys.readouterr().err
    assert main(["predict", str(ball_case), "-o", str(out), "--isodose-contours"]) == 2
    assert "--format dicom" in capsys.readouterr().err
    assert not out.exists()
