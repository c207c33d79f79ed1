"""The weights that ship, on the patient that ships."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from DosePredictionLib import Predictor, read_patient
from DosePredictionLib.dosimetry.patient_scores import score_patient
from DosePredictionLib.inference.shipped_weights import default_weights
from DosePredictionLib.inference.weights import load_weights
from DosePredictionLib.patient.structure import StructureRole
from DosePredictionLib.resources import resource_path

SAMPLE = "openkbp-pt_236"


@pytest.fixture(scope="module")
def patient():
    return read_patient(resource_path("SampleData", SAMPLE))


@pytest.fixture(scope="module")
def predictor():
    with Predictor("default", device="cpu") as predictor:
        yield predictor


@pytest.fixture(scope="module")
def prediction(predictor, patient):
    return predictor.predict(patient, seed=0)


def test_the_header_says_what_the_weights_are():
    header = load_weights(default_weights("default")).header
    assert header.training["patients"] == 196 and header.training["steps"] > 1000
    assert header.validation["patients"] == 40 and header.validation["dataset"] == "validation"
    assert header.validation["dose_score_gy"] < 2.65
    assert header.validation["dvh_score_gy"] < 1.58
    assert header.training["upside_down"] > 0 and header.recommended["samples"] == 4, "four views of the patient"
    covered = header.validation["coverage"]
    assert covered["cross_validated"] and 66 < covered["voxel_68"] < 70 and 66 < covered["dvh_68"] < 70
    assert 93 < covered["voxel_95"] < 97 and 93 < covered["dvh_95"] < 97
    assert len(header.commit) == 40


def test_the_model_card_tells_the_same_figures():
    header = load_weights(default_weights("default")).header
    card = default_weights("default").with_suffix(".md").read_text()
    assert f"| dose score | {header.validation['dose_score_gy']:.3f} |" in card
    assert f"| DVH score | {header.validation['dvh_score_gy']:.3f} |" in card
    assert "Research use, not for clinical decisions" in card


def test_all_shipped_weights_together_stay_small():
    megabytes = sum(path.stat().st_size for path in resource_path("Models").rglob("*.safetensors")) / 1e6
    assert 1 < megabytes < 45


def test_the_sample_patient_stands_upright(patient):
    def height_mm(name: str) -> float:
        mask = patient.standard(name).mask
        return float(mask.geometry.lps_of_index(np.argwhere(mask.array))[:, 2].mean())

    def side_mm(name: str) -> float:
        mask = patient.standard(name).mask
        return float(mask.geometry.lps_of_index(np.argwhere(mask.array))[:, 0].mean())

    assert height_mm("Brainstem") > height_mm("Larynx") > height_mm("Esophagus")
    assert side_mm("Parotid_L") > side_mm("Parotid_R")


def test_the_predicted_dose_is_close_to_the_reference(patient, prediction):
    scores = score_patient(patient, prediction.dose)
    assert scores.dose_score < 4.0
    assert scores.dvh_score < 4.0
    # The reference dose of the mirror image is far worse: the figure above is not easy to get.
    flipped = replace(prediction.dose, array=prediction.dose.array[::-1, :, ::-1].copy())
    assert score_patient(patient, flipped).dose_score > 2 * scores.dose_score


def test_targets_get_their_dose_and_the_cord_less(prediction):
    dvhs = prediction.dvhs
    for name, prescription_gy in (("PTV70", 70.0), ("PTV63", 63.0), ("PTV56", 56.0)):
        assert 0.88 < dvhs[name].dose_at_volume_percent(95) / prescription_gy < 1.1, name
    assert dvhs["SpinalCord"].max_gy < dvhs["PTV70"].dose_at_volume_percent(50)
    assert dvhs["PTV70"].max_gy < 80.0


def test_the_dose_is_zero_outside_the_dose_region(patient, prediction):
    region = patient.with_role(StructureRole.DOSE_REGION)[0].mask.on_grid(patient.geometry, nearest=True).array > 0
    assert prediction.dose.geometry == patient.geometry
    assert prediction.dose.array[~region].max() == 0.0
    assert prediction.dose.array.min() >= 0.0


def test_missing_conditions_are_allowed_and_cost_little(predictor, patient, prediction):
    usual = score_patient(patient, prediction.dose).dose_score
    complete = predictor.predict(patient, samples=1, seed=0).dose
    for change in ({"ct": None}, {"beams": None}):
        # A single sample, though the mean of four comes closer.
        dose = predictor.predict(replace(patient, **change), samples=1, seed=0).dose
        assert score_patient(patient, dose).dose_score < usual + 3.0, change
        assert not np.array_equal(dose.array, complete.array), change


def test_the_dose_moves_with_the_patient(predictor, patient, prediction):
    """The same patient somewhere else in space, on a finer grid: the same dose at the same anatomy."""
    shift = np.array([35.0, -120.0, 410.0])

    def moved(geometry):  # noqa: ANN001, ANN202
        return replace(geometry, origin_mm=tuple(np.asarray(geometry.origin_mm) + shift))

    def moved_volume(volume):  # noqa: ANN001, ANN202
        return replace(volume, geometry=moved(volume.geometry))

    elsewhere = replace(
        patient,
        geometry=moved(patient.geometry),
        ct=moved_volume(patient.ct),
        structures=tuple(replace(s, mask=moved_volume(s.mask)) for s in patient.structures),
        reference_dose=None,
    )
    dose = predictor.predict(elsewhere, seed=0).dose
    assert dose.geometry == moved(patient.geometry)
    assert np.abs(dose.array - prediction.dose.array).max() < 0.1
