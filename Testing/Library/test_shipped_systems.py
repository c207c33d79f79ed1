"""The published systems' weights that ship, on the patient that ships."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
import pytest

from DosePredictionLib import read_patient
from DosePredictionLib.dosimetry.patient_scores import score_patient
from DosePredictionLib.dosimetry.slice_smoothness import slice_smoothness
from DosePredictionLib.inference.calibration import load_calibration
from DosePredictionLib.inference.engine import PredictedDose, PredictionEngine
from DosePredictionLib.inference.options import PredictionOptions
from DosePredictionLib.inference.shipped_weights import default_weights, shipped_calibration
from DosePredictionLib.inference.weights import load_weights
from DosePredictionLib.patient.patient import Patient
from DosePredictionLib.patient.structure import StructureRole
from DosePredictionLib.resources import resource_path

#: Dose and DVH score on the validation patients, Gy, that the weights have to hold, and how rough their doses may be
#: from slice to slice, over the clinical dose's own (patches at half the resolution leave a faint grid).
SHIPPED = {"magdiff_adc": (2.8, 1.75, 1.2), "addiff_dose": (3.9, 2.7, 1.35), "diffkt3d": (3.6, 2.3, 1.2)}
#: Systems with an Adaptive Dose Calibration.
CALIBRATED = ("default", "magdiff_adc")


@pytest.fixture(scope="module")
def patient() -> Patient:
    return read_patient(resource_path("SampleData", "openkbp-pt_236"))


@pytest.fixture(scope="module", params=SHIPPED)
def system(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def predicted(patient: Patient) -> Callable[[str], PredictedDose]:
    """What a system predicts, with its calibration where it has one; predicted once."""

    @cache
    def by(system: str) -> PredictedDose:
        engine = PredictionEngine(system, None, "cpu", calibrate=system in CALIBRATED)
        return engine.predict(patient, PredictionOptions(seed=0))

    return by


def test_the_header_says_what_the_weights_are(system: str) -> None:
    header = load_weights(default_weights(system)).header
    dose_score_gy, dvh_score_gy, _ = SHIPPED[system]
    assert header.system == system and header.training["patients"] == 196
    assert header.validation["patients"] == 40 and header.validation["dataset"] == "validation"
    assert float(str(header.validation["dose_score_gy"])) < dose_score_gy
    assert float(str(header.validation["dvh_score_gy"])) < dvh_score_gy
    card = default_weights(system).with_suffix(".md").read_text(encoding="utf-8")
    assert f"| dose score | {header.validation['dose_score_gy']:.3f} |" in card
    assert len(header.commit) == 40


def test_the_predicted_dose_is_that_of_this_patient(
    system: str, predicted: Callable[[str], PredictedDose], patient: Patient
) -> None:
    assert patient.reference_dose is not None
    dose = predicted(system).uncalibrated or predicted(system).dose
    scores = score_patient(patient, dose)
    assert scores.dose_score < 4.0 and scores.dvh_score < 4.0
    region = patient.with_role(StructureRole.DOSE_REGION)[0].mask.on_grid(patient.geometry, nearest=True).array > 0
    assert dose.array[~region].max() == 0.0
    # Slice by slice or patch by patch, but without jumps.
    reference = patient.reference_dose.on_grid(patient.geometry).array
    assert 0.6 < slice_smoothness(dose.array, reference, region).ratio < SHIPPED[system][2]


@pytest.mark.parametrize("system", CALIBRATED)
def test_the_calibration_belongs_to_the_weights(system: str) -> None:
    weights = load_weights(default_weights(system))
    calibration = load_calibration(shipped_calibration(system), weights)
    assert calibration.belongs_to(weights)
    inside = calibration.header.validation["all_structures"]
    assert isinstance(inside, dict)
    # It hardly helps (Testing/Benchmarks/README.md); it must not do harm.
    assert inside["criteria_gy"] < inside["criteria_uncalibrated_gy"]
    assert inside["mae_gy"] < 1.01 * inside["mae_uncalibrated_gy"]


@pytest.mark.parametrize("system", CALIBRATED)
def test_the_calibration_changes_structures_only(
    system: str, predicted: Callable[[str], PredictedDose], patient: Patient
) -> None:
    made = predicted(system)
    assert made.uncalibrated is not None
    change = np.abs(made.dose.array - made.uncalibrated.array)
    inside = np.zeros(patient.geometry.shape, dtype=bool)
    for structure in patient.structures:
        if structure.role in (StructureRole.TARGET, StructureRole.OAR):
            inside |= structure.mask.on_grid(patient.geometry, nearest=True).array > 0
    assert 0.01 < change[inside].mean() < 2.0
    # Interpolated from the model's grid, a change reaches into the voxels around the structures.
    assert change[~inside].mean() < 0.05 * change[inside].mean()
