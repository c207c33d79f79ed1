"""The comparison table: equal runs on one cache, diffusion at several numbers of steps, each against its like."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from benchmark_tables import PATIENTS, PretendedCommands

from DosePredictionLib.dosimetry.plan_figures import PlanFigure, write_plan_figures
from DosePredictionLib.training.baseline_stage import BaselineStage

SCRIPT = "addiff_table.py"
NOT_A_NUMBER = float("nan")


@pytest.fixture
def commands(monkeypatch) -> PretendedCommands:
    """The script's commands."""

    def evaluate(arguments: list[str], folder: Path) -> None:
        steps = int(arguments[arguments.index("--steps") + 1])
        error = 3.0 / steps if "addiff" in str(folder) else 2.0  # more steps are better here
        error += 0.0 if folder.parent.name == "addiff_dose" else 0.5
        # Patients differ, and systems in them a little, so that the paired t-test has something to test.
        figures = [PlanFigure(f"p{n}", "MAE", "dose region", "Gy", NOT_A_NUMBER, error * (1 + 0.01 * n) + 0.1 * n)
                   for n in range(PATIENTS)]  # fmt: skip
        write_plan_figures(figures, folder / "plan_figures.csv")
        (folder / "scores.csv").write_text(f"patient,seconds\np0,{steps}\nmean,{steps}\n", encoding="utf-8")

    return PretendedCommands(monkeypatch, evaluate)


def test_all_runs_share_a_cache_and_the_networks_without_patches_a_canvas(tmp_path, commands):
    commands.table(SCRIPT, tmp_path / "own", "--steps", "100")
    commands.table(SCRIPT, tmp_path / "given", "--steps", "100", "--cache", str(tmp_path / "conditioned"))
    trainings = list(commands.trainings().values())
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


def test_diffusion_is_judged_at_every_number_of_steps_and_against_its_like(tmp_path, commands):
    rows = commands.table(SCRIPT, tmp_path, "--steps", "100", "--sampling-steps", "4", "1")
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
    done = len(commands.given)
    commands.table(SCRIPT, tmp_path, "--steps", "100", "--sampling-steps", "4", "1")
    assert len(commands.given) == done
    evaluated = [json.dumps(command) for command in commands.given if command[0] == "evaluate"]
    assert len(set(evaluated)) == len(evaluated) == 10
