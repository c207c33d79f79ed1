"""The table of the default system's parts: one change a run, equal steps, all against the unchanged run."""

from __future__ import annotations

from pathlib import Path

import pytest
from benchmark_tables import PretendedCommands, write_rows

from DosePredictionLib.systems.default import DefaultSystem
from DosePredictionLib.systems.registry import system_from_config

SCRIPT = "default_table.py"


@pytest.fixture
def commands(monkeypatch) -> PretendedCommands:
    """The script's commands; every change costs a quarter of a gray."""

    def evaluate(_: list[str], folder: Path) -> None:
        error = 3.0 if folder.parent.name == "default" else 3.25
        write_rows(folder / "scores.csv", {"dose_score_gy": error, "dvh_score_gy": error - 1})
        write_rows(folder / "slices.csv", {"roughness_ratio": 1.0})

    return PretendedCommands(monkeypatch, evaluate)


def test_every_run_differs_by_its_one_change(tmp_path, commands):
    rows = {row[""]: row for row in commands.table(SCRIPT, tmp_path)}
    assert rows["default"]["dose score, Gy"] == "3.351"
    assert rows["instance norm"]["dose score, Gy"].startswith("3.601 (+0.250, p = 0")
    runs = {Path(folder).name: told for folder, told in commands.trainings().items()}
    assert len(runs) == len(rows) == 12
    plain = runs["default"]
    assert (plain.steps, plain.decay_steps, plain.unturned_steps, plain.seed) == (500, 150, 0, 0)
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


def test_a_part_of_the_table_can_be_asked_for_and_nothing_is_done_twice(tmp_path, commands):
    rows = commands.table(SCRIPT, tmp_path, "--only", "no-guidance")
    assert [row[""] for row in rows] == ["default", "no guidance below the input"]
    assert len(commands.given) == 4
    commands.table(SCRIPT, tmp_path, "--only", "no-guidance", "adamw")
    assert len(commands.given) == 6


def test_other_patients_are_no_part_of_an_earlier_table(tmp_path, commands, capsys):
    folders = [tmp_path / name for name in ("some", "others")]
    for number, folder in enumerate(folders):
        folder.mkdir()
        (folder / f"pt_{number}.npz").touch()
    asked = ["--only", "no-guidance", "--validation", str(folders[0])]
    commands.table(SCRIPT, tmp_path / "runs", *asked)
    commands.table(SCRIPT, tmp_path / "runs", *asked[:-1], str(folders[1]), code=2)
    assert "holds a run of other validation patients; take it away" in capsys.readouterr().err
    commands.table(SCRIPT, tmp_path / "runs", *asked, "--train", str(folders[1]), code=2)
    assert "holds a run of other training patients" in capsys.readouterr().err
    assert len(commands.given) == 4
