"""What ``compare`` leaves in its folder: tables that say what the report says, and nothing of an earlier comparison."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import pytest
from phantom import ball_dose, ball_patient

from DosePredictionLib.cli.main import main
from DosePredictionLib.patient.writer_folder import write_patient_folder


@pytest.fixture
def case(tmp_path) -> Path:
    """The ball in five fractions, which limits are carried over to."""
    write_patient_folder(replace(ball_patient(), reference_dose=ball_dose(), fractions=5), tmp_path / "case")
    for name, shift in (("a", 2.0), ("b", 4.0)):
        ball_dose(shift).write(tmp_path / f"{name}.nrrd")
    return tmp_path / "case"


def compare(case: Path, *doses: str, out: Path | None = None) -> int:
    """Compare doses, each a name of a file beside the case, or NAME=FILE."""
    given = [part for dose in doses for part in ("--dose", dose if "=" in dose else f"{case.parent / dose}.nrrd")]
    return main(["compare", str(case), *given, "-o", str(out or case.parent / "out"), "--gamma-points", "0", "--goals",
                 "head-and-neck"])  # fmt: skip


def test_tables_say_of_goals_what_the_report_says(case):
    assert compare(case, "a") == 0
    out = case.parent / "out"
    rows = list(csv.DictReader(open(out / "compare.csv", newline="", encoding="utf-8")))
    about = [row for row in rows if row["structure"] == "Cord" and row["metric"].startswith("D0.03cc <=")]
    goal, verdict, reason = about
    assert [row["kind"] for row in about] == ["goal", "verdict", "reason"]
    # 50 Gy in 25 fractions of 2 Gy are 27.02 Gy in 5 with an alpha/beta of 2 Gy: D (D/n + 2) is the same.
    assert (goal["tolerance"], goal["priority"]) == ("27.02", "1") and "RTOG 0225" in goal["source"]
    assert goal["converted"].startswith("converted from D0.03cc <= 45 Gy at 25 fractions")
    for name in ("Reference", "a"):
        assert verdict[name] in ("pass", "fail", "tolerance") and reason[name].startswith("D0.03cc is ")
    assert {(row["tolerance"], row["converted"]) for row in rows if row["kind"] == "dvh"} == {("", "")}
    content = json.loads((out / "compare.json").read_text(encoding="utf-8"))
    same = next(one for one in content["goals"]["a"] if one["structure"] == "Cord" and one["metric"] == "D0.03cc")
    assert (same["reason"], same["priority"]) == (reason["a"], 1)
    assert same["converted"] == goal["converted"] and same["tolerance"] == pytest.approx(float(goal["tolerance"]))
    coverage = next(one for one in content["goals"]["a"] if one["metric"] == "D95%")
    assert coverage["converted"] is None


def left_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_another_comparison_leaves_no_difference_of_the_one_before(case):
    out = case.parent / "out"
    assert compare(case, "a", "b") == 0
    (out / "difference_mine.nrrd").write_bytes(b"of the user's own")
    assert compare(case, "b") == 0
    assert left_in(out) == ["compare.csv", "compare.html", "compare.json", "difference_b.nrrd", "difference_mine.nrrd"]


def test_a_comparison_in_a_predictions_folder_leaves_its_report(case):
    out = case.parent / "out"
    out.mkdir()
    (out / "report.html").write_text("the prediction's")
    ball_dose(2.0).write(out / "dose.nrrd")
    assert compare(case, f"Mine={out / 'dose.nrrd'}") == 0
    assert (out / "report.html").read_text() == "the prediction's"
    assert {"compare.csv", "compare.html", "compare.json", "difference_Mine.nrrd"} < set(left_in(out))


def test_a_dose_that_an_earlier_comparison_left_is_not_removed_under_the_next_one(case, capsys):
    out = case.parent / "out"
    assert compare(case, "a") == 0
    before = (out / "difference_a.nrrd").read_bytes()
    assert compare(case, f"b={out / 'difference_a.nrrd'}") == 2
    assert "difference_a.nrrd is a file that is read here and would be overwritten" in capsys.readouterr().err
    (out / "compare.json").unlink()
    assert compare(case, f"a={out / 'difference_a.nrrd'}") == 2
    assert (out / "difference_a.nrrd").read_bytes() == before


@pytest.mark.parametrize("inside", [".", "comparison"])
def test_a_comparison_within_its_case_can_be_made_again(inside, case):
    before = {path.name: path.read_bytes() for path in case.iterdir()}
    assert compare(case, "a", "b", out=case / inside) == 0
    assert compare(case, "b", out=case / inside) == 0
    made = {"compare.csv", "compare.html", "compare.json", "difference_b.nrrd"}
    assert made == set(left_in(case / inside)) - before.keys() - {"comparison"}
    assert before.items() <= {path.name: path.read_bytes() for path in case.iterdir() if path.is_file()}.items()
