"""The comparison table: equal runs on one cache, diffusion at several numbers of steps, each against its like."""

from __future__ import annotations

import csv
import json
import runpy
import sys
from pathlib import Path

import pytest

from DosePredictionLib.cli import main as cli
from DosePredictionLib.dosimetry.plan_figures import PlanFigure, write_plan_figures
from DosePredictionLib.training.baseline_stage import BaselineStage
from DosePredictionLib.training.config import TrainingConfig

SCRIPT = Path(__file__).resolve().parents[1] / "Benchmarks" / "addiff_table.py"
NOT_A_NUMBER = float("nan")


@pytest.fixture
def commands(monkeypatch) -> list[list[str]]:
    """The commands that the script gives, each answered with the files that it would write."""
    given: list[list[str]] = []

    def answer(arguments: list[str]) -> int:
        given.append(arguments)
        if arguments[0] == "train":
            (Path(arguments[1]).parent / "weights.safetensors").touch()
            return 0
        folder, steps = Path(arguments[-1]), int(arguments[arguments.index("--steps") + 1])
        error = 3.0 / steps if "addiff" in str(folder) else 2.0  # more steps are better here
        error += 0.0 if folder.parent.name == "addiff_dose" else 0.5
        folder.mkdir(parents=True)
        # Patients differ, and systems in them a little, so that the paired t-test has something to test.
        figures = [PlanFigure(f"p{n}", "MAE", "dose region", "Gy", NOT_A_NUMBER, error * (1 + 0.01 * n) + 0.1 * n)
                   for n in range(8)]  # fmt: skip
        write_plan_figures(figures, folder / "plan_figures.csv")
        (folder / "scores.csv").write_text(f"patient,seconds\np0,{steps}\nmean,{steps}\n", encoding="utf-8")
        return 0

    monkeypatch.setattr(cli, "main", answer)
    return given


def table(monkeypatch, output: Path, *options: str) -> list[dict[str, str]]:
    monkeypatch.setattr(sys, "argv", [str(SCRIPT), "--output", str(output), "--steps", "100", *options])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(SCRIPT), run_name="__main__")
    assert ended.value.code == 0
    with open(output / "table.csv", newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def test_all_runs_share_a_cache_and_the_networks_without_patches_a_canvas(tmp_path, monkeypatch, commands):
    table(monkeypatch, tmp_path / "own")
    table(monkeypatch, tmp_path / "given", "--cache", str(tmp_path / "conditioned"))
    trainings = [TrainingConfig.read(command[1]) for command in commands if command[0] == "train"]
    assert len(trainings) == 2 * 8
    assert {told.cache for told in trainings[:8]} == {str(tmp_path / "own" / "cache")}
    assert {told.cache for told in trainings[8:]} == {str(tmp_path / "conditioned")}
    compared = [told for told in trainings if told.stage == "dose"]
    assert {(told.steps, told.decay_steps, told.batch, told.seed, told.learning_rate) for told in compared} == {
        (100, 30, 2, 0, 1e-3)
    }
    baselines = [told for told in compared if told.system == "baseline"]
    assert len(baselines) == 2 * 4
    assert {BaselineStage(told).config.canvas for told in baselines} == {(48, 80, 128)}
    assert {told.canvas for told in compared if told not in baselines} == {None}


def test_diffusion_is_judged_at_every_number_of_steps_and_against_its_like(tmp_path, monkeypatch, commands):
    rows = table(monkeypatch, tmp_path, "--sampling-steps", "4", "1")
    assert len(rows) == 4 + 2 * 3
    found = {(row[""], row["sampling steps"]): row for row in rows}
    assert [steps for name, steps in found if name == "ADDiff-Dose"] == ["1", "4"]
    # The proposed system has no stars; its ablation at one step is worse than it at one step.
    assert [found["ADDiff-Dose", steps]["MAE"] for steps in ("1", "4")] == ["3.455", "1.126"]
    assert found["ADDiff-Dose without clinical loss", "1"]["MAE"] == "3.972***"
    # A network of one pass is tested against the most steps: 2.5 Gy is worse than 0.75, and better than 3.
    assert found["DoseNet", ""]["MAE"].endswith("***")
    assert [found["ADDiff-Dose", steps]["seconds"] for steps in ("1", "4")] == ["1.00", "4.00"]
    text = (tmp_path / "table.md").read_text(encoding="utf-8")
    assert "as many sampling steps (networks without any: with 4)" in text
    # Nothing is done twice.
    done = len(commands)
    table(monkeypatch, tmp_path, "--sampling-steps", "4", "1")
    assert len(commands) == done
    evaluated = [json.dumps(command) for command in commands if command[0] == "evaluate"]
    assert len(set(evaluated)) == len(evaluated) == 10
