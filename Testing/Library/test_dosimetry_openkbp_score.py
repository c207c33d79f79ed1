"""The OpenKBP scores against a second implementation, written from the published definition alone.

The definition (Babier et al., Med. Phys. 48, 2021, and the challenge's published evaluation): dose score: absolute
differences summed over all voxels, divided by the number of voxels of the possible-dose mask, averaged over patients.
DVH score: absolute differences of D_0.1_cc and mean of each organ, D_99, D_95 and D_1 of each target, averaged over all
that exist. D_0.1_cc is the dose at the percentile 100 - 100 n / N with n the whole number of voxels nearest to 0.1 cc,
at least one; percentiles between two voxels are interpolated linearly with the first voxel at 0 and the last at 100.
"""

from __future__ import annotations

import math

import numpy as np
import pytest

from DosePredictionLib.dosimetry.openkbp_score import (
    CRITERION_NAMES,
    dose_score,
    dvh_criteria,
    dvh_differences,
    dvh_score,
)
from DosePredictionLib.errors import InputError
from DosePredictionLib.patient.openkbp_patient import OPENKBP_STRUCTURES

SHAPE = (24, 20, 22)
SPACING_MM = (3.906, 3.906, 2.5)


def definition_percentile(doses: list[float], percentile: float) -> float:
    ordered = sorted(doses)
    place = (len(ordered) - 1) * percentile / 100.0
    below = math.floor(place)
    if below + 1 >= len(ordered):
        return ordered[-1]
    return ordered[below] + (place - below) * (ordered[below + 1] - ordered[below])


def definition_criteria(dose: np.ndarray, masks: dict[str, np.ndarray], spacing: tuple[float, ...]) -> dict[str, float]:
    voxel_mm3 = spacing[0] * spacing[1] * spacing[2]
    tenth_cc = max(1, round(100.0 / voxel_mm3))
    cells = {}
    for name, mask in masks.items():
        doses = [float(d) for d, m in zip(dose.ravel(), mask.ravel(), strict=True) if m]
        if not doses:
            continue
        if name.startswith("PTV"):
            cells[f"{name} D_99"] = definition_percentile(doses, 1.0)
            cells[f"{name} D_95"] = definition_percentile(doses, 5.0)
            cells[f"{name} D_1"] = definition_percentile(doses, 99.0)
        else:
            cells[f"{name} D_0.1_cc"] = definition_percentile(doses, 100.0 - 100.0 * tenth_cc / len(doses))
            cells[f"{name} mean"] = math.fsum(doses) / len(doses)
    return cells


def make_patient(seed: int, names: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray, np.ndarray, dict[str, np.ndarray]]:
    """Reference, prediction, possible-dose mask and structures of a made-up patient."""
    rng = np.random.default_rng(seed)
    z, y, x = np.meshgrid(*[np.linspace(-1, 1, n) for n in SHAPE], indexing="ij")
    possible = x**2 + y**2 + z**2 < 0.9
    reference = np.where(possible, 70.0 * np.exp(-2.0 * (x**2 + y**2 + z**2)) + rng.normal(0, 0.5, SHAPE), 0.0)
    predicted = np.where(possible, reference + rng.normal(0.3, 3.0, SHAPE), 0.0)
    predicted[0, 0, 0] = 2.0  # dose where none can be: it counts too
    masks = {}
    for name in names:
        centre, radii = rng.uniform(-0.4, 0.4, 3), rng.uniform(0.15, 0.5, 3)
        masks[name] = sum(((a - c) / r) ** 2 for a, c, r in zip((z, y, x), centre, radii, strict=True)) < 1.0
        assert masks[name].sum() > 20
    return reference, predicted, possible, masks


PATIENTS = [
    make_patient(1, OPENKBP_STRUCTURES),
    make_patient(2, ("Brainstem", "LeftParotid", "Mandible", "PTV70")),
    make_patient(3, ("SpinalCord", "PTV56", "PTV63", "PTV70")),
]


@pytest.mark.parametrize("spacing", [SPACING_MM, (2.0, 2.0, 2.0), (5.0, 5.0, 5.0)])
def test_criteria_agree_with_the_definition(spacing: tuple[float, float, float]) -> None:
    for reference, _, _, masks in PATIENTS:
        ours = dvh_criteria(reference, masks, spacing)
        expected = definition_criteria(reference, masks, spacing)
        assert set(ours) == set(CRITERION_NAMES)
        assert {name for name, value in ours.items() if not math.isnan(value)} == set(expected)
        for name, value in expected.items():
            assert ours[name] == pytest.approx(value, abs=1e-9), name


def test_scores_agree_with_the_definition() -> None:
    dose_errors, cells = [], []
    for reference, predicted, possible, masks in PATIENTS:
        absolute = [abs(float(a) - float(b)) for a, b in zip(reference.ravel(), predicted.ravel(), strict=True)]
        dose_errors.append(math.fsum(absolute) / int(possible.sum()))
        assert dose_score(predicted, reference, possible) == pytest.approx(dose_errors[-1], abs=1e-9)
        of_reference = definition_criteria(reference, masks, SPACING_MM)
        of_predicted = definition_criteria(predicted, masks, SPACING_MM)
        cells += [abs(of_reference[name] - of_predicted[name]) for name in of_reference]
    differences = [
        dvh_differences(predicted, reference, masks, SPACING_MM) for reference, predicted, _, masks in PATIENTS
    ]
    assert dvh_score(differences) == pytest.approx(math.fsum(cells) / len(cells), abs=1e-9)
    assert len(cells) == 23 + 9 + 11


def test_dvh_score_weighs_cells_not_patients() -> None:
    nan = float("nan")
    assert dvh_score([{"a": 1.0, "b": 2.0, "c": 3.0}, {"a": 10.0, "b": nan, "c": nan}]) == pytest.approx(4.0)
    assert math.isnan(dvh_score([{"a": nan}]))
    assert math.isnan(dvh_score([]))


def test_known_values() -> None:
    """101 voxels of 0, 1, ... 100 Gy and 10 mm3: the percentiles are the doses, 0.1 cc is ten voxels."""
    dose = np.arange(101.0).reshape(101, 1, 1)
    masks = {"Brainstem": np.ones(dose.shape, np.uint8), "PTV70": np.ones(dose.shape, bool)}
    criteria = dvh_criteria(dose, masks, (2.5, 2.0, 2.0))
    assert criteria["PTV70 D_99"] == pytest.approx(1.0)
    assert criteria["PTV70 D_95"] == pytest.approx(5.0)
    assert criteria["PTV70 D_1"] == pytest.approx(99.0)
    assert criteria["Brainstem mean"] == pytest.approx(50.0)
    assert criteria["Brainstem D_0.1_cc"] == pytest.approx(100.0 - 1000.0 / 101)


def test_precision_of_the_stored_dose_does_not_matter() -> None:
    """float32 arrays, as predictions are kept, score within 1e-6 Gy of the challenge's double precision."""
    reference, predicted, possible, masks = PATIENTS[0]
    single = predicted.astype(np.float32)
    exact = single.astype(np.float64)
    assert dose_score(single, reference, possible) == pytest.approx(dose_score(exact, reference, possible), abs=1e-6)
    ours, expected = dvh_criteria(single, masks, SPACING_MM), definition_criteria(exact, masks, SPACING_MM)
    assert all(ours[name] == pytest.approx(value, abs=1e-6) for name, value in expected.items())


def test_organ_of_less_than_a_tenth_cc_gives_its_minimum() -> None:
    dose = np.array([[[3.0, 1.0, 2.0, 50.0]]])
    criteria = dvh_criteria(dose, {"Larynx": np.array([[[1, 1, 1, 0]]])}, (1.0, 1.0, 1.0))
    assert (criteria["Larynx D_0.1_cc"], criteria["Larynx mean"]) == (1.0, 2.0)


def test_missing_empty_and_unknown_structures() -> None:
    reference, predicted, _, masks = PATIENTS[1]
    empty = {**masks, "Larynx": np.zeros(SHAPE, bool), "Thyroid": np.ones(SHAPE, bool)}
    np.testing.assert_equal(
        dvh_differences(predicted, reference, empty, SPACING_MM),
        dvh_differences(predicted, reference, masks, SPACING_MM),
    )
    assert math.isnan(dvh_criteria(reference, empty, SPACING_MM)["Larynx mean"])


def test_bad_input_is_refused() -> None:
    reference, predicted, possible, masks = PATIENTS[0]
    spoiled = predicted.copy()
    spoiled[3, 3, 3] = np.nan
    with pytest.raises(InputError, match="predicted dose holds values that are not numbers"):
        dose_score(spoiled, reference, possible)
    with pytest.raises(InputError, match="dose holds values that are not numbers"):
        dvh_criteria(spoiled, masks, SPACING_MM)
    with pytest.raises(InputError, match="predicted dose is .* but the reference dose is"):
        dose_score(predicted[1:], reference, possible)
    with pytest.raises(InputError, match="possible-dose mask is"):
        dose_score(predicted, reference, possible[1:])
    with pytest.raises(InputError, match="possible-dose mask is empty"):
        dose_score(predicted, reference, np.zeros(SHAPE, bool))
    with pytest.raises(InputError, match="mask of Brainstem is"):
        dvh_criteria(predicted, {"Brainstem": masks["Brainstem"][1:]}, SPACING_MM)
