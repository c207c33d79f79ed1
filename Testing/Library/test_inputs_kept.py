"""No command overwrites a file that it reads, whatever it is called there."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from phantom import ball_dose, ball_patient
from test_cli import refused

from DosePredictionLib.cli.inputs_kept import check_keeps_inputs
from DosePredictionLib.cli.main import main
from DosePredictionLib.errors import InputError
from DosePredictionLib.patient.writer_folder import write_patient_folder

GOALS = Path(__file__).parents[2] / "Resources" / "Goals" / "quantec.json"


@pytest.fixture(scope="module")
def given(tmp_path_factory) -> Path:
    """A folder with a case, a dose with what predict leaves beside it, and a file of goals."""
    folder = tmp_path_factory.mktemp("given")
    write_patient_folder(replace(ball_patient(), reference_dose=ball_dose()), folder / "data" / "case")
    for name, shift in (("dose", 2.0), ("dose_std", 1.0), ("other_std", 1.0)):
        ball_dose(shift).write(folder / "predicted" / "case" / f"{name}.nrrd")
    (folder / "predicted" / "case" / "prediction.json").write_text('{"weights": "mine", "patient": "case"}')
    shutil.copy(GOALS, folder / "goals.json")
    return folder


@pytest.mark.parametrize(
    "output",
    ["data/case/dose.nrrd", "data/case/structures.seg.nrrd", "data/case/prescription.json", "predicted/case/dose.nrrd",
     "predicted/case/dose_std.nrrd", "predicted/case/other_std.nrrd", "predicted/case/prediction.json", "goals.json"],
)  # fmt: skip
def test_a_report_overwrites_nothing_that_it_is_made_of(output, given, capsys):
    before = (given / output).read_bytes()
    made = given / "predicted" / "case"
    arguments = ["report", str(given / "data" / "case"), "--dose", f"Mine={made / 'dose.nrrd'}", "--std",
                 str(made / "other_std.nrrd"), "--goals", str(given / "goals.json")]  # fmt: skip
    assert "is read here and would be overwritten; name another" in refused(
        [*arguments, "-o", f"{given}/{output}"], capsys
    )
    assert (given / output).read_bytes() == before


@pytest.mark.parametrize("output", ["data/case/ct.nrrd", "predicted/case/dose.nrrd", "data/case/prescription.json"])
@pytest.mark.parametrize("many", [False, True])
def test_a_table_of_points_overwrites_nothing_that_it_is_made_of(many, output, given, capsys):
    before = (given / output).read_bytes()
    one = ["scorecard", str(given / "data" / "case"), "--dose", str(given / "predicted" / "case" / "dose.nrrd")]
    all_of_them = ["scorecard", str(given / "data"), "--predictions", str(given / "predicted")]
    told = refused([*(all_of_them if many else one), "-o", str(given / output)], capsys)
    assert "is read here and would be overwritten" in told and (given / output).read_bytes() == before


def test_a_table_overwrites_none_of_a_case_of_tables(tmp_path, capsys):
    (tmp_path / "pt_1").mkdir()
    (tmp_path / "pt_1" / "voxel_dimensions.csv").write_text("3.0\n3.0\n3.0\n")
    table = tmp_path / "pt_1" / "dose.csv"
    table.write_text(",data\n")
    assert "would be overwritten" in refused(["scorecard", str(tmp_path / "pt_1"), "-o", str(table)], capsys)
    assert table.read_text() == ",data\n"


def test_a_table_that_an_earlier_run_left_in_a_case_of_tables_is_written_anew(tmp_path):
    for name in ("voxel_dimensions", "PTV70", "points"):
        (tmp_path / f"{name}.csv").write_text("3.0\n3.0\n3.0\n")
    check_keeps_inputs(tmp_path / "points.csv", tmp_path)
    with pytest.raises(InputError, match="would be overwritten"):
        check_keeps_inputs(tmp_path / "PTV70.csv", tmp_path)


def test_a_link_to_what_is_read_is_known_too(given, tmp_path, capsys):
    os.symlink(given / "predicted" / "case" / "dose.nrrd", tmp_path / "page.html")
    arguments = ["report", str(given / "data" / "case"), "--dose", str(given / "predicted" / "case" / "dose.nrrd")]
    assert "would be overwritten" in refused([*arguments, "-o", str(tmp_path / "page.html")], capsys)


def test_what_an_earlier_run_left_in_the_case_is_written_anew(given, capsys):
    case = str(given / "data" / "case")
    for _ in range(2):
        assert main(["scorecard", case, "-o", f"{case}/points.csv"]) == 0
        assert main(["report", case, "--dose", f"{given}/predicted/case/dose.nrrd", "-o", f"{case}/page.html",
                     "--gamma-points", "0"]) == 0  # fmt: skip


def test_tests_of_significance_overwrite_none_of_their_tables(tmp_path, capsys):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "scores.csv").write_text("patient,dose_score_gy\np,1.0\nmean,1.0\n")
        (tmp_path / name / "slices.csv").write_text("patient,roughness_gy\np,1.0\n")
    arguments = ["significance", str(tmp_path / "a"), str(tmp_path / "b"), "-o", str(tmp_path / "b" / "scores.csv")]
    assert "would be overwritten" in refused(arguments, capsys)
    assert (tmp_path / "b" / "scores.csv").read_text().startswith("patient,dose_score_gy")
