"""What ADDiff-Dose is told of the whole plan while it trains: of the patient as it is drawn."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from addiff_small import stage_config
from ball_case import ball_case

from DosePredictionLib.conditioning.channels import CHANNELS, OAR_CHANNELS
from DosePredictionLib.conditioning.plan_context import CONTEXT_LENGTH
from DosePredictionLib.training.addiff_stage import AddiffStage

PAROTIDS = ("Parotid_L", "Parotid_R")


@pytest.mark.parametrize("names_kept", [False, True])
def test_limits_are_told_of_the_organs_that_a_mirrored_patient_has(tmp_path, names_kept):
    """Of a patient with the left parotid alone, the mirror image has the right one alone, unless names are kept."""
    stage = AddiffStage(stage_config(tmp_path, "dose", mixup=0.0, batch=1, clinical_weight=0.0, names_kept=names_kept))
    case = ball_case()
    channels = case.inputs.channels.copy()
    channels[CHANNELS.index("Parotid_R")] = 0
    case = replace(case, inputs=replace(case.inputs, channels=channels))
    organs = CONTEXT_LENGTH - len(OAR_CHANNELS)
    seen = set()
    for seed in range(8):
        batch = stage.draw([case], [(0, 2, seed)])
        there = tuple(bool(batch.conditions[0, CHANNELS.index(name)].any()) for name in PAROTIDS)
        told = tuple(bool(batch.context[0, organs + OAR_CHANNELS.index(name)]) for name in PAROTIDS)
        assert told == there
        seen.add(there)
        assert np.allclose(batch.context[0, 4:6], [1.0, 0.8], atol=1e-3), "70 and 56 Gy over 70 Gy"
    assert seen == ({(True, False)} if names_kept else {(True, False), (False, True)})
