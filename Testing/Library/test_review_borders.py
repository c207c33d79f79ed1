"""Warnings at their borders: where the CT begins, which targets count, small fractions, sides and depths."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
from phantom import AXIAL, ball, ball_patient
from test_review import OPENKBP, cropped, dose_gy, ids, ordinary

from DosePredictionLib.patient.beams import OPENKBP_BEAMS, BeamArrangement
from DosePredictionLib.patient.geometry import Geometry
from DosePredictionLib.patient.patient import Patient
from DosePredictionLib.patient.structure import Structure, StructureRole
from DosePredictionLib.patient.volume import Volume
from DosePredictionLib.report.sections import warnings_section
from DosePredictionLib.review.measures import Body, cut_off_slices_percent, near_skin_percent, target_to_ct_end_mm
from DosePredictionLib.review.review import review_prediction
from DosePredictionLib.review.review_warning import ReviewWarning


def test_a_ct_that_begins_too_late() -> None:
    # The lowest target voxel lies at z = -28.5 mm, the first slice now at -34.5 mm.
    late = cropped(ordinary(), (8, 0, 0), (32, 44, 48))
    assert target_to_ct_end_mm(late) == pytest.approx(6.0)
    (warning,) = review_prediction(late, dose_gy(), trained_on=OPENKBP)
    assert warning.id == "ct-truncated" and "the CT ends 6 mm from a target" in warning.text


def test_the_slices_of_every_target_count() -> None:
    # The body touches the edge below z = -15 mm only, where the larger target lies and the highest doesn't.
    inside = np.ones(AXIAL.shape, bool)
    inside[15:, [0, -1]] = inside[15:, :, [0, -1]] = False
    body = Body(inside, AXIAL, np.ones(AXIAL.shape, bool))
    assert cut_off_slices_percent(ordinary(), body, 20.0) == pytest.approx(25.0), "5 of 20 slices"


def test_small_fractions_are_told_too() -> None:
    assert ids(replace(ordinary(), fractions=60)) == ["fractionation-unseen"]


def test_a_couch_at_360_degrees_is_not_turned() -> None:
    whole_turn = BeamArrangement(tuple(replace(beam, couch_deg=360.0) for beam in OPENKBP_BEAMS.beams))
    assert ids(replace(ordinary(), beams=whole_turn)) == []


def test_sides_are_told_by_each_other_wherever_the_origin_lies() -> None:
    x, y, z = AXIAL.origin_mm
    away = Geometry(AXIAL.shape, AXIAL.spacing_mm, (x + 300.0, y, z))
    patient = replace(ball_patient(away, (300.0, 0.0, 0.0)), technique="IMRT")
    dose = Volume(dose_gy().array, away)
    assert ids(patient, dose) == []
    names = {"Parotid_L": "Parotid_R", "Parotid_R": "Parotid_L"}
    swapped = patient.with_structures(
        replace(s, standard_name=names.get(s.standard_name or "", s.standard_name)) for s in patient.structures
    )
    assert ids(swapped, dose) == ["sides-swapped"]


def test_depth_below_the_skin_is_that_of_voxel_centres() -> None:
    # Columns of 4 mm: the first five of the body lie 2, 6, 10, 14, 18 mm deep.
    inside, target = np.zeros(AXIAL.shape, bool), np.zeros(AXIAL.shape, np.uint8)
    inside[:, :, 10:] = True
    target[15:25, 15:25, 10:15] = 1
    body = Body(inside, AXIAL, np.ones(AXIAL.shape, bool))
    structure = Structure("PTV70", Volume(target, AXIAL), StructureRole.TARGET, None, 70.0)
    found = [near_skin_percent(structure, body, within_mm) for within_mm in (1.0, 3.0, 7.0, 11.0)]
    assert found == pytest.approx([0.0, 20.0, 40.0, 60.0])


def ball_shaped_dose(patient: Patient, gray: float) -> Volume:
    """The ordinary dose, one dose everywhere in the highest target."""
    dose = dose_gy()
    dose.array[patient.targets[0].mask.array > 0] = gray
    return dose


@pytest.mark.parametrize(("gray", "shown"), [(66.498, "66.498"), (66.46, "66.46"), (66.44, "66.4"), (60.0, "60.0")])
def test_a_target_just_below_its_share_is_told_with_a_dose_that_is_below_it(gray: float, shown: str) -> None:
    """95 % of 70 Gy are 66.5 Gy."""
    found = review_prediction(ordinary(), ball_shaped_dose(ordinary(), gray), trained_on=OPENKBP)
    (warning,) = [warning for warning in found if warning.id == "target-underdosed"]
    assert f"less than 95 % of its prescription: PTV70 {shown} of 70 Gy" in warning.text
    assert f"PTV70 median {gray:g} Gy" in page_of(warning)


@pytest.mark.parametrize("prescribed_gy", [63.0, 66.0, 70.0])
def test_a_target_at_its_share_is_not_below_it(prescribed_gy: float) -> None:
    """Single precision holds 59.85 Gy, 95 % of 63 Gy, as 59.849998."""
    patient = ordinary().with_structures(
        replace(s, prescription_gy=prescribed_gy) if s.name == "PTV70" else s for s in ordinary().structures
    )
    assert "target-underdosed" not in ids(patient, ball_shaped_dose(patient, 0.95 * prescribed_gy))


def page_of(warning: ReviewWarning) -> str:
    """As the report shows it, without markup."""
    return re.sub("<[^>]*>", " ", warnings_section(ordinary(), [warning], []))


def test_a_hot_spot_just_above_its_level_is_told_with_a_dose_that_reaches_it() -> None:
    patient = ordinary().with_structures(
        replace(s, prescription_gy=70.04) if s.name == "PTV70" else s for s in ordinary().structures
    )
    spread = dose_gy()
    spread.array[ball(AXIAL, (-45.0, 20.0, 0.0), 12.0).array > 0] = 70.042
    found = review_prediction(patient, spread, trained_on=OPENKBP)
    (warning,) = [warning for warning in found if warning.id == "hot-spot-outside-targets"]
    assert "at 70.04 Gy or more" in warning.text and "Its maximum is 70.04 Gy" in warning.explanation
    assert float(warning.evidence["maximum_gy"]) >= 70.04


def test_an_uncertainty_just_above_the_usual_one_is_told_so_in_figures() -> None:
    unsure = Volume(np.full(AXIAL.shape, 0.7 * 6.5834, np.float32), AXIAL)
    found = review_prediction(ordinary(), dose_gy(), unsure, trained_on=OPENKBP, unusual_percent=6.583)
    (warning,) = [warning for warning in found if warning.id == "uncertainty-high"]
    assert float(warning.evidence["mean_std_percent"]) >= float(warning.evidence["threshold_percent"])


def test_a_ct_that_ends_just_too_early_is_told_so_in_figures() -> None:
    """Five slices beyond the targets, a little less than 3 mm apart."""
    x, y, z = AXIAL.spacing_mm
    tight = Geometry(AXIAL.shape, (x, y, 2.995), AXIAL.origin_mm)
    late = cropped(replace(ball_patient(tight), technique="IMRT"), (5, 0, 0), (35, 44, 48))
    assert 14.95 < target_to_ct_end_mm(late) < 15.0
    (warning,) = [w for w in review_prediction(late, Volume(dose_gy().array, tight), trained_on=OPENKBP)
                  if w.id == "ct-truncated"]  # fmt: skip
    assert float(warning.evidence["target_to_ct_end_mm"]) < float(warning.evidence["threshold_mm"])
