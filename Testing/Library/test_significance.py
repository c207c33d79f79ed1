"""Two evaluations side by side: which mean stands where, and whose each column is."""

from __future__ import annotations

import csv
import json
import math
import re
from pathlib import Path

import pytest

from DosePredictionLib.cli.main import main
from DosePredictionLib.cli.score_tables import write_score_tables
from DosePredictionLib.dosimetry.openkbp_score import CRITERION_NAMES
from DosePredictionLib.dosimetry.patient_scores import PatientScores


def write_evaluation(folder: Path, error: float = 1.0) -> Path:
    """Of a patient with all criteria off by ``error`` Gy, and of one with a single one, off by three times that."""
    whole = dict.fromkeys(CRITERION_NAMES, error)
    single = {name: 3.0 * error if name == CRITERION_NAMES[0] else math.nan for name in CRITERION_NAMES}
    folder.mkdir(parents=True)
    scores = [PatientScores(name, error, values, math.nan) for name, values in (("a", whole), ("b", single))]
    write_score_tables(scores, {}, "data", folder)
    (folder / "slices.csv").write_text("patient,roughness_gy\na,1.0\nb,2.0\n")
    return folder


def test_the_challenges_score_is_told_from_the_mean_of_the_patients(tmp_path, capsys):
    """(1 Gy times N + 3 Gy) / (N + 1) over all criteria, but (1 Gy + 3 Gy) / 2 over the patients."""
    folder = write_evaluation(tmp_path / "scores")
    pooled = (len(CRITERION_NAMES) + 3.0) / (len(CRITERION_NAMES) + 1.0)
    *_, last = csv.DictReader(open(folder / "scores.csv", newline=""))
    summary = json.loads((folder / "summary.json").read_text())
    assert last["patient"] == "mean" and float(last["dvh_score_gy"]) == pytest.approx(pooled, abs=1e-6)
    assert summary["dvh_score_gy"] == pytest.approx(pooled, abs=1e-4)
    assert summary["dvh_score_mean_of_patients_gy"] == pytest.approx(2.0)
    assert main(["significance", str(folder), str(write_evaluation(tmp_path / "other", 2.0))]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "dvh_score [Gy] 2.000 4.000" in said
    assert "the last row of its scores.csv, is the challenge's: a mean over all criteria of all patients" in said


@pytest.mark.parametrize(
    ("a", "b", "shown_a", "shown_b"),
    [("addiff_dose-with-everything", "addiff_dose-with-nothing", "addiff_dose-with-everything",
      "addiff_dose-with-nothing"),
     ("first/scores", "second/scores", "first/scores", "second/scores"),
     (".", "other", "here", "other")],
)  # fmt: skip
def test_each_column_is_headed_by_the_whole_name_of_its_evaluation(
    a, b, shown_a, shown_b, tmp_path, monkeypatch, capsys
):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    for name in (a, b):
        if name != ".":
            write_evaluation(Path(name))
    if a == ".":
        write_evaluation(tmp_path / "here" / "new")
        for path in Path("new").iterdir():
            path.rename(path.name)
    assert main(["significance", a, b]) == 0
    heading, row, *_ = capsys.readouterr().out.splitlines()
    assert heading.split()[:2] == [shown_a, shown_b]
    ends = [heading.index(name) + len(name) for name in (f"  {shown_a}", f" {shown_b} ")]
    first, second = (match.end() for match in list(re.finditer(r"\d\.\d{3}", row))[:2])
    assert (first, second) == (ends[0], ends[1] - 1), "figures stand below the end of their name"
