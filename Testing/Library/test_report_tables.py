"""The report's tables: each figure is the one that its row and column name."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from phantom import AXIAL, ball_dose, ball_patient, points_mm
from test_cli import refused

from DosePredictionLib.dosimetry.goals import bundled_goals
from DosePredictionLib.dosimetry.named_dose import NamedDose
from DosePredictionLib.patient.outlined_mask import OutlinedMask
from DosePredictionLib.patient.volume import Volume
from DosePredictionLib.patient.writer_folder import write_patient_folder
from DosePredictionLib.report.write import warnings_of, write_report


def rows_of(page: str) -> list[list[str]]:
    rows = re.findall(r"<tr>(.*?)</tr>", page)
    return [[re.sub(r"<[^>]*>", "", cell) for cell in re.findall(r"<td.*?>(.*?)</td>", row)] for row in rows]


def test_the_tables_hold_the_figures_of_both_doses_and_predicted_minus_reference(tmp_path: Path) -> None:
    """60 Gy everywhere as the reference; 64 Gy predicted in the left part, which is not half of the body."""
    left = points_mm(AXIAL)[..., 0] > 8.0
    reference, predicted = (Volume((60.0 + add * left).astype(np.float32), AXIAL) for add in (0.0, 4.0))
    patient = replace(ball_patient(), reference_dose=reference)
    goals = bundled_goals("head-and-neck")
    write_report(tmp_path / "page.html", patient, [NamedDose("Mine", predicted)], goals, gamma_points=0)
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    rows = rows_of(page)
    assert ["PTV70", "D98%", "60.00", "60.00", "0.00"] in rows
    assert ["", "D2%", "64.00", "60.00", "+4.00"] in rows
    assert ["Parotid left", "Dmean", "64.00", "60.00", "+4.00"] in rows
    part = float(left[patient.structures[0].mask.array > 0].mean())
    figures = {row[0]: row[1] for row in rows if len(row) == 2}
    assert figures["Mean absolute difference (MAE), Gy"] == f"{4 * part:.2f}"
    assert figures["Mean difference, Gy"] == f"+{4 * part:.2f}"
    assert figures["Root mean square, Gy"] == f"{4 * np.sqrt(part):.2f}"
    assert figures["95 % of voxels differ by up to, Gy"] == figures["Largest difference, Gy"] == "4.00"
    goal = next(row for row in rows if row[:1] == ["Parotid left"] and row[1].startswith("Dmean") and len(row) == 9)
    assert (goal[5], goal[7]) == ("64.00", "60.00"), "each dose's own value"
    assert "<span>D95% of PTV70</span><b>60.0 Gy</b><small>85.7 % of its prescription</small>" in page


def test_isodose_volumes_stand_below_their_own_dose(tmp_path: Path) -> None:
    patient = replace(ball_patient(), reference_dose=ball_dose(peak_gy=70.0))
    write_report(tmp_path / "page.html", patient, [NamedDose("Mine", ball_dose(peak_gy=63.0))], gamma_points=0)
    rows = rows_of((tmp_path / "page.html").read_text(encoding="utf-8"))
    row = next(row for row in rows if row[:1] == ["50 % (35.0 Gy)"])
    spheres_cc = [4 / 3 * np.pi * (4.0 * np.sqrt(np.log(peak / 35.0))) ** 3 for peak in (70.0, 63.0)]
    assert [float(cell) for cell in row[1:3]] == pytest.approx(spheres_cc, rel=0.05), "the reference first"


def test_volumes_in_the_report_are_those_of_the_outlines(tmp_path: Path) -> None:
    def outlined(mask: Volume) -> OutlinedMask:
        return OutlinedMask(mask.array, mask.geometry, Volume(0.75 * mask.array.astype(np.float32), mask.geometry))

    structures = [replace(s, mask=outlined(s.mask)) if s.name == "Cord" else s for s in ball_patient().structures]
    patient = ball_patient().with_structures(structures)
    write_report(tmp_path / "page.html", patient, [NamedDose("Mine", ball_dose())], gamma_points=0)
    row = next(
        row for row in rows_of((tmp_path / "page.html").read_text(encoding="utf-8")) if row[1:2] == ["SpinalCord"]
    )
    voxels_cc = float(patient.structures[3].mask.array.sum()) * AXIAL.voxel_volume_cc
    assert float(row[4]) == pytest.approx(0.75 * voxels_cc, rel=0.01)


@pytest.mark.parametrize("calibrated", [True, False])
def test_what_an_uncertainty_means_is_told_as_it_is(tmp_path: Path, calibrated: bool) -> None:
    worth = "calibrated on 40 patients" if calibrated else "not calibrated: the spread of the samples"
    dose = NamedDose("Mine", ball_dose(), ball_dose(peak_gy=2.0), {"uncertainty": worth})
    write_report(tmp_path / "page.html", ball_patient(), [dose], gamma_points=0)
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert ("By how much the dose is off" in page) == calibrated
    assert ("How much samples of the model differ" in page) == (not calibrated)


@pytest.mark.parametrize("kind", [list, tuple])
def test_the_warnings_of_the_prediction_are_told_and_no_others(kind: type) -> None:
    kept = kind([{"id": "ct-metal", "text": "Metal.", "explanation": "Because.", "evidence": {}}])
    (warning,) = warnings_of(ball_patient(), NamedDose("Mine", ball_dose(), None, {"review": kept}))
    assert (warning.id, warning.text) == ("ct-metal", "Metal.")
    assert warnings_of(ball_patient(), NamedDose("Mine", ball_dose(), None, {"review": kind()})) == ()


@pytest.mark.parametrize(("gray", "shown", "verdict"), [(45.004, "45.004", "tolerance"), (44.996, "45.00", "pass")])
def test_a_value_at_its_limit_agrees_with_the_verdict(gray: float, shown: str, verdict: str, tmp_path: Path) -> None:
    dose = NamedDose("Mine", Volume(np.full(AXIAL.shape, gray, np.float32), AXIAL))
    write_report(tmp_path / "page.html", ball_patient(), [dose], bundled_goals("head-and-neck"), gamma_points=0)
    rows = rows_of((tmp_path / "page.html").read_text(encoding="utf-8"))
    row = next(row for row in rows if row[:1] == ["Cord"] and "≤ 45 Gy" in row)
    assert row[5:] == [shown, verdict]


@pytest.mark.parametrize(("more_gy", "shown", "bold"), [(1.996, "+1.996", False), (2.004, "+2.00", True)])
def test_a_difference_of_almost_2_gy_is_not_shown_as_2_gy(more_gy: float, shown: str, bold: bool, tmp_path) -> None:
    """From 2 Gy on, differences are set in bold."""
    mine, reference = (Volume(np.full(AXIAL.shape, gray, np.float64), AXIAL) for gray in (40.0 + more_gy, 40.0))
    patient = replace(ball_patient(), reference_dose=reference)
    write_report(tmp_path / "page.html", patient, [NamedDose("Mine", mine)], gamma_points=0)
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert f'<span class="{"notable" if bold else ""}">{shown}</span>' in page


@pytest.mark.parametrize(
    "content", ['{"prescriptions_gy": {"PTV70": 70}}', '{"system": "default", "dataset": "data", "patients": 4}',
                '{"system": "diffkt3d", "modality": "ct"}', "[]", "{}"],
)  # fmt: skip
def test_a_file_that_does_not_say_how_a_dose_was_made_is_none_of_its_origin(content, tmp_path, capsys):
    write_patient_folder(ball_patient(), tmp_path / "case")
    ball_dose().write(tmp_path / "mine.nrrd")
    (tmp_path / "other.json").write_text(content)
    command = ["report", str(tmp_path / "case"), "--dose", str(tmp_path / "mine.nrrd"), "--gamma-points", "0"]
    told = refused([*command, "--provenance", str(tmp_path / "other.json"), "-o", str(tmp_path / "page.html")], capsys)
    assert "other.json does not say how a dose was predicted; give the prediction.json" in told
    assert not (tmp_path / "page.html").exists()
