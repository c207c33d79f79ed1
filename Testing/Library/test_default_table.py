"""The table of the default system's parts: one change a run, equal steps, all against the unchanged run."""

from __future__ import annotations

import csv
import runpy
import sys
from pathlib import Path

import pytest

from DosePredictionLib.cli import main as cli
from DosePredictionLib.systems.default import DefaultSystem
from DosePredictionLib.systems.registry import system_from_config
from DosePredictionLib.training.config import TrainingConfig

SCRIPT = Path(__file__).resolve().parents[1] / "Benchmarks" / "default_table.py"


@pytest.fixture
def commands(monkeypatch) -> list[list[str]]:
    """The commands that the script gives, each answered with the files that it would write."""
    given: list[list[str]] = []

    def answer(arguments: list[str]) -> int:
        given.append(arguments)
        if arguments[0] == "train":
            (Path(arguments[1]).parent / "weights.safetensors").touch()
            return 0
        folder = Path(arguments[-1])
        folder.mkdir(parents=True)
        error = 3.0 if folder.parent.name == "default" else 3.25
        rows = [f"p{n},{error + 0.1 * n + 0.001 * (n % 3)},2.0" for n in range(8)]
        (folder / "scores.csv").write_text("\n".join(["patient,dose_score_gy,dvh_score_gy", *rows]) + "\n")
        (folder / "slices.csv").write_text("patient,roughness_ratio\np0,1.0\n")
        return 0

    monkeypatch.setattr(cli, "main", answer)
    return given


def table(monkeypatch, output: Path, *options: str) -> dict[str, dict[str, str]]:
    monkeypatch.setattr(sys, "argv", [str(SCRIPT), "--output", str(output), *options])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(SCRIPT), run_name="__main__")
    assert ended.value.code == 0
    with open(output / "table.csv", newline="", encoding="utf-8") as stream:
        return {row[""]: row for row in csv.DictReader(stream)}


def test_every_run_differs_by_its_one_change(tmp_path, monkeypatch, commands):
    rows = table(monkeypatch, tmp_path)
    assert rows["default"]["dose score, Gy"] == "3.351"
    assert rows["instance norm"]["dose score, Gy"].startswith("3.601 (+0.250, p = 0")
    runs = {Path(command[1]).parent.name: TrainingConfig.read(command[1]) for command in commands
            if command[0] == "train"}  # fmt: skip
    assert len(runs) == len(rows) == 11
    plain = runs["default"]
    assert (plain.steps, plain.decay_steps, plain.seed) == (500, 150, 0)
    systems = {name: system_from_config(run.system, run.system_config) for name, run in runs.items()}
    told = {name: [field for field in ("steps", "decay_steps", "optimiser", "curve_weight", "turn_probability", "seed",
                                       "learning_rate", "batch") if getattr(run, field) != getattr(plain, field)]
            for name, run in runs.items()}  # fmt: skip
    assert told["adamw"] == ["optimiser"] and told["no-dvh-terms"] == ["curve_weight"]
    assert told["no-turns"] == ["turn_probability"]
    assert all(
        not told[name]
        for name in ("instance-norm", "packed-stem", "no-guidance", "no-beams", "no-distances", "always-noise")
    )
    for name in ("adamw", "no-dvh-terms", "no-turns"):
        assert systems[name] == systems["default"]
    left_out = {name: set(DefaultSystem().channels) - set(system.channels) for name, system in systems.items()}
    assert left_out.pop("no-beams") == {"beams_high", "beams_any"}
    assert left_out.pop("no-distances") == {"distance_high", "distance_any"}
    assert not any(left_out.values())


def test_a_part_of_the_table_can_be_asked_for_and_nothing_is_done_twice(tmp_path, monkeypatch, commands):
    assert list(table(monkeypatch, tmp_path, "--only", "no-guidance")) == ["default", "no guidance below the input"]
    assert len(commands) == 4
    table(monkeypatch, tmp_path, "--only", "no-guidance", "adamw")
    assert len(commands) == 6
