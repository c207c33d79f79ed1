"""The patient that ships is a sane one."""

from __future__ import annotations

import numpy as np
import pytest

from DosePredictionLib.patient.beams import OPENKBP_BEAMS
from DosePredictionLib.patient.checks import check_patient
from DosePredictionLib.patient.openkbp_axes import OPENKBP_SHAPE, openkbp_geometry
from DosePredictionLib.patient.patient import Patient
from DosePredictionLib.patient.reading import find_cases, read_patient
from DosePredictionLib.patient.structure import StructureRole
from DosePredictionLib.resources import resource_root

SEVEN = {"Brainstem", "SpinalCord", "Parotid_R", "Parotid_L", "Esophagus", "Larynx", "Bone_Mandible"}


@pytest.fixture(scope="module")
def sample() -> Patient:
    (case,) = find_cases(resource_root() / "SampleData")
    return read_patient(case)


def centre(patient: Patient, standard_name: str) -> np.ndarray:
    """LPS centre of a structure."""
    mask = patient.standard(standard_name).mask
    return mask.geometry.lps_of_index(np.argwhere(mask.array)).mean(axis=0)


def test_it_passes_the_checks_without_a_warning(sample):
    assert check_patient(sample).warnings == ()


def test_it_has_organs_targets_and_plan(sample):
    assert {s.standard_name for s in sample.with_role(StructureRole.OAR)} == SEVEN
    assert [target.prescription_gy for target in sample.targets] == [70.0, 63.0, 56.0]
    assert (sample.fractions, sample.technique, sample.site) == (35, "IMRT", "head-and-neck")
    assert sample.beams == OPENKBP_BEAMS


def test_it_lies_on_the_challenge_grid(sample):
    x, y, z = sample.geometry.spacing_mm
    assert sample.geometry.shape == OPENKBP_SHAPE
    assert sample.geometry.is_close(openkbp_geometry(np.array([y, x, z])))


def test_it_is_the_right_way_round(sample):
    assert centre(sample, "Parotid_L")[0] > centre(sample, "SpinalCord")[0] > centre(sample, "Parotid_R")[0]  # +x left
    assert centre(sample, "SpinalCord")[1] > centre(sample, "Larynx")[1]  # +y posterior
    assert centre(sample, "Brainstem")[2] > centre(sample, "Larynx")[2] > centre(sample, "Esophagus")[2]  # +z superior


def test_its_ct_is_in_hu(sample):
    ct = sample.ct.array
    assert ct.min() == -1024
    cord = sample.standard("SpinalCord").mask.on_grid(sample.geometry, nearest=True).array > 0
    bone = sample.standard("Bone_Mandible").mask.on_grid(sample.geometry, nearest=True).array > 0
    assert -20 < np.median(ct[cord]) < 100
    assert np.median(ct[bone]) > 250


def test_its_reference_dose_covers_the_targets_and_stays_in_the_dose_region(sample):
    dose = sample.reference_dose.array
    (region,) = sample.with_role(StructureRole.DOSE_REGION)
    assert not dose[region.mask.on_grid(sample.geometry, nearest=True).array == 0].any()
    for target in sample.targets:
        inside = dose[target.mask.on_grid(sample.geometry, nearest=True).array > 0]
        assert np.percentile(inside, 5) > 0.9 * target.prescription_gy, target.name
        assert np.percentile(inside, 99) < 1.1 * sample.prescription_gy, target.name
