"""Which patients get into training, and when their conditioned cases are made anew."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from phantom import ball_dose, ball_patient

from DosePredictionLib.conditioning.channels import CHANNELS
from DosePredictionLib.errors import InputError
from DosePredictionLib.patient.patient import Patient
from DosePredictionLib.patient.volume import Volume
from DosePredictionLib.patient.writer_folder import write_patient_folder
from DosePredictionLib.training.case_cache import cached_cases, training_case


def with_dose() -> Patient:
    return replace(ball_patient(), reference_dose=ball_dose())


def test_a_patient_whose_ct_holds_nan_is_not_trained_on():
    patient = with_dose()
    hu = patient.ct.array.astype(np.float32)
    hu[20, 20, 20] = np.nan
    with pytest.raises(InputError, match="The CT of ball holds 1 voxels that are not numbers"):
        training_case(replace(patient, ct=Volume(hu, patient.geometry)), CHANNELS)


def test_a_target_without_a_prescription_passes_its_case_over(tmp_path, capsys):
    patient = with_dose()
    target = replace(patient.structures[1], name="PTV", prescription_gy=None)
    alone = replace(patient, structures=(patient.structures[0], target))
    write_patient_folder(patient, tmp_path / "train" / "a")
    write_patient_folder(alone, tmp_path / "train" / "b")
    assert [case.identifier for case in cached_cases(tmp_path / "train", tmp_path / "cache", CHANNELS)] == ["a"]
    assert "passed over b: The target PTV of b has no prescription" in capsys.readouterr().out
