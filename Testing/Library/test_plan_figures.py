"""The figures of papers, the tests between systems, and the pictures."""

from __future__ import annotations

import csv
import json
import math
from dataclasses import replace

import numpy as np
import pytest
from phantom import AXIAL, ball_patient, points_mm
from scipy import stats

from DosePredictionLib.cli.main import main
from DosePredictionLib.dosimetry.goal import Goal, GoalSet
from DosePredictionLib.dosimetry.goals import bundled_goals
from DosePredictionLib.dosimetry.metric import Metric
from DosePredictionLib.dosimetry.named_dose import NamedDose
from DosePredictionLib.dosimetry.paired_tests import paired_plan_figures, paired_scores, paired_test
from DosePredictionLib.dosimetry.plan_figures import (
    COMPLIANCE,
    PlanFigure,
    compliance_percent,
    plan_figures,
    read_plan_figures,
    summarise,
    write_plan_figures,
)
from DosePredictionLib.errors import InputError
from DosePredictionLib.patient.volume import Volume
from DosePredictionLib.patient.writer_folder import write_patient_folder
from DosePredictionLib.report.dose_panels import draw_dose_panels, draw_dvh_panels

GOALS = bundled_goals("addiff-dose")


def ball_dose(scale: float = 1.0, shift_mm: float = 0.0) -> Volume:
    distance = np.linalg.norm(points_mm(AXIAL) - (8.0 + shift_mm, -10.0, 4.0), axis=-1)
    body = ball_patient().structures[0].mask.array > 0
    return Volume((scale * 75.0 * np.exp(-((distance / 50.0) ** 2)) * body).astype(np.float32), AXIAL)


@pytest.fixture(scope="module")
def patient():
    return replace(ball_patient(), reference_dose=ball_dose())


def by_key(figures):
    return {one.key: one for one in figures}


def test_the_reference_itself_has_no_error(patient):
    found = by_key(plan_figures(patient, ball_dose(), GOALS))
    assert found["MAE"].predicted == 0.0
    assert found["Dice mean"].predicted == pytest.approx(1.0) and found["HD95 mean"].predicted == 0.0
    assert all(one.difference == 0 for one in found.values() if not math.isnan(one.reference))
    assert {
        "D98% highest target",
        "D2% highest target",
        "Dmax highest target",
        "Dmean highest target",
        "HI highest target",
        "CI highest target",
        "Dmax SpinalCord",
        "Dmean Parotid_L",
        "Compliance",
    } <= set(found)


def test_beyond_the_clinical_doses_grid_no_figure_is_worse(patient):
    """As where a planning system reckons the dose near the targets alone: the rest of an organ has no dose to miss."""
    lower = Volume(ball_dose().array[:, :24], AXIAL.cropped((0, 0, 0), (40, 24, 48)))
    found = by_key(plan_figures(replace(patient, reference_dose=lower), ball_dose(), GOALS))
    assert {"Dmean Parotid_L", "Dmean highest target"} <= found.keys()
    for one in found.values():
        if one.unit == "Gy" and not math.isnan(one.reference):
            assert one.difference == pytest.approx(0.0, abs=0.1), one.key


def test_compliance_is_of_goals_that_both_doses_can_be_judged_by(patient):
    """The dose at the head's end says nothing of the targets, which the prediction misses and covers."""
    end = replace(patient, reference_dose=Volume(ball_dose().array[:3], AXIAL.cropped((0, 0, 0), (3, 44, 48))))
    few, many = (by_key(plan_figures(one, ball_dose(0.9), GOALS))[COMPLIANCE] for one in (end, patient))
    assert few.predicted == few.reference == 100.0 > many.predicted


def test_a_dose_five_percent_higher_shows_as_such(patient):
    found = by_key(plan_figures(patient, ball_dose(1.05), GOALS))
    for name in ("D98%", "D2%", "Dmax", "Dmean"):
        one = found[f"{name} highest target"]
        assert one.predicted == pytest.approx(1.05 * one.reference, rel=1e-3)
    assert found["HI highest target"].difference == pytest.approx(0.0, abs=1e-4)
    reference = patient.reference_dose.array
    body = patient.structures[0].mask.array > 0
    assert found["MAE"].predicted == pytest.approx(0.05 * reference[body].mean(), rel=1e-3)
    assert "Body" in found["MAE"].structure
    assert 0.8 < found["Dice 50%"].predicted < 1.0 and found["HD95 50%"].predicted > 0


def test_a_shifted_dose_has_its_shift_as_hausdorff_distance(patient):
    found = by_key(plan_figures(patient, ball_dose(shift_mm=8.0)))
    assert found["HD95 80%"].predicted == pytest.approx(8.0, abs=2.0)
    assert "Compliance" not in found


def test_compliance_counts_goals_that_apply(patient):
    cold, hot = (compliance_percent(patient, ball_dose(scale), GOALS) for scale in (0.2, 1.0))
    assert 0 < cold < 100 and 0 < hot < 100 and cold != hot
    bare = patient.with_structures(s for s in patient.structures if s.name == "Body")
    assert math.isnan(compliance_percent(bare, ball_dose(), GOALS))


def test_a_goal_within_its_tolerance_is_not_met():
    asked = [Goal("Cord", Metric.parse("Dmean"), "<=", limit, tolerance=90.0) for limit in (1.0, 80.0)]
    assert compliance_percent(ball_patient(), ball_dose(), GoalSet("test", "", "", tuple(asked))) == 50.0


def test_a_patient_without_reference_is_refused():
    with pytest.raises(InputError, match="no reference dose"):
        plan_figures(ball_patient(), ball_dose())


def test_the_table_survives_writing(tmp_path, patient):
    figures = plan_figures(patient, ball_dose(1.02), GOALS)
    write_plan_figures(figures, tmp_path / "figures.csv")
    again = read_plan_figures(tmp_path / "figures.csv")
    assert [one.key for one in again] == [one.key for one in figures]
    assert [one.predicted for one in again] == pytest.approx([one.predicted for one in figures], abs=1e-4, nan_ok=True)
    (tmp_path / "other.csv").write_text("a,b\n1,2\n")
    with pytest.raises(InputError, match="no table of plan figures"):
        read_plan_figures(tmp_path / "other.csv")


def test_the_summary_is_of_absolute_differences():
    figures = [PlanFigure(name, "D98%", "highest target", "Gy", 66.0, 66.0 + change)
               for name, change in (("a", 1.0), ("b", -1.0), ("c", 4.0))]  # fmt: skip
    (only,) = summarise(figures).values()
    assert only["mean"] == 2.0 and only["patients"] == 3
    assert only["standard_error"] == pytest.approx(np.std([1, 1, 4], ddof=1) / 3**0.5, abs=1e-4)
    (alone,) = summarise(figures[:1]).values()
    assert alone == {"mean": 1.0, "standard_error": None, "patients": 1}


def test_paired_tests_are_scipys_and_pair_by_patient():
    random = np.random.default_rng(0)
    first = {f"p{i}": float(value) for i, value in enumerate(random.normal(3.0, 0.5, 20))}
    second = {name: value + 0.2 + 0.1 * float(random.normal()) for name, value in first.items()}
    shuffled = dict(sorted(second.items(), key=lambda item: item[1])) | {"another": 9.0, "p3": float("nan")}
    found = paired_test("MAE", "Gy", first, shuffled)
    kept = [name for name in first if name != "p3"]
    pairs = [first[name] for name in kept], [second[name] for name in kept]
    assert found.patients == 19
    assert found.t_p == pytest.approx(stats.ttest_rel(*pairs).pvalue)
    assert found.wilcoxon_p == pytest.approx(stats.wilcoxon(*pairs).pvalue)
    assert found.stars == "***" and found.mean_a < found.mean_b
    assert found.a_lower == sum(one < other for one, other in zip(*pairs, strict=True))
    assert paired_test("MAE", "Gy", first, first).t_p == 1.0
    alone, other = paired_test("MAE", "Gy", {"a": 1.0}, {"a": 2.0}), paired_test("MAE", "Gy", {"a": 2.0}, {"a": 1.0})
    assert math.isnan(alone.t_p) and (alone.a_lower, other.a_lower) == (1, 0)
    assert paired_test("MAE", "Gy", {"a": 1.0, "b": 2.0}, {"a": 2.0, "b": 3.0}).stars == "***"


def test_scores_of_evaluations_without_plan_figures_are_paired(tmp_path):
    for system, scores in (("a", (2.0, 3.0, 4.0)), ("b", (2.5, 2.9, 4.6))):
        (tmp_path / system).mkdir()
        rows = [f"p{i},{score},,10.0" for i, score in enumerate(scores)]
        (tmp_path / system / "scores.csv").write_text(
            "\n".join(["patient,dose_score_gy,Larynx mean,seconds", *rows, f"mean,{sum(scores) / 3},,10.0"]) + "\n"
        )
        (tmp_path / system / "slices.csv").write_text("patient,roughness_ratio\np0,0.9\np1,1.1\n")
    dose_score, larynx, roughness = paired_scores(tmp_path / "a", tmp_path / "b")
    # The row of means is no patient, the seconds no figure, an empty cell no value.
    assert (dose_score.figure, dose_score.patients, dose_score.a_lower) == ("dose_score", 3, 2)
    assert (dose_score.mean_a, dose_score.mean_b) == pytest.approx((3.0, 10.0 / 3.0))
    assert larynx.patients == 0 and (roughness.unit, roughness.t_p) == ("", 1.0)
    with pytest.raises(InputError, match="give a folder that evaluate wrote"):
        paired_scores(tmp_path / "a", tmp_path)


def test_dvh_figures_are_tested_by_their_error():
    near = [PlanFigure(name, "D98%", "t", "Gy", 66.0, 66.0 + change) for name, change in (("a", -1.0), ("b", 1.0))]
    far = [PlanFigure(name, "D98%", "t", "Gy", 66.0, 66.0 + change) for name, change in (("a", -3.0), ("b", 2.0))]
    (found,) = paired_plan_figures(near, far)
    assert (found.mean_a, found.mean_b) == (1.0, 2.5)


def test_evaluate_writes_the_figures_and_significance_compares_two(tmp_path, patient, capsys):
    for index in range(3):
        one = replace(patient, identifier=f"case{index}", reference_dose=ball_dose(1.0 + 0.01 * index))
        write_patient_folder(one, tmp_path / "cases" / one.identifier)
        for system, scale in (("near", 1.02), ("far", 1.1)):
            ball_dose(scale + 0.013 * index).write(tmp_path / system / one.identifier / "dose.nrrd")
    for system in ("near", "far"):
        arguments = ["evaluate", str(tmp_path / "cases"), "--predictions", str(tmp_path / system), "--plan-figures",
                     "addiff-dose", "-o", str(tmp_path / "scores" / system)]  # fmt: skip
        assert main(arguments) == 0
    summary = json.loads((tmp_path / "scores" / "near" / "plan_figures.json").read_text())
    assert summary["MAE"]["patients"] == 3
    out = tmp_path / "tests.csv"
    folders = [str(tmp_path / "scores" / system) for system in ("near", "far")]
    assert main(["significance", *folders, "-o", str(out)]) == 0
    with open(out, newline="") as stream:
        rows = {row["figure"]: row for row in csv.DictReader(stream)}
    assert float(rows["MAE"]["mean_a"]) < float(rows["MAE"]["mean_b"])
    assert float(rows["MAE"]["t_p"]) < 0.05 and rows["MAE"]["stars"]
    said = " ".join(capsys.readouterr().out.split())
    assert "MAE [Gy] " in said and "Dice 95% [" not in said
    assert "Dmean highest target [Gy] " in said and "HD95 mean [mm] " in said and "HI highest target 0.0" in said
    assert "absolute difference from the reference; of MAE, Dice, HD95 and compliance, of the figure itself" in said
    assert "A lower: in how many of the n patients that of near is lower" in said
    assert "0.01 (**)" in said and "without correction for the number of figures" in said
    assert main(["significance", str(tmp_path), str(tmp_path)]) == 2


def test_pictures_show_every_dose(tmp_path, patient):
    doses = [NamedDose("hotter", ball_dose(1.02)), NamedDose("shifted", ball_dose(1.1, 6.0))]
    draw_dose_panels(patient, doses, tmp_path / "doses.svg")
    draw_dvh_panels(patient, doses, tmp_path / "dvh.svg")
    panels, curves = ((tmp_path / name).read_text() for name in ("doses.svg", "dvh.svg"))
    for picture in (panels, curves):  # letters are drawn as curves, their text stands beside them
        assert all(picture.count(f"<!-- {dose.name} -->") == 1 for dose in doses)
    assert panels.count("<image") == 3 * 2 + 3, "reference, prediction and difference of each, and their colour bars"
    assert panels.count("<!-- mean |difference| ") == 2
    assert curves.count("stroke-dasharray") == 2 * 5, "a dashed curve of each dose for two targets and three organs"
    with pytest.raises(InputError, match="no reference dose"):
        draw_dvh_panels(ball_patient(), doses, tmp_path / "none.png")


def test_the_figures_command_draws_four_pictures(tmp_path, patient):
    write_patient_folder(patient, tmp_path / "case")
    ball_dose(1.05).write(tmp_path / "hot.nrrd")
    arguments = [
        "figures",
        str(tmp_path / "case"),
        "--dose",
        f"hot={tmp_path / 'hot.nrrd'}",
        "-o",
        str(tmp_path / "out"),
    ]
    assert main(arguments) == 0
    assert sorted(path.name for path in (tmp_path / "out").glob("*.png")) == [
        "doses_axial.png", "doses_coronal.png", "doses_sagittal.png", "dvh.png",
    ]  # fmt: skip
    for path in (tmp_path / "out").glob("*.png"):
        assert path.read_bytes()[:4] == b"\x89PNG"


def test_figures_of_two_doses_of_one_name_are_refused(tmp_path, patient, capsys):
    write_patient_folder(patient, tmp_path / "case")
    for system in ("a", "b"):
        ball_dose(1.05).write(tmp_path / system / "ball" / "dose.nrrd")
    doses = [f"--dose={tmp_path / system / 'ball' / 'dose.nrrd'}" for system in ("a", "b")]
    assert main(["figures", str(tmp_path / "case"), *doses, "-o", str(tmp_path / "out")]) == 2
    assert "Two doses are called 'ball'" in capsys.readouterr().err and not (tmp_path / "out").exists()
