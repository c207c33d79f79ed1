"""Errors by structure and changes from slice to slice, on doses whose figures are known by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from phantom import AXIAL, ball_patient

from DosePredictionLib.dosimetry.dvh import compute_dvh
from DosePredictionLib.dosimetry.roi_error import roi_errors
from DosePredictionLib.dosimetry.slice_smoothness import roughness_gy, slice_smoothness
from DosePredictionLib.errors import InputError
from DosePredictionLib.patient.geometry import Geometry
from DosePredictionLib.patient.structure import Structure, StructureRole
from DosePredictionLib.patient.volume import Volume


def test_an_error_in_one_structure_is_that_structure_s_alone():
    patient = ball_patient()
    reference = Volume(np.random.default_rng(0).uniform(0, 70, AXIAL.shape).astype(np.float32), AXIAL)
    cord = patient.structures[3].mask.array > 0
    wrong = replace(reference, array=reference.array - 3.0 * cord)
    errors = {one.structure: one for one in roi_errors(patient, wrong, reference)}
    assert list(errors) == ["PTV70", "PTV56", "SpinalCord", "Parotid_L", "Parotid_R"]
    assert errors["SpinalCord"].mae_gy == pytest.approx(3.0, abs=1e-4)
    assert errors["SpinalCord"].mean_difference_gy == pytest.approx(-3.0, abs=1e-4)
    assert errors["SpinalCord"].volume_cc == pytest.approx(cord.sum() * 4 * 4 * 3 / 1000)
    for name in ("PTV70", "Parotid_L", "Parotid_R"):
        assert errors[name].mae_gy == 0.0
    assert not errors["SpinalCord"].is_target and errors["PTV70"].is_target


def test_criteria_are_the_dvh_s_own_figures():
    patient = ball_patient()
    random = np.random.default_rng(1)
    doses = [Volume(random.uniform(0, 70, AXIAL.shape).astype(np.float32), AXIAL) for _ in range(2)]
    errors = {one.structure: one for one in roi_errors(patient, *doses)}
    target = [compute_dvh(dose, patient.structures[1]) for dose in doses]
    criteria = {one.name: one for one in errors["PTV70"].criteria}
    assert list(criteria) == ["D99%", "D95%", "D1%"]
    for name, percent in (("D99%", 99.0), ("D95%", 95.0), ("D1%", 1.0)):
        predicted, clinical = (dvh.dose_at_volume_percent(percent) for dvh in target)
        assert (criteria[name].predicted_gy, criteria[name].reference_gy) == (predicted, clinical)
        assert criteria[name].difference_gy == predicted - clinical
    organ = [compute_dvh(dose, patient.structures[3]) for dose in doses]
    criteria = {one.name: one for one in errors["SpinalCord"].criteria}
    assert criteria["Dmean"].predicted_gy == organ[0].mean_gy
    assert criteria["D0.1cc"].reference_gy == organ[1].dose_at_volume_cc(0.1)


def test_empty_structures_are_passed_over():
    patient = ball_patient()
    empty = replace(patient.structures[3], mask=Volume(np.zeros(AXIAL.shape, np.uint8), AXIAL))
    patient = replace(patient, structures=(*patient.structures[:3], empty))
    dose = Volume(np.ones(AXIAL.shape, np.float32), AXIAL)
    assert [one.structure for one in roi_errors(patient, dose, dose)] == ["PTV70", "PTV56"]


def test_a_steady_gradient_is_smooth_and_one_slice_that_sticks_out_is_not():
    gradient = np.broadcast_to(np.arange(10.0)[:, None, None] * 3, (10, 4, 5))
    region = np.ones((10, 4, 5), bool)
    assert roughness_gy(gradient, region) == pytest.approx(0.0)
    jumping = gradient.copy()
    jumping[5] += 2.0
    # Of eight counted slices two neighbours see 2 Gy each, the slice itself 4 Gy.
    assert roughness_gy(jumping, region) == pytest.approx((2 + 2 + 4) / 8)
    compared = slice_smoothness(jumping, gradient, region)
    assert compared.error_jump_gy == pytest.approx(2 * 2.0 / 9)
    assert np.isnan(compared.ratio)  # the clinical dose has no roughness to compare with


def test_slices_with_errors_of_their_own_are_rougher_than_the_clinical_dose():
    random = np.random.default_rng(2)
    z = np.linspace(0, 3, 40)[:, None, None]
    clinical = 40 + 20 * np.sin(2 * z) * np.ones((40, 8, 8))
    region = np.ones(clinical.shape, bool)
    shifted = slice_smoothness(clinical + 2.0, clinical, region)
    assert shifted.ratio == pytest.approx(1.0) and shifted.error_jump_gy == pytest.approx(0.0, abs=1e-9)
    jumping = slice_smoothness(clinical + random.normal(0, 1, (40, 1, 1)), clinical, region)
    assert jumping.ratio > 3 and jumping.error_jump_gy > 0.5
    blurred = slice_smoothness(np.full_like(clinical, 40.0), clinical, region)
    assert blurred.ratio == 0.0


def test_only_what_lies_in_the_region_counts():
    dose = np.zeros((6, 3, 3))
    dose[3] = 50.0
    region = np.ones(dose.shape, bool)
    region[3] = False
    assert roughness_gy(dose, region) == 0.0
    assert np.isnan(roughness_gy(dose, np.zeros_like(region)))
    with pytest.raises(InputError, match="same grid"):
        slice_smoothness(dose, dose[:-1], region)


def test_an_organ_between_the_centres_of_voxels_is_judged_too():
    """Half a voxel's width of tissue, drawn on a grid four times as fine."""
    fine = Geometry((160, 176, 192), tuple(edge / 4 for edge in AXIAL.spacing_mm), AXIAL.origin_mm)
    drawn = Volume(np.zeros(fine.shape, np.uint8), fine)
    drawn.array[80:84, 90:91, 97:99] = 1
    lens = Structure("Lens L", drawn, StructureRole.OAR, "Lens_L")
    assert not drawn.on_grid(AXIAL, nearest=True).array.any()
    patient = ball_patient().with_structures((*ball_patient().structures, lens))
    reference = Volume(np.random.default_rng(0).uniform(0, 70, AXIAL.shape).astype(np.float32), AXIAL)
    colder = replace(reference, array=reference.array - 2.0)
    errors = {one.structure: one for one in roi_errors(patient, colder, reference)}
    lens_error = errors["Lens_L"]
    assert lens_error.volume_cc == pytest.approx(8 * 4 * 4 * 3 / 64 / 1000)
    assert (lens_error.mae_gy, lens_error.mean_difference_gy) == pytest.approx((2.0, -2.0), abs=1e-4)
    assert lens_error.criteria[1].difference_gy == pytest.approx(-2.0, abs=1e-3)
    beyond = Volume(reference.array[:10], AXIAL.cropped((0, 0, 0), (10, 44, 48)))
    assert "Lens_L" not in [one.structure for one in roi_errors(patient, beyond, beyond)], "nothing to compare with"


def test_an_organ_beside_the_ct_is_not_judged_though_the_clinical_dose_reaches_it():
    """No prediction does: 0 Gy there would be no error of its."""
    x, y, z = AXIAL.origin_mm
    wide = Geometry((60, 44, 48), AXIAL.spacing_mm, (x, y, z - 20 * AXIAL.spacing_mm[2]))
    drawn = Volume(np.zeros(wide.shape, np.uint8), wide)
    drawn.array[2:6, 10:20, 10:20] = 1
    lung = Structure("Lung L", drawn, StructureRole.OAR, "Lung_L")
    patient = ball_patient().with_structures((*ball_patient().structures, lung))
    dose, reference = (Volume(np.full(one.shape, 30.0, np.float32), one) for one in (AXIAL, wide))
    errors = {one.structure: one for one in roi_errors(patient, dose, reference)}
    assert "Lung_L" not in errors and errors["SpinalCord"].mae_gy == 0.0
