"""A patient's scores on its own structures: which organ an error is told of, and what the dose score is divided by."""

from __future__ import annotations

import csv
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from phantom import AXIAL, ball, ball_dose, ball_patient

from DosePredictionLib.cli.score_tables import write_score_tables
from DosePredictionLib.cli.structure_tables import score_structures, write_structure_tables
from DosePredictionLib.dosimetry.openkbp_score import CRITERION_NAMES
from DosePredictionLib.dosimetry.paired_tests import paired_scores
from DosePredictionLib.dosimetry.patient_scores import PatientScores, challenge_masks, score_patient
from DosePredictionLib.dosimetry.roi_error import roi_errors
from DosePredictionLib.dosimetry.scorecard_reading import find_scorecard
from DosePredictionLib.dosimetry.scorecard_scoring import ScorecardResult
from DosePredictionLib.dosimetry.scorecard_table import write_scorecard_csv
from DosePredictionLib.errors import InputError
from DosePredictionLib.patient.structure import Structure, StructureRole
from DosePredictionLib.patient.volume import Volume


@pytest.mark.parametrize(("place", "organ", "other"), [(4, "LeftParotid", "RightParotid"),
                                                       (5, "RightParotid", "LeftParotid"),
                                                       (3, "SpinalCord", "LeftParotid")])  # fmt: skip
def test_an_error_in_one_organ_is_told_of_that_organ(place: int, organ: str, other: str) -> None:
    patient = replace(ball_patient(), reference_dose=ball_dose())
    inside = patient.structures[place].mask.array != 0
    found = score_patient(patient, Volume(ball_dose().array + np.float32(3.0) * inside, AXIAL)).differences
    assert found[f"{organ} mean"] == pytest.approx(3.0, abs=1e-4)
    assert found[f"{organ} D_0.1_cc"] == pytest.approx(3.0, abs=1e-4)
    assert found[f"{other} mean"] == found[f"{other} D_0.1_cc"] == 0.0


@pytest.mark.parametrize("role", [StructureRole.OTHER, StructureRole.IGNORED])
def test_what_was_put_aside_is_no_part_of_an_organ_or_a_target(role: StructureRole) -> None:
    """Another contour of an organ, and one that is merely named as a target is, change no score."""
    patient = replace(ball_patient(), reference_dose=ball_dose())
    aside = [Structure("Parotis links", ball(AXIAL, (20.0, 0.0, 0.0), 15.0), role, "Parotid_L"),
             Structure("PTV63", ball(AXIAL, (20.0, 0.0, 0.0), 15.0), role)]  # fmt: skip
    dose = ball_dose(shift_mm=4.0)
    alone = score_patient(patient, dose)
    beside = score_patient(patient.with_structures([*patient.structures, *aside]), dose)
    assert beside.dose_score == alone.dose_score and beside.facts == alone.facts
    np.testing.assert_array_equal(list(beside.differences.values()), list(alone.differences.values()))


def test_beyond_the_clinical_doses_grid_there_is_nothing_to_score_against() -> None:
    """As where a planning system reckons the dose near the targets alone: no figure is worse for what is not known."""
    patient = replace(ball_patient(), reference_dose=ball_dose())
    part = Volume(ball_dose().array[:, :24], AXIAL.cropped((0, 0, 0), (40, 24, 48)))
    lower = replace(patient, reference_dose=part)
    warmer = Volume(ball_dose().array + np.float32(2.0), AXIAL)
    scores = score_patient(lower, warmer)
    region = challenge_masks(lower)[1]
    assert scores.dose_score == pytest.approx(2.0 * part.array.size / region.sum(), rel=1e-4)
    measured = [value for value in scores.differences.values() if not np.isnan(value)]
    assert measured == pytest.approx([2.0] * len(measured), abs=1e-4)
    assert np.isnan(scores.differences["SpinalCord mean"])  # it lies behind the grid
    for error in roi_errors(lower, warmer, part):
        assert error.mae_gy == pytest.approx(2.0, abs=1e-4)
        for one in error.criteria:  # the outer half of the grid's last voxels has their centres' dose
            assert one.difference_gy == pytest.approx(2.0, abs=0.2), (error.structure, one.name)
    assert "SpinalCord" not in [error.structure for error in roi_errors(lower, warmer, part)]


def test_a_clinical_dose_beside_the_body_is_told_as_that() -> None:
    corner = Volume(ball_dose().array[:4, :4, :4], AXIAL.cropped((0, 0, 0), (4, 4, 4)))
    patient = replace(ball_patient(), reference_dose=corner)
    with pytest.raises(InputError, match="No voxel of the reference dose of .* lies in .*; check that the"):
        score_patient(patient, ball_dose())


def test_targets_of_one_level_are_one() -> None:
    patient = replace(ball_patient(), reference_dose=ball_dose())
    nodes = Structure("Nodes", ball(AXIAL, (-30.0, 0.0, 0.0), 10.0), StructureRole.TARGET, None, 70.0)
    masks, _ = challenge_masks(patient.with_structures([*patient.structures, nodes]))
    both = (patient.structures[1].mask.array != 0) | (nodes.mask.array != 0)
    np.testing.assert_array_equal(masks["PTV70"], both)


def test_the_dose_score_is_over_the_dose_region_where_the_data_have_one() -> None:
    """The error of 2 Gy in 100 voxels over the voxels of the possible-dose mask; without one over those of the body."""
    patient = replace(ball_patient(), reference_dose=ball_dose())
    body = int(np.count_nonzero(patient.structures[0].mask.array))
    region = ball(AXIAL, (0.0, 0.0, 0.0), 50.0)
    wrong = ball_dose().array.copy()
    wrong[20, 20:30, 20:30] += 2.0
    assert score_patient(patient, Volume(wrong, AXIAL)).dose_score == pytest.approx(200.0 / body, rel=1e-4)
    with_region = replace(patient, structures=(
        *patient.structures, Structure("possible_dose_mask", region, StructureRole.DOSE_REGION),
    ))  # fmt: skip
    score = score_patient(with_region, Volume(wrong, AXIAL)).dose_score
    assert score == pytest.approx(200.0 / np.count_nonzero(region.array), rel=1e-4)


def test_figures_that_nothing_defines_are_empty_cells_which_are_read_again(tmp_path: Path) -> None:
    """A clinical dose that changes nowhere, a patient without the challenge's structures, a card without rows."""
    body = [one for one in ball_patient().structures if one.role is StructureRole.EXTERNAL]
    flat = Volume(np.full(AXIAL.shape, 2.0, np.float32), AXIAL)
    patient = replace(ball_patient().with_structures(body), reference_dose=flat)
    scores = PatientScores("flat", 1.5, dict.fromkeys(CRITERION_NAMES, math.nan), math.nan)
    write_score_tables([scores], {}, "flat", tmp_path)
    write_structure_tables([score_structures(patient, body[0].mask.array != 0, ball_dose())], tmp_path)
    write_scorecard_csv(ScorecardResult(find_scorecard("lung"), ()), tmp_path / "card.csv")
    for table in ("scores.csv", "slices.csv", "card.csv"):
        assert "nan" not in (tmp_path / table).read_text().lower()
    (row,) = csv.DictReader((tmp_path / "slices.csv").open())
    assert row["roughness_ratio"] == "" and float(row["roughness_reference_gy"]) == 0.0
    patients = {one.figure: one.patients for one in paired_scores(tmp_path, tmp_path)}
    assert patients["dose_score"] == 1 and patients["dvh_score"] == patients["roughness_ratio"] == 0
