"""Stated intervals hold the truth as often as they say, on patients that the calibration has not seen."""

from __future__ import annotations

import json
from dataclasses import asdict, replace

import numpy as np
import pytest
from phantom import ball_dose, ball_patient
from tiny import tiny_weights

from DosePredictionLib.cli.validation_case import validation_case
from DosePredictionLib.inference.engine import PredictionEngine
from DosePredictionLib.inference.options import PredictionOptions
from DosePredictionLib.inference.uncertainty import (
    UncertaintyCalibration,
    ValidationCase,
    coverage,
    cross_validated_coverage,
    fit_calibration,
)
from DosePredictionLib.inference.weights import load_weights, save_weights
from DosePredictionLib.inference.weights_header import read_weights_header
from DosePredictionLib.resources import resource_path


def patient_case(seed: int) -> ValidationCase:
    """A patient whose error is Gaussian: wider at high dose, wider where the samples differ, never what they say."""
    random = np.random.default_rng(seed)
    clinical = random.uniform(0, 75, 12_000)
    spread = random.gamma(2.0, 0.3, clinical.size)
    sigma = 0.5 + 2.0 * clinical / 70 + 1.5 * spread
    mean = np.maximum(clinical + sigma * random.standard_normal(clinical.size), 0)
    target, organ = np.flatnonzero(clinical > 66), np.flatnonzero((clinical > 20) & (clinical < 30))
    return ValidationCase(mean, spread, clinical, 70.0, [target], [organ], (4.0, 4.0, 2.5))


@pytest.fixture(scope="module")
def fitted():
    return fit_calibration([patient_case(seed) for seed in range(8)])


def test_new_patients_lie_in_the_stated_intervals_as_often_as_stated(fitted):
    fresh = [patient_case(seed) for seed in range(100, 106)]
    stated = [
        replace(one, spread_gy=fitted.standard_deviation(one.mean_gy, one.spread_gy, one.prescription_gy))
        for one in fresh
    ]
    seen = coverage(stated, fitted)
    assert seen.voxel_68 == pytest.approx(68, abs=1.5)
    assert seen.voxel_95 == pytest.approx(95, abs=1.0)
    raw = [replace(one, spread_gy=np.asarray(one.spread_gy)) for one in fresh]
    assert coverage(raw, fitted).voxel_68 < 40, "the spread itself promises too much"


def test_the_deviation_grows_with_dose_and_with_spread(fitted):
    low, high = fitted.standard_deviation(np.array([5.0, 65.0]), np.array([0.6, 0.6]), 70.0)
    calm, wild = fitted.standard_deviation(np.array([35.0, 35.0]), np.array([0.1, 1.5]), 70.0)
    assert low == pytest.approx(0.5 + 2.0 * 5 / 70 + 0.9, rel=0.2)
    assert high == pytest.approx(0.5 + 2.0 * 65 / 70 + 0.9, rel=0.2)
    assert wild > 1.5 * calm


@pytest.mark.parametrize("rounding_gy", [0.0, 1e-3])
def test_weights_whose_samples_never_differ_get_one_standard_deviation(rounding_gy: float) -> None:
    """The error is 2 Gy everywhere: whatever a later patient's samples differ by, nothing says more than that."""
    random = np.random.default_rng(0)
    clinical = random.uniform(0.0, 75.0, 12_000)
    mean = clinical + 2.0 * random.choice((-1.0, 1.0), clinical.size)
    spread = rounding_gy * random.random(clinical.size)
    case = ValidationCase(mean, spread, clinical, 70.0, [np.flatnonzero(clinical > 66)], [], (4.0, 4.0, 2.5))
    fitted = fit_calibration([case])
    for spread_gy in (0.0, 0.05, 0.5, 5.0):
        stated = fitted.standard_deviation(np.linspace(0.0, 75.0, 16), np.full(16, spread_gy), 70.0)
        assert stated == pytest.approx(np.full(16, 2.0), abs=0.01)
    again = UncertaintyCalibration(**json.loads(json.dumps(asdict(fitted))))
    assert again.standard_deviation(np.array([35.0]), np.array([5.0]), 60.0) == pytest.approx(2.0 * 60 / 70, abs=0.01)


def falling_case(seed: int) -> ValidationCase:
    """A patient whose errors are the smaller the more the samples differ, at every dose."""
    random = np.random.default_rng(seed)
    clinical, spread = random.uniform(0, 75, 12_000), random.gamma(2.0, 0.3, 12_000)
    mean = np.maximum(clinical + 3.0 / (0.3 + spread) * random.standard_normal(12_000), 0)
    return ValidationCase(mean, spread, clinical, 70.0, [np.flatnonzero(clinical > 66)], [], (4.0, 4.0, 2.5))


def shipped_calibrations() -> list[UncertaintyCalibration]:
    files = sorted(resource_path("Models").glob("*.safetensors"))
    tables = [read_weights_header(file).uncertainty for file in files]
    return [UncertaintyCalibration(**table) for table in tables if table]  # type: ignore[arg-type]


def test_samples_that_differ_more_are_never_said_to_be_surer():
    """Also by tables that fall: those of weights from before, and of patients whose errors do."""
    spread_gy = np.linspace(0.0, 20.0, 400)
    tables = [fit_calibration([falling_case(seed) for seed in range(3)]), *shipped_calibrations()]
    assert len(tables) > 1
    for table in tables:
        for dose_gy in np.linspace(0.0, 80.0, 17):
            stated = table.standard_deviation(np.full(400, dose_gy), spread_gy, 70.0)
            assert np.diff(stated).min() >= -1e-6, dose_gy


def test_a_fitted_table_grows_and_still_holds_as_many():
    cases = [falling_case(seed) for seed in range(4)]
    fitted = fit_calibration(cases)
    assert np.diff(np.array(fitted.sigma_gy), axis=1).min() >= 0.0
    stated = [replace(one, spread_gy=fitted.standard_deviation(one.mean_gy, one.spread_gy, 70.0)) for one in cases]
    seen = coverage(stated, fitted)
    assert seen.voxel_68 == pytest.approx(68, abs=0.5) and seen.voxel_95 == pytest.approx(95, abs=0.5)


def test_beyond_the_table_the_deviation_grows_with_the_spread(fitted):
    """One spread in a hundred lies there; it is the part of a patient that the model knows least of."""
    last = fitted.spread_knots_gy[-1]
    there, twice, tenfold = fitted.standard_deviation(np.full(3, 40.0), last * np.array([1.0, 2.0, 10.0]), 70.0)
    assert (twice, tenfold) == pytest.approx((2 * there, 10 * there), rel=1e-5)


def test_cross_validation_looks_at_every_patient_once():
    seen = cross_validated_coverage([patient_case(seed) for seed in range(5)], folds=5)
    assert seen.patients == 5 and seen.cross_validated
    assert seen.voxel_68 == pytest.approx(68, abs=2)


def test_a_tenth_of_the_patients_is_less_certain_than_usual():
    cases = [
        replace(one, spread_gy=one.spread_gy * factor, mean_gy=one.mean_gy)
        for one, factor in ((patient_case(seed), 0.5 + 0.05 * seed) for seed in range(20))
    ]
    fitted = fit_calibration(cases)
    dosed = [one.mean_gy >= 0.2 * 70.0 for one in cases]
    percents = [
        100 * fitted.standard_deviation(one.mean_gy, one.spread_gy, 70.0)[inside].mean() / 70.0
        for one, inside in zip(cases, dosed, strict=True)
    ]
    assert [percent >= fitted.unusual_percent for percent in percents] == [False] * 18 + [True] * 2


def test_weights_carry_the_calibration_and_the_engine_uses_it(tmp_path, fitted):
    raw = load_weights(tiny_weights(tmp_path / "raw.safetensors"))
    header = replace(raw.header, uncertainty=json.loads(json.dumps(asdict(fitted))))
    save_weights(raw.network.state_dict(), header, tmp_path / "calibrated.safetensors")
    patient, options = ball_patient(), PredictionOptions(samples=2, steps=1)
    plain = PredictionEngine("default", tmp_path / "raw.safetensors", "cpu").predict(patient, options)
    engine = PredictionEngine("default", tmp_path / "calibrated.safetensors", "cpu")
    assert engine.calibration == fitted
    calibrated = engine.predict(patient, options)
    assert np.array_equal(plain.dose.array, calibrated.dose.array)
    inside = plain.dose_std.array > 0.1
    wanted = fitted.standard_deviation(plain.dose.array[inside], plain.dose_std.array[inside], patient.prescription_gy)
    assert np.allclose(calibrated.dose_std.array[inside], wanted, atol=0.05)
    assert plain.provenance.uncertainty.startswith("not calibrated")
    assert "calibrated on 8 validation patients" in calibrated.provenance.uncertainty
    assert calibrated.provenance.dvh_band == fitted.dvh_68


def test_a_model_that_is_always_right_does_not_break_it():
    case = replace(patient_case(0), spread_gy=np.zeros(12_000))
    exact = replace(case, mean_gy=case.reference_gy)
    assert isinstance(fit_calibration([exact]), UncertaintyCalibration)


@pytest.mark.parametrize("unusual_percent, warned", [(0.1, True), (99.0, False)])
def test_weights_say_themselves_what_is_less_certain_than_usual(tmp_path, fitted, unusual_percent, warned):
    raw = load_weights(tiny_weights(tmp_path / "raw.safetensors"))
    told = asdict(replace(fitted, unusual_percent=unusual_percent))
    save_weights(raw.network.state_dict(), replace(raw.header, uncertainty=told), tmp_path / "told.safetensors")
    engine = PredictionEngine("default", tmp_path / "told.safetensors", "cpu")
    review = engine.predict(ball_patient(), PredictionOptions(samples=2, steps=1)).provenance.review
    assert any(warning.id == "uncertainty-high" for warning in review) == warned


def test_the_deviation_scales_with_the_prescription_as_the_dose_does(fitted):
    mean_gy, spread_gy = np.linspace(0.0, 75.0, 40), np.linspace(0.1, 3.0, 40)
    at_70 = fitted.standard_deviation(mean_gy, spread_gy, 70.0)
    for prescription_gy in (8.0, 35.0, 90.0):
        part = prescription_gy / 70.0
        scaled = fitted.standard_deviation(mean_gy * part, spread_gy * part, prescription_gy)
        assert scaled == pytest.approx(at_70 * part, rel=1e-5)


def test_a_calibration_of_plans_with_half_the_dose_says_the_same(fitted):
    halved = [
        replace(case, mean_gy=case.mean_gy / 2, spread_gy=case.spread_gy / 2, reference_gy=case.reference_gy / 2,
                prescription_gy=case.prescription_gy / 2)
        for case in (patient_case(seed) for seed in range(6))
    ]  # fmt: skip
    whole = fit_calibration([patient_case(seed) for seed in range(6)])
    half = fit_calibration(halved)
    assert np.array(half.sigma_gy) == pytest.approx(np.array(whole.sigma_gy), rel=1e-3)


def even_case(seed: int, sigma_gy: float) -> ValidationCase:
    """A patient whose error is as wide everywhere."""
    random = np.random.default_rng(seed)
    clinical = random.uniform(10, 75, 4_000)
    mean = clinical + sigma_gy * random.standard_normal(clinical.size)
    spread, target = random.uniform(0.4, 0.6, clinical.size), np.flatnonzero(clinical > 66)
    return ValidationCase(mean, spread, clinical, 70.0, [target], [], (4.0, 4.0, 2.5))


def test_cross_validation_holds_out_the_patient_that_it_looks_at():
    """Of two patients with errors of 0.5 and 5 Gy each is judged by the other's: nearly all, and one in thirteen."""
    seen = cross_validated_coverage([even_case(1, 0.5), even_case(2, 5.0)], folds=2)
    assert seen.voxel_68 == pytest.approx(0.5 * (100.0 + 100 * 0.0797), abs=1.5)


def test_the_stated_half_width_holds_68_percent_of_what_it_was_fitted_on_whatever_the_errors():
    """Errors that grow with a spread so uneven that the table's columns can't follow it."""
    random = np.random.default_rng(0)
    clinical, spread = random.uniform(0, 75, 12_000), random.gamma(0.3, 1.0, 12_000)
    mean = np.maximum(clinical + 2.0 * (0.05 + spread) * random.standard_normal(12_000), 0)
    case = ValidationCase(mean, spread, clinical, 70.0, [np.flatnonzero(clinical > 66)], [], (4.0, 4.0, 2.5))
    fitted = fit_calibration([case])
    stated = replace(case, spread_gy=fitted.standard_deviation(mean, spread, 70.0))
    seen = coverage([stated], fitted)
    assert seen.voxel_68 == pytest.approx(68, abs=0.5) and seen.voxel_95 == pytest.approx(95, abs=0.5)


def test_all_targets_and_organs_of_a_validation_case_count_whatever_they_are_called():
    patient = replace(ball_patient(), reference_dose=ball_dose())
    nodes = replace(patient.structures[2], name="PTV54", prescription_gy=54.0)
    lung = replace(patient.structures[5], name="Lung", standard_name="Lung_R")
    case = validation_case(patient.with_structures([*patient.structures, nodes, lung]), ball_dose(2.0), ball_dose(4.0))
    volumes = [len(case.targets), len(case.organs)]
    assert volumes == [3, 4], "70, 56 and 54 Gy; cord, both parotids and the lung"
    assert case.targets[1].size == case.targets[2].size == np.count_nonzero(patient.structures[2].mask.array)
    fitted = fit_calibration([case])
    assert fitted.dvh_95 >= fitted.dvh_68 > 0


def test_a_small_patient_does_not_thin_the_others(fitted):
    small = patient_case(50)
    few = slice(0, 40)
    small = replace(small, mean_gy=small.mean_gy[few], spread_gy=small.spread_gy[few],
                    reference_gy=small.reference_gy[few], targets=[], organs=[np.arange(40)])  # fmt: skip
    with_it = fit_calibration([*(patient_case(seed) for seed in range(8)), small])
    middle = np.array(with_it.sigma_gy)[3:9] / np.array(fitted.sigma_gy)[3:9]
    assert np.median(middle) == pytest.approx(1.0, abs=0.1) and middle.min() > 0.6 and middle.max() < 1.6
    assert np.ptp(np.array(with_it.sigma_gy), axis=1).mean() > 0.7 * np.ptp(np.array(fitted.sigma_gy), axis=1).mean()


def test_without_any_structure_points_are_stated_as_voxels_are():
    cases = [replace(even_case(seed, 1.0), targets=[], organs=[]) for seed in range(3)]
    fitted = fit_calibration(cases)
    assert fitted.dvh_68 == pytest.approx(1.0, abs=0.01) and fitted.dvh_95 == pytest.approx(fitted.voxel_95, rel=0.01)
