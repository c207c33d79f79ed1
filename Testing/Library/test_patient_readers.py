"""Patients on disk: every format gives the same patient, on the right voxels in LPS."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from phantom import AXIAL, ball, ball_patient, oblique_geometry, points_mm

from DosePredictionLib.errors import InputError
from DosePredictionLib.patient.beams import OPENKBP_BEAMS
from DosePredictionLib.patient.geometry import Geometry
from DosePredictionLib.patient.openkbp_axes import openkbp_geometry, openkbp_to_zyx, zyx_to_openkbp
from DosePredictionLib.patient.patient import Patient
from DosePredictionLib.patient.reader_openkbp_csv import read_openkbp_dose
from DosePredictionLib.patient.reading import find_cases, read_patient
from DosePredictionLib.patient.structure import Structure, StructureRole
from DosePredictionLib.patient.volume import Volume
from DosePredictionLib.patient.writer_folder import write_patient_folder
from DosePredictionLib.patient.writer_openkbp_csv import write_openkbp_dose


def centroid_mm(structure: Structure) -> np.ndarray:
    """Centre of a structure's voxels, LPS."""
    return structure.mask.geometry.lps_of_index(np.argwhere(structure.mask.array)).mean(axis=0)


def named(patient: Patient, name: str) -> Structure:
    """A structure by the user's name."""
    return next(structure for structure in patient.structures if structure.name == name)


@pytest.mark.parametrize(
    ("geometry", "centre_mm"), [(AXIAL, (0.0, 0.0, 0.0)), (oblique_geometry(), (11.0, -23.0, 37.0))]
)
def test_a_folder_gives_back_the_patient_that_was_written(tmp_path, geometry, centre_mm):
    patient = ball_patient(geometry, centre_mm)
    dose = Volume(np.linspace(0, 70, int(np.prod(geometry.shape)), dtype=np.float32).reshape(geometry.shape), geometry)
    write_patient_folder(replace(patient, reference_dose=dose), tmp_path / "case")
    again = read_patient(tmp_path / "case")
    assert again.geometry.is_close(geometry)
    assert np.array_equal(again.ct.array, patient.ct.array)
    assert np.array_equal(again.reference_dose.array, dose.array)
    assert (again.fractions, again.site) == (35, "head-and-neck")
    assert [beam.gantry_deg for beam in again.beams.beams] == [beam.gantry_deg for beam in OPENKBP_BEAMS.beams]
    assert [s.name for s in again.structures] == [s.name for s in patient.structures]
    for ours, theirs in zip(patient.structures, again.structures, strict=True):
        assert (theirs.role, theirs.prescription_gy) == (ours.role, ours.prescription_gy), ours.name
        voxels = theirs.mask.on_grid(geometry, nearest=True).array > 0
        assert np.array_equal(voxels, ours.mask.array > 0), ours.name  # PTV70 lies inside PTV56: overlap is kept
        assert np.allclose(centroid_mm(theirs), centroid_mm(ours), atol=1e-3)


def test_mask_files_on_other_grids_keep_their_place(tmp_path):
    patient = ball_patient()
    patient.ct.write(tmp_path / "ct.nii.gz")
    fine = oblique_geometry((1.1, 0.9, 1.3))
    fine = replace(fine, origin_mm=tuple(np.asarray(fine.origin_mm) - (11.0, -23.0, 37.0)))
    ball(fine, (8.0, -10.0, 4.0), 17.0).write(tmp_path / "PTV_7000.nii.gz")
    ball(AXIAL, (45.0, 0.0, 20.0), 12.0).write(tmp_path / "parotid lt.nrrd")
    read = read_patient(tmp_path)
    target, parotid = named(read, "PTV_7000"), named(read, "parotid lt")
    assert (target.role, target.prescription_gy) == (StructureRole.TARGET, 70.0)
    assert (parotid.role, parotid.standard_name) == (StructureRole.OAR, "Parotid_L")
    assert np.allclose(centroid_mm(target), (8.0, -10.0, 4.0), atol=0.1)
    volume_cc = (target.mask.array > 0).sum() * target.mask.geometry.voxel_volume_cc
    assert volume_cc == pytest.approx(4 / 3 * np.pi * 1.7**3, rel=0.01)


def test_prescription_json_corrects_names_and_doses(tmp_path):
    patient = ball_patient()
    patient.ct.write(tmp_path / "ct.nrrd")
    patient.structures[1].mask.write(tmp_path / "boost.nrrd")
    patient.structures[3].mask.write(tmp_path / "gl par li.nrrd")
    corrections = {"boost": {"role": "target", "prescription_gy": 66}, "gl par li": {"standard_name": "Parotid_L"}}
    beams = {"gantry_deg": [0, 120, 240]}
    plan = {"structures": corrections, "fractions": 33, "technique": "VMAT", "beams": beams}
    (tmp_path / "prescription.json").write_text(json.dumps(plan))
    read = read_patient(tmp_path)
    assert read.prescription_gy == 66.0 and read.fractions == 33 and read.technique == "VMAT"
    assert named(read, "gl par li").standard_name == "Parotid_L"
    assert len(read.beams.beams) == 3


def openkbp_arrays() -> tuple[dict[str, np.ndarray], np.ndarray]:
    """A made-up OpenKBP patient in the challenge's axes (A-P, R-L, S-I), and its voxel sizes."""
    shape = (128, 128, 128)
    spacing = np.array([3.5, 4.0, 2.5])
    index = np.indices(shape)
    around = lambda a, b, c, r: sum((index[i] - m) ** 2 for i, m in enumerate((a, b, c))) <= r * r  # noqa: E731
    arrays = {
        "Brainstem": around(64, 64, 30, 5),  # low index on axis 2: superior
        "Esophagus": around(64, 64, 100, 4),
        "LeftParotid": around(60, 84, 36, 6),
        "SpinalCord": around(78, 64, 70, 4),
        "PTV70": around(56, 64, 60, 9),
        "possible_dose_mask": around(64, 64, 64, 50),
        "ct": np.where(around(64, 64, 64, 50), 1024 + index[2], 0).astype(np.int16),
        "dose": np.where(around(64, 64, 64, 50), index[0] * 0.5, 0.0),
    }
    return arrays, spacing


def write_packed(path: Path) -> None:
    """The made-up patient as a packed file."""
    arrays, spacing = openkbp_arrays()
    bits = {"Brainstem": 0, "SpinalCord": 1, "LeftParotid": 3, "Esophagus": 4, "PTV70": 9, "possible_dose_mask": 15}
    structures = np.zeros((128, 128, 128), np.uint16)
    for name, bit in bits.items():
        structures |= arrays[name].astype(np.uint16) << np.uint16(bit)
    dose = np.rint(arrays["dose"] / 0.002).astype(np.uint16)
    np.savez_compressed(path, ct=arrays["ct"], dose=dose, structures=structures, spacing_mm=spacing)


def write_csv(folder: Path) -> None:
    """The made-up patient as the challenge's folder of CSV files."""
    folder.mkdir()
    arrays, spacing = openkbp_arrays()
    for name, array in arrays.items():
        flat = array.ravel()
        indices = np.flatnonzero(flat)
        if name in ("ct", "dose"):
            lines = [",data"] + [f"{i},{flat[i]}" for i in indices]
        else:
            lines = [",data"] + [f"{i}," for i in indices]
        (folder / f"{name}.csv").write_text("\n".join(lines) + "\n")
    (folder / "voxel_dimensions.csv").write_text("\n".join(str(value) for value in spacing) + "\n")


@pytest.fixture(scope="module")
def openkbp_files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("openkbp")
    write_packed(folder / "pt_7.npz")
    write_csv(folder / "pt_8")
    return folder


def test_openkbp_patients_stand_upright_in_lps(openkbp_files):
    for path in find_cases(openkbp_files):
        patient = read_patient(path)
        x, y, z = centroid_mm(named(patient, "LeftParotid"))
        assert x > 0, "the left parotid lies at the patient's left, +x"
        assert centroid_mm(named(patient, "Brainstem"))[2] > centroid_mm(named(patient, "Esophagus"))[2]
        assert centroid_mm(named(patient, "SpinalCord"))[1] > centroid_mm(named(patient, "PTV70"))[1], "+y is posterior"
        arrays, spacing = openkbp_arrays()
        wanted = (84 - 63.5) * spacing[1], (60 - 63.5) * spacing[0], (63.5 - 36) * spacing[2]
        assert np.allclose((x, y, z), wanted, atol=1e-6)


def test_packed_and_csv_hold_the_same_patient(openkbp_files):
    packed, table = read_patient(openkbp_files / "pt_7.npz"), read_patient(openkbp_files / "pt_8")
    assert packed.geometry.is_close(table.geometry)
    assert np.array_equal(packed.ct.array, table.ct.array)
    assert packed.ct.array.max() == 64 + 50  # HU, without the files' offset of 1024
    assert np.allclose(packed.reference_dose.array, table.reference_dose.array, atol=0.001)
    for structure in packed.structures:
        other = named(table, structure.name)
        assert (other.role, other.standard_name, other.prescription_gy) == (
            structure.role, structure.standard_name, structure.prescription_gy
        )  # fmt: skip
        assert np.array_equal(centroid_mm(other), centroid_mm(structure))
    assert packed.beams == OPENKBP_BEAMS and packed.prescription_gy == 70.0
    assert named(packed, "possible_dose_mask").role is StructureRole.DOSE_REGION


def test_a_prescription_json_beside_the_challenges_tables_is_told_to_be_passed_over(openkbp_files, tmp_path):
    assert read_patient(openkbp_files / "pt_8").warnings == ()
    write_csv(tmp_path / "pt_9")
    (tmp_path / "pt_9" / "prescription.json").write_text('{"fractions": 30}')
    patient = read_patient(tmp_path / "pt_9")
    assert patient.fractions == 35
    assert [text for text in patient.warnings if "prescription.json is not read" in text]


def test_axes_there_and_back():
    array = np.arange(24).reshape(2, 3, 4)
    assert np.array_equal(zyx_to_openkbp(openkbp_to_zyx(array)), array)


def test_a_dose_survives_the_challenge_layout(tmp_path):
    geometry = openkbp_geometry(np.array([3.5, 4.0, 2.5]))
    dose = np.zeros(geometry.shape, np.float32)
    dose[100, 60, 80] = 12.5  # z, y, x
    write_openkbp_dose(Volume(dose, geometry), tmp_path / "pt_7.csv")
    lines = (tmp_path / "pt_7.csv").read_text().splitlines()
    assert lines[0] == ",data" and len(lines) == 2
    flat, value = lines[1].split(",")
    # Axis 0 is y, axis 1 is x, axis 2 runs downward.
    assert int(flat) == (60 * 128 + 80) * 128 + (127 - 100) and float(value) == 12.5
    assert np.array_equal(read_openkbp_dose(tmp_path / "pt_7.csv", geometry).array, dose)


def test_only_the_challenge_grid_fits_its_layout(tmp_path):
    with pytest.raises(InputError, match="128"):
        small = Geometry((4, 4, 4), (1.0, 1.0, 1.0))
        write_openkbp_dose(Volume(np.zeros(small.shape, np.float32), small), tmp_path / "a.csv")


def test_cases_are_found_in_their_natural_order(tmp_path):
    names = ["pt_2", "pt_10", "pt_²", "²"]  # the superscript is a digit to Python, but no number
    for name in (*names[::-1], "notes"):
        (tmp_path / name).mkdir()
    for name in names:
        ball_patient().ct.write(tmp_path / name / "ct.nrrd")
        ball_patient().structures[1].mask.write(tmp_path / name / "PTV70.nrrd")
    assert [path.name for path in find_cases(tmp_path)] == names
    assert find_cases(tmp_path / "pt_2") == [tmp_path / "pt_2"]


def test_the_difference_of_two_doses_is_no_structure(tmp_path):
    patient = ball_patient()
    write_patient_folder(patient, tmp_path / "case")
    patient.ct.write(tmp_path / "case" / "difference_plan2.nrrd")
    assert len(read_patient(tmp_path / "case").structures) == len(patient.structures)
    patient.ct.write(tmp_path / "compared" / "difference_plan2.nrrd")
    (tmp_path / "compared" / "prescription.json").write_text("{}")
    with pytest.raises(InputError, match="holds no patient that can be read"):
        read_patient(tmp_path / "compared")


def test_a_slicer_segmentation_with_layers_and_a_smaller_grid_is_read(tmp_path):
    """Fields as Slicer writes them: two overlapping segments in two layers, a third beside the first."""
    patient = ball_patient()
    patient.ct.write(tmp_path / "ct.nrrd")
    first = np.zeros(AXIAL.shape, np.uint8)
    first[patient.structures[1].mask.array > 0] = 1
    first[patient.structures[3].mask.array > 0] = 2
    second = (patient.structures[2].mask.array > 0).astype(np.uint8)
    part = (slice(4, 36), slice(2, 42), slice(5, 45))
    geometry = AXIAL.cropped((4, 2, 5), (32, 40, 40))
    layers = [Volume(np.ascontiguousarray(layer[part]), geometry).to_image() for layer in (first, second)]
    image = sitk.Compose(layers)
    for number, (name, label, layer) in enumerate((("PTV70", 1, 0), ("Cord", 2, 0), ("PTV56", 1, 1))):
        image.SetMetaData(f"Segment{number}_ID", f"id{number}")
        image.SetMetaData(f"Segment{number}_Name", name)
        image.SetMetaData(f"Segment{number}_LabelValue", str(label))
        image.SetMetaData(f"Segment{number}_Layer", str(layer))
        image.SetMetaData(f"Segment{number}_Color", "0.25 0.5 0.75")
    sitk.WriteImage(image, str(tmp_path / "structures.seg.nrrd"))
    read = read_patient(tmp_path)
    for name, wanted in (("PTV70", 1), ("PTV56", 2), ("Cord", 3)):
        mask = named(read, name).mask.on_grid(AXIAL, nearest=True).array > 0
        assert np.array_equal(mask, patient.structures[wanted].mask.array > 0), name
    assert named(read, "Cord").color == (0.25, 0.5, 0.75)
    assert named(read, "Cord").standard_name == "SpinalCord"


def test_points_of_the_grid_agree_with_simpleitk():
    geometry = oblique_geometry()
    image = Volume(np.zeros(geometry.shape, np.float32), geometry).to_image()
    for index in ((0, 0, 0), (3, 7, 11), (geometry.shape[0] - 1, 0, 5)):
        wanted = image.TransformIndexToPhysicalPoint(index[::-1])
        assert np.allclose(points_mm(geometry)[index], wanted)
        assert np.allclose(geometry.index_of_lps(np.asarray(wanted)), index)
