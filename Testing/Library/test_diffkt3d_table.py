"""The table of DiffKT3D's parts: what starts from what, equal steps on the dose, each against its like."""

from __future__ import annotations

import shutil
from pathlib import Path

from benchmark_tables import PretendedCommands, write_rows

#: Dose scores (Gy) and scorecards (%) that the runs are pretended to have.
SCORES = {
    "diffkt3d-from-scratch": (4.0, 60.0),
    "diffkt3d": (3.5, 61.0),
    "diffkt3d-no-role": (4.1, 60.0),
    "diffkt3d-no-slot": (4.0, 60.0),
    "diffkt3d-post-training": (3.52, 64.0),
    "diffkt3d-post-training-control": (3.5, 61.0),
}


def evaluate(_: list[str], folder: Path) -> None:
    error, percent = SCORES[folder.parent.name]
    write_rows(folder / "scores.csv", {"dose_score_gy": error, "dvh_score_gy": error - 1})
    write_rows(folder / "slices.csv", {"roughness_ratio": 1.0})
    write_rows(folder / "scorecard.csv", {"scorecard_percent": percent, "reference_percent": 70.0}, spread=1.0)


def test_what_starts_from_what_and_is_held_against_what(tmp_path, monkeypatch):
    commands = PretendedCommands(monkeypatch, evaluate)
    commands.table("diffkt3d_table.py", tmp_path)
    rows = {row[""]: row for row in commands.table("diffkt3d_table.py", tmp_path)}
    # The second time nothing was left to do.
    assert len(commands.given) == 7 + 6
    first, *rest = commands.trainings().values()
    assert (first.stage, first.system_config, first.steps) == ("any-to-any", {"dose_share": 0.0}, 1000)
    assert {(told.steps, told.decay_steps, told.seed) for told in rest if told.stage == "dose"} == {(1200, 360, 0)}
    starts = {Path(told.output).name: Path(told.from_weights).parent.name for told in rest if told.from_weights}
    assert starts == {"diffkt3d": "diffkt3d-any-to-any", "diffkt3d-post-training": "diffkt3d",
                      "diffkt3d-post-training-control": "diffkt3d"}  # fmt: skip
    assert rows["dose from nothing"]["dose score, Gy"] == "4.351"
    assert rows["dose after any-to-any"]["dose score, Gy"].startswith("3.851 (-0.500, p = 0")
    trained = rows["after any-to-any, post-trained"]
    assert trained["against"] == "dose after any-to-any"
    assert trained["scorecard, %"].startswith("67.501 (+3.000, p = 0") and "+0.020" in trained["dose score, Gy"]
    assert "p = 1" in rows["the same without the policy's loss"]["scorecard, %"]


def test_runs_after_another_first_one_are_not_mixed_with_those_before(tmp_path, monkeypatch, capsys):
    commands = PretendedCommands(monkeypatch, evaluate)
    commands.table("diffkt3d_table.py", tmp_path)
    shutil.rmtree(tmp_path / "diffkt3d-any-to-any")
    commands.table("diffkt3d_table.py", tmp_path, code=2)
    told = f"{tmp_path / 'diffkt3d'} holds a run of other weights to start from; take it away"
    assert told in capsys.readouterr().err
