"""Scorecards: reading PlanScoreCard's files, finding structures, and what doses earn."""

from __future__ import annotations

import csv
import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from DosePredictionLib.cli.main import main
from DosePredictionLib.dosimetry.scorecard import ScorePoint, ScoreTemplate
from DosePredictionLib.dosimetry.scorecard_reading import bundled_scorecards, find_scorecard, read_scorecard
from DosePredictionLib.dosimetry.scorecard_scoring import score_dose
from DosePredictionLib.dosimetry.scorecard_structure import structure_of
from DosePredictionLib.dosimetry.scorecard_table import PatientTotal
from DosePredictionLib.dosimetry.structure_expression import NotThereError
from DosePredictionLib.errors import InputError
from DosePredictionLib.patient.geometry import Geometry
from DosePredictionLib.patient.patient import Patient
from DosePredictionLib.patient.structure import Structure, StructureRole
from DosePredictionLib.patient.volume import Volume

GRID = Geometry((20, 100, 100), (1.0, 1.0, 1.0))
#: Slabs of 10 cc a slice, and the dose in them.
SLABS = {"PTV70": (0, 5, 70.0), "PTV56": (5, 10, 56.0), "Cord": (10, 12, 47.0), "Lt parotid": (12, 16, 24.0)}
SAMPLE = Path(__file__).resolve().parents[2] / "Resources" / "SampleData" / "openkbp-pt_236"


def slab(first: int, last: int) -> Volume:
    inside = np.zeros(GRID.shape, np.uint8)
    inside[first:last] = 1
    return Volume(inside, GRID)


def patient(body: bool = True) -> Patient:
    target, oar = StructureRole.TARGET, StructureRole.OAR
    structures = [
        Structure("PTV70", slab(0, 5), target, None, 70.0),
        Structure("PTV56", slab(5, 10), target, None, 56.0),
        Structure("Cord", slab(10, 12), oar, "SpinalCord"),
        Structure("Lt parotid", slab(12, 16), oar, "Parotid_L"),
    ]
    if body:
        structures.append(Structure("Skin", slab(0, 20), StructureRole.EXTERNAL, "External"))
    return Patient("slabs", GRID, None, tuple(structures))


def dose(**warmer: float) -> Volume:
    array = np.full(GRID.shape, 10.0, np.float32)
    for first, last, gray in SLABS.values():
        array[first:last] = gray
    for place, gray in warmer.items():
        array[int(place[1:])] = gray
    return Volume(array, GRID)


def template(name: str, metric: str, value=0.0, unit_in=None, unit_out="Gy", points=((0, 0), (100, 100)), **more):
    return {
        "Structure": {"StructureId": name, "TemplateStructureId": name, **more.pop("structure", {})},
        "MetricType": metric, "InputValue": value, "InputUnit": unit_in, "OutputUnit": unit_out,
        "ScorePoints": [{"PointX": x, "Score": y, "Variation": False, "Colors": [0, 0, 0]} for x, y in points],
        "Rank": 1, **more,
    }  # fmt: skip


def card(tmp_path, *templates, **head):
    path = tmp_path / "card.json"
    path.write_text(json.dumps({"TemplateName": "test", "ScoreTemplates": templates, **head}), encoding="utf-8")
    return read_scorecard(path)


def value(tmp_path, entry, who=None, what=None):
    (row,) = score_dose(card(tmp_path, entry), who or patient(), what or dose()).rows
    return row.value if row.counts else row.reason


# The metrics, on doses whose figures can be told by hand


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        (template("PTV70", "DoseAtVolume", 95.0, "%"), 70.0),
        (template("PTV70", "DoseAtVolume", 95.0, "%", "%"), 100.0),
        (template("Cord", "DoseAtVolume", 0.03, "CC"), 47.0),
        (template("Cord", "DoseAtVolume", 0.03, "CC", "cGy"), 47.0),
        (template("Skin", "DoseAtVolume", 25.0, "%"), 63.0),  # between PTV70 and PTV56
        (template("Skin", "VolumeAtDose", 56.0, "Gy", "%"), 50.0),
        (template("Skin", "VolumeAtDose", 5600.0, "cGy", "CC"), 100.0),
        (template("Skin", "VolumeAtDose", 80.0, "%", "cc"), 100.0),  # 80 % of 70 Gy
        (template("PTV70", "VolumeOfRegret", 40.0, "Gy", "cc"), 70.0),
        (template("PTV70", "VolumeOfRegret", 40.0, "Gy", "%"), 60.0 - 100.0),
        (template("PTV70", "ConformationNumber", 56.0, "Gy", None), 50.0**2 / (50.0 * 100.0)),
        (template("PTV70", "ConformationNumber", 70.0, "Gy", "%"), 1.0),
        (template("Skin", "MeanDose"), (5 * 70 + 5 * 56 + 2 * 47 + 4 * 24 + 4 * 10) / 20),
        (template("Skin", "MaxDose"), 70.0),
        (template("Skin", "MaxDose", unit_out="%"), 100.0),
        (template("Skin", "MinDose"), 10.0),
        # All but the coldest 60 cc get 24 Gy and more; the border lies between 24 and 47 Gy at 80 cc.
        (template("Skin", "DoseAtSubVolume", 60.0, "CC"), 24.0),
        (template("Skin", "DoseAtSubVolume", 90.0, "CC"), 47.0),
        (template("Skin", "HomogeneityIndex", 0.0, None, None, HI_HiValue=2.0, HI_LowValue=98.0, HI_Target=70.0,
                  HI_TargetUnit="Gy"), 60.0 / 70.0),
        (template("Skin", "HomogeneityIndex", 0.0, None, None, HI_HiValue=2.0, HI_LowValue=98.0, HI_Target=100.0,
                  HI_TargetUnit="%"), 60.0 / 70.0),
    ],
)  # fmt: skip
def test_metrics(tmp_path, entry, expected):
    assert value(tmp_path, entry) == pytest.approx(expected, rel=2e-3)


def test_percentages_are_of_the_patients_prescription_whatever_the_card_was_made_for(tmp_path):
    entry = template("Skin", "VolumeAtDose", 78.0, "%", "cc")  # 54.6 Gy of 70, 46.8 Gy of 60
    made_for_60 = card(tmp_path, entry, DosePerFraction=2.0, NumberOfFractions=30)
    (row,) = score_dose(made_for_60, patient(), dose()).rows
    assert row.value == pytest.approx(100.0, rel=2e-3)


def test_regret_counts_what_lies_outside_the_structure(tmp_path):
    """120 cc get 40 Gy, none of them in the parotid."""
    entry = template("Lt parotid", "VolumeOfRegret", 40.0, "Gy", "cc")
    assert value(tmp_path, entry) == pytest.approx(120.0, rel=2e-3)


def test_what_lies_outside_the_doses_grid_is_left_out_and_parts_of_it_are_told(tmp_path):
    entries = [template(name, "MaxDose", points=((0, 10), (80, 0))) for name in ("PTV70", "PTV56", "Cord")]
    short = Volume(dose().array[:8], GRID.cropped((0, 0, 0), (8, 100, 100)))
    result = score_dose(card(tmp_path, *entries), patient(), short)
    assert [row.counts for row in result.rows] == [True, True, False]
    assert result.rows[2].reason == "Left out because Cord lies wholly outside the dose's grid."
    assert result.remarks == ("40.0 % of PTV56 lies outside the dose and counts as 0 Gy.",)
    assert result.maximum == 20.0


def test_a_dose_that_is_reached_nowhere_conforms_to_nothing(tmp_path):
    assert value(tmp_path, template("PTV70", "ConformationNumber", 90.0, "Gy", None)) == 0.0


def test_without_a_body_all_of_the_dose_counts_for_conformation(tmp_path):
    entry = template("PTV70", "ConformationNumber", 56.0, "Gy", None)
    assert value(tmp_path, entry, patient(body=False)) == pytest.approx(0.5, rel=1e-2)


def test_scores_are_linear_between_points_and_level_beyond():
    points = (ScorePoint(20.0, 8.0), ScorePoint(26.0, 6.0), ScorePoint(40.0, 0.0))
    row = ScoreTemplate("Parotid_L", "", "", None, "MeanDose", 0.0, "", "Gy", points)
    assert [row.score(x) for x in (5.0, 20.0, 23.0, 26.0, 33.0, 40.0, 80.0)] == [8.0, 8.0, 7.0, 6.0, 3.0, 0.0, 0.0]
    assert row.maximum == 8.0


def test_sums_leave_out_what_is_missing_and_say_so(tmp_path):
    scored = score_dose(
        card(
            tmp_path,
            template("Cord", "DoseAtVolume", 0.03, "CC", points=[(45, 10), (49, 0)]),
            template("Brainstem", "MeanDose", points=[(30, 5), (60, 0)]),
            template("PTV70", "GradientOfGlory", points=[(0, 1), (1, 0)]),
            DosePerFraction=2.0, NumberOfFractions=30,
        ), patient(), dose(),
    )  # fmt: skip
    assert scored.score == pytest.approx(5.0, abs=0.01) and scored.maximum == 10.0
    assert scored.percent == pytest.approx(50.0, abs=0.1) and scored.scorecard.maximum == 16.0
    assert [row.counts for row in scored.rows] == [True, False, False]
    assert scored.rows[1].reason == "Left out because the patient has no Brainstem."
    assert "GradientOfGlory is not known" in scored.rows[2].reason
    assert scored.remarks == ("The card was made for a prescription of 60 Gy, and this patient's is 70 Gy.",)


def test_a_better_dose_scores_higher():
    bundled = find_scorecard("head-and-neck")
    plain = score_dose(bundled, patient(), dose())
    cold = score_dose(bundled, patient(), dose(z0=60.0, z1=60.0))
    spared = score_dose(bundled, patient(), dose(z10=30.0, z11=30.0))
    assert cold.percent < plain.percent < spared.percent


# Which structure is meant


@pytest.mark.parametrize(
    ("name", "more", "found"),
    [
        ("cord", {}, "Cord"),
        ("SpinalCord", {}, "Cord"),
        ("Spinal Cord", {}, "Cord"),
        ("Left Parotid", {}, "Lt parotid"),
        ("PTV_5600", {}, "PTV56"),
        ("Something", {"TemplateStructureId": "Lt parotid"}, "Lt parotid"),
        ("PTV_High", {}, "PTV70"),
    ],
)
def test_structures_are_found_by_what_names_mean(tmp_path, name, more, found):
    (row,) = card(tmp_path, template(name, "MeanDose", structure=more)).templates
    assert structure_of(row, patient()).name == found


def test_formulas_make_structures(tmp_path):
    def made(formula):
        (row,) = card(tmp_path, template("made", "MeanDose", structure={"StructureComment": formula})).templates
        structure = structure_of(row, patient())
        assert structure.name == "made"
        array = structure.mask.array.astype(float)
        return array.sum() * structure.mask.geometry.voxel_volume_cc

    assert made("{<PTV70>} OR {<PTV56>}") == pytest.approx(100.0)
    assert made("{<PTV70> OR <PTV56>} SUB {<PTV56>}") == pytest.approx(50.0)
    assert made("{<Skin>} AND {<Cord>}") == pytest.approx(20.0)
    ring = made("{<PTV56>|3} SUB {<PTV56>|1}")
    # 2 mm over both faces and the four sides, and quarters of a ring along the edges.
    assert ring == pytest.approx(40.0 + 4.0 + 0.82 * np.pi / 4 * (3**2 - 1**2), rel=0.03)
    assert made("{<Skin>|-4} AND {<PTV70>}") == pytest.approx(9.2**2 * 0.1, rel=0.02)
    with pytest.raises(NotThereError, match="no voxel in"):
        made("{<PTV70> SUB {<PTV70>}}|5")
    with pytest.raises(NotThereError, match="no CTV"):
        made("{<PTV70>} SUB {<CTV>}")
    with pytest.raises(NotThereError, match="formula"):
        made("{<PTV70>} SUB")


# Files


def test_the_bundled_cards_are_whole_and_sourced():
    assert bundled_scorecards() == ["head-and-neck", "lung"]
    for name in bundled_scorecards():
        bundled = find_scorecard(name)
        assert bundled.prescription_gy in (60.0, 70.0)
        for row in bundled.templates:
            assert row.metric is not None and row.comment and len(row.points) >= 3
            scores = [point.score for point in row.points]
            assert min(scores) == 0 and (scores == sorted(scores) or scores == sorted(scores, reverse=True))
            assert row.score(row.points[0].value - 1e3) in (0.0, row.maximum)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"MetricType": None}, 'has no "MetricType"'),
        ({"Structure": {"StructureId": ""}}, "names no structure"),
        ({"Structure": "Cord"}, 'has no "Structure"'),
        ({"InputUnit": "furlong"}, "InputUnit 'furlong'; use Gy, cGy, % or cc"),
        ({"OutputUnit": "cc"}, "cannot have the OutputUnit 'cc'"),
        ({"InputValue": "many"}, "\"InputValue\" = 'many'; give a number"),
        ({"ScorePoints": []}, 'has no "ScorePoints"'),
        ({"ScorePoints": [{"PointX": 1}]}, '"Score" = None; give a number'),
        ({"ScorePoints": [{"PointX": 1, "Score": 2}] * 2}, "two score points at 1"),
    ],
)
def test_broken_cards_are_explained(tmp_path, change, complaint):
    with pytest.raises(InputError) as caught:
        card(tmp_path, {**template("Cord", "DoseAtVolume", 5.0, "%"), **change})
    assert complaint in str(caught.value) and "emplate 1" in str(caught.value)


def test_files_that_are_no_cards_are_explained(tmp_path):
    for text, complaint in (("{", "not valid JSON at line 1"), ('{"a": 1}', "is no scorecard")):
        (tmp_path / "x.json").write_text(text)
        with pytest.raises(InputError, match=complaint):
            read_scorecard(tmp_path / "x.json")
    with pytest.raises(InputError, match="Cannot read"):
        read_scorecard(tmp_path / "none.json")
    with pytest.raises(InputError, match="choose one of head-and-neck, lung"):
        find_scorecard("neck")


def test_the_command_scores_the_sample_patient(tmp_path, capsys):
    assert main(["scorecard", str(SAMPLE), "-o", str(tmp_path / "card.csv")]) == 0
    printed = capsys.readouterr().out
    assert printed.splitlines()[-1] == "Research use, not for clinical decisions."
    assert "SpinalCord" in printed and "Cavity_Oral-PTV Dmean [Gy]: Left out" in printed
    rows = list(csv.DictReader(open(tmp_path / "card.csv", encoding="utf-8")))
    total = rows.pop()
    counted = [float(row["score"]) for row in rows if row["score"]]
    assert float(total["score"]) == pytest.approx(sum(counted), abs=0.01)
    assert 50 < float(total["value"]) < 95  # a clinical plan of the challenge
    assert main(["scorecard", str(SAMPLE), "--dose", str(SAMPLE / "dose.nrrd"), "--scorecard", "neck"]) == 2


def test_the_command_scores_many_predictions(tmp_path, capsys):
    import shutil

    doses = tmp_path / "doses" / SAMPLE.name
    doses.mkdir(parents=True)
    shutil.copy(SAMPLE / "dose.nrrd", doses / "dose.nrrd")
    arguments = ["scorecard", str(SAMPLE.parent), "--predictions", str(tmp_path / "doses")]
    assert main([*arguments, "-o", str(tmp_path / "cards.csv")]) == 0
    printed = capsys.readouterr().out
    assert "1 patients: " in printed and printed.endswith("\nResearch use, not for clinical decisions.\n")
    one, mean = csv.DictReader(open(tmp_path / "cards.csv", encoding="utf-8"))
    assert one["patient"] == SAMPLE.name and one["scorecard_percent"] == mean["scorecard_percent"]
    # The patient's own dose was the prediction.
    assert 50 < float(mean["scorecard_percent"]) < 95 and mean["reference_percent"] == mean["scorecard_percent"]


def test_evaluate_scores_on_a_card_and_significance_compares_two(tmp_path, capsys):
    import SimpleITK as sitk

    for name, factor in (("own", 1.0), ("hotter", 1.1)):
        (tmp_path / name).mkdir()
        dose = sitk.ReadImage(str(SAMPLE / "dose.nrrd")) * factor
        sitk.WriteImage(dose, str(tmp_path / name / f"{SAMPLE.name}.nrrd"))
        arguments = ["evaluate", str(SAMPLE.parent), "--predictions", str(tmp_path / name)]
        assert main([*arguments, "--scorecard", "head-and-neck", "-o", str(tmp_path / f"{name}-scores")]) == 0
    assert "their own doses" in capsys.readouterr().out
    own, hotter = (next(csv.DictReader(open(tmp_path / f"{name}-scores" / "scorecard.csv", encoding="utf-8")))
                   for name in ("own", "hotter"))  # fmt: skip
    assert own["scorecard_percent"] == own["reference_percent"] == hotter["reference_percent"]
    assert float(hotter["scorecard_percent"]) < float(own["scorecard_percent"])
    assert main(["significance", str(tmp_path / "own-scores"), str(tmp_path / "hotter-scores")]) == 0
    assert "scorecard_percent" in capsys.readouterr().out
    assert main([*arguments, "--scorecard", "neck", "-o", str(tmp_path / "nothing")]) == 2
    assert not (tmp_path / "nothing").exists()


def test_a_patients_percents_are_of_the_same_rows(tmp_path):
    """The reference's grid ends before the cord: its percent is of the target alone, and so is the dose's."""
    two = card(tmp_path, template("PTV70", "MeanDose"), template("Cord", "MeanDose"))
    who, whole = patient(), dose()
    short = Volume(whole.array[:8], GRID.cropped((0, 0, 0), (8, 100, 100)))
    alone = PatientTotal.of(two, who, whole)
    assert math.isnan(alone.reference_percent) and (alone.percent, alone.maximum) == (pytest.approx(58.5), 200)
    for predicted, reference in ((whole, short), (short, whole)):
        total = PatientTotal.of(two, replace(who, reference_dose=reference), predicted)
        assert (total.percent, total.reference_percent) == pytest.approx((70.0, 70.0)) and total.maximum == 100


def test_an_ignored_structure_is_missing(tmp_path):
    who = patient()
    ignored = replace(who, structures=tuple(replace(s, role=StructureRole.IGNORED) if s.name == "Cord" else s
                                            for s in who.structures))  # fmt: skip
    assert "no Cord" in value(tmp_path, template("Cord", "MeanDose"), ignored)
