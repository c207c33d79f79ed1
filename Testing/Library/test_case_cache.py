"""Which patients get into training, and when their conditioned cases are made anew."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from ball_case import ball_case
from dicom_phantom import Study
from phantom import ball_dose, ball_patient
from test_dicom_case import write_study
from test_gdp_hmm import LEVELS, content, write

from DosePredictionLib.conditioning.channels import CHANNELS
from DosePredictionLib.errors import InputError
from DosePredictionLib.patient.geometry import Geometry
from DosePredictionLib.patient.patient import Patient
from DosePredictionLib.patient.volume import Volume
from DosePredictionLib.patient.writer_folder import write_patient_folder
from DosePredictionLib.training import case_cache
from DosePredictionLib.training.case_cache import cached_cases, training_case


@pytest.fixture
def conditioned(tmp_path, monkeypatch) -> Callable[[Path], int]:
    """Asks for a folder's or a file's case; how often cases have been conditioned up to now."""
    made = []
    monkeypatch.setattr(case_cache, "training_case", lambda patient, _: made.append(patient) or ball_case())

    def ask(source: Path) -> int:
        list(cached_cases(source, tmp_path / "cache", CHANNELS))
        return len(made)

    return ask


def with_dose() -> Patient:
    return replace(ball_patient(), reference_dose=ball_dose())


def test_a_patient_whose_ct_holds_nan_is_not_trained_on():
    patient = with_dose()
    hu = patient.ct.array.astype(np.float32)
    hu[20, 20, 20] = np.nan
    with pytest.raises(InputError, match="The CT of ball holds 1 voxels that are not numbers"):
        training_case(replace(patient, ct=Volume(hu, patient.geometry)), CHANNELS)


def test_a_finer_dose_is_averaged_over_the_voxels_that_are_learnt():
    """As each voxel of a coarser one would have it: no voxel's dose is one of 27 at random."""
    patient = with_dose()
    own = patient.geometry
    x_mm, y_mm, z_mm = (size / 3 for size in own.spacing_mm)
    origin = tuple(first - step for first, step in zip(own.origin_mm, (x_mm, y_mm, z_mm), strict=True))
    fine = Geometry(tuple(3 * size for size in own.shape), (x_mm, y_mm, z_mm), origin)
    dose = np.random.default_rng(0).uniform(20, 60, fine.shape).astype(np.float32)
    case = training_case(replace(patient, reference_dose=Volume(dose, fine)), CHANNELS)
    z, y, x = own.shape
    means = Volume(dose.reshape(z, 3, y, 3, x, 3).mean(axis=(1, 3, 5)), own).on_grid(case.inputs.geometry).array
    assert np.abs(case.dose_gy - means)[case.inputs.region].max() < 0.05


def test_a_target_without_a_prescription_passes_its_case_over(tmp_path, capsys):
    patient = with_dose()
    target = replace(patient.structures[1], name="PTV", prescription_gy=None)
    alone = replace(patient, structures=(patient.structures[0], target))
    write_patient_folder(patient, tmp_path / "train" / "a")
    write_patient_folder(alone, tmp_path / "train" / "b")
    assert [case.identifier for case in cached_cases(tmp_path / "train", tmp_path / "cache", CHANNELS)] == ["a"]
    assert "passed over b: The target PTV of b has no prescription" in capsys.readouterr().out


def test_prescriptions_that_changed_beside_a_patient_of_the_challenge_count(tmp_path):
    write(tmp_path / "set" / "HNC_001+A.npz", content())

    def prescribed() -> list[float]:
        return [case.inputs.prescription_gy for case in cached_cases(tmp_path / "set", tmp_path / "cache", CHANNELS)]

    assert prescribed() == [70.0]
    high = {**LEVELS["HNC_001"]["PTV_High"], "PDose": 66}
    (tmp_path / "set" / "PTV_DICT.json").write_text(json.dumps({"HNC_001": {**LEVELS["HNC_001"], "PTV_High": high}}))
    assert prescribed() == [66.0]


@pytest.mark.parametrize("changed", ["CT", "RS.dcm", "RD.dcm", "prescription.json"])
def test_files_that_a_plan_belongs_to_count(tmp_path, conditioned, changed):
    folder = tmp_path / "study"
    write_study(folder, Study())
    assert conditioned(folder / "RP.dcm") == conditioned(folder / "RP.dcm") == 1
    path = folder / changed
    if path.suffix == ".json":
        path.write_text('{"site": "lung"}')
    else:
        path = sorted(path.iterdir())[7] if path.is_dir() else path
        os.utime(path, ns=(0, path.stat().st_mtime_ns + 1_000_000))
    assert conditioned(folder / "RP.dcm") == 2


def test_a_mask_that_got_another_name_counts(tmp_path, conditioned):
    """Renaming changes neither size nor time."""
    folder = tmp_path / "train" / "a"
    write_patient_folder(with_dose(), folder)
    (mask,) = folder.glob("*.seg.nrrd")
    before = mask.stat()
    assert conditioned(folder.parent) == 1
    renamed = mask.rename(folder / "t.seg.nrrd").stat()
    assert (renamed.st_size, renamed.st_mtime_ns) == (before.st_size, before.st_mtime_ns)
    assert conditioned(folder.parent) == 2
