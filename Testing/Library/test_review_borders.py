"""Warnings at their borders: where the CT begins, which targets count, small fractions, sides and depths."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from phantom import AXIAL, ball_patient
from test_review import OPENKBP, cropped, dose_gy, ids, ordinary

from DosePredictionLib.patient.beams import OPENKBP_BEAMS, BeamArrangement
from DosePredictionLib.patient.geometry import Geometry
from DosePredictionLib.patient.structure import Structure, StructureRole
from DosePredictionLib.patient.volume import Volume
from DosePredictionLib.review.measures import Body, cut_off_slices_percent, near_skin_percent, target_to_ct_end_mm
from DosePredictionLib.review.review import review_prediction


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
