"""The table of DiffKT3D's parts: what starts from what, equal steps on the dose, each against its like."""

from __future__ import annotations

import csv
import runpy
import sys
from pathlib import Path

import pytest

from DosePredictionLib.cli import main as cli
from DosePredictionLib.training.config import TrainingConfig

SCRIPT = Path(__file__).resolve().parents[1] / "Benchmarks" / "diffkt3d_table.py"
#: Dose scores (Gy) and scorecards (%) that the runs are pretended to have.
SCORES = {
    "diffkt3d-from-scratch": (4.0, 60.0),
    "diffkt3d": (3.5, 61.0),
    "diffkt3d-no-role": (4.1, 60.0),
    "diffkt3d-no-slot": (4.0, 60.0),
    "diffkt3d-post-training": (3.52, 64.0),
    "diffkt3d-post-training-control": (3.5, 61.0),
}


def test_what_starts_from_what_and_is_held_against_what(tmp_path, monkeypatch):
    given: list[list[str]] = []

    def answer(arguments: list[str]) -> int:
        given.append(arguments)
        if arguments[0] == "train":
            (Path(arguments[1]).parent / "weights.safetensors").touch()
            return 0
        folder = Path(arguments[-1])
        folder.mkdir(parents=True)
        error, percent = SCORES[folder.parent.name]
        errors = [f"p{n},{error + 0.1 * n + 0.001 * (n % 3)},2.0" for n in range(8)]
        percents = [f"p{n},{percent + n + 0.01 * (n % 3)},70" for n in range(8)]
        (folder / "scores.csv").write_text("\n".join(["patient,dose_score_gy,dvh_score_gy", *errors]) + "\n")
        (folder / "slices.csv").write_text("patient,roughness_ratio\np0,1.0\n")
        header = "patient,scorecard_percent,reference_percent"
        (folder / "scorecard.csv").write_text("\n".join([header, *percents]) + "\n")
        return 0

    monkeypatch.setattr(cli, "main", answer)
    monkeypatch.setattr(sys, "argv", [str(SCRIPT), "--output", str(tmp_path)])
    for _ in range(2):
        with pytest.raises(SystemExit) as ended:
            runpy.run_path(str(SCRIPT), run_name="__main__")
        assert ended.value.code == 0
    # The second time nothing was left to do.
    assert len(given) == 7 + 6
    runs = [TrainingConfig.read(command[1]) for command in given if command[0] == "train"]
    first, rest = runs[0], runs[1:]
    assert (first.stage, first.system_config, first.steps) == ("any-to-any", {"dose_share": 0.0}, 1000)
    assert {(told.steps, told.decay_steps, told.seed) for told in rest if told.stage == "dose"} == {(1200, 360, 0)}
    starts = {Path(told.output).name: Path(told.from_weights).parent.name for told in rest if told.from_weights}
    assert starts == {"diffkt3d": "diffkt3d-any-to-any", "diffkt3d-post-training": "diffkt3d",
                      "diffkt3d-post-training-control": "diffkt3d"}  # fmt: skip
    with open(tmp_path / "table.csv", newline="", encoding="utf-8") as stream:
        rows = {row[""]: row for row in csv.DictReader(stream)}
    assert rows["dose from nothing"]["dose score, Gy"] == "4.351"
    assert rows["dose after any-to-any"]["dose score, Gy"].startswith("3.851 (-0.500, p = 0")
    trained = rows["after any-to-any, post-trained"]
    assert trained["against"] == "dose after any-to-any"
    assert trained["scorecard, %"].startswith("67.509 (+3.000, p = 0") and "+0.020" in trained["dose score, Gy"]
    assert "p = 1" in rows["the same without the policy's loss"]["scorecard, %"]
