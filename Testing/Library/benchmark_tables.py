"""Scripts of Testing/Benchmarks that train, evaluate and compare, run with pretended commands."""

from __future__ import annotations

import csv
import runpy
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest

from DosePredictionLib.cli import main as cli
from DosePredictionLib.training.config import TrainingConfig

BENCHMARKS = Path(__file__).resolve().parents[1] / "Benchmarks"
PATIENTS = 8


class PretendedCommands:
    """Takes the place of the command line: keeps the commands, and writes the files that they would write.

    Attributes:
        given: the commands.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch, evaluate: Callable[[list[str], Path], None]) -> None:
        """
        Args:
            monkeypatch: of the test.
            evaluate: writes the tables of an ``evaluate`` command to its folder.
        """
        self.given: list[list[str]] = []
        self._evaluate, self._monkeypatch = evaluate, monkeypatch
        monkeypatch.setattr(cli, "main", self._answer)

    def _answer(self, arguments: list[str]) -> int:
        self.given.append(arguments)
        if arguments[0] == "train":
            # Every training leaves other weights.
            (Path(arguments[1]).parent / "weights.safetensors").write_text(str(len(self.given)))
            return 0
        folder = Path(arguments[-1])
        folder.mkdir(parents=True, exist_ok=True)
        self._evaluate(arguments, folder)
        return 0

    def trainings(self) -> dict[str, TrainingConfig]:
        """Folder to the configuration that was trained there, in the order of the commands."""
        return {str(Path(one[1]).parent): TrainingConfig.read(one[1]) for one in self.given if one[0] == "train"}

    def table(self, script: str, output: Path, *options: str, code: int = 0) -> list[dict[str, str]]:
        """The rows of the table that a script, which ends with this exit code, has written."""
        self._monkeypatch.setattr(sys, "argv", [script, "--output", str(output), *options])
        with pytest.raises(SystemExit) as ended:
            runpy.run_path(str(BENCHMARKS / script), run_name="__main__")
        assert ended.value.code == code
        with open(output / "table.csv", newline="", encoding="utf-8") as stream:
            return list(csv.DictReader(stream))


def write_rows(path: Path, columns: Mapping[str, float], spread: float = 0.1) -> None:
    """Write a table with a row a patient.

    Patients differ, and their differences a little, so that the paired t-test has something to test.

    Args:
        path: of the table.
        columns: column to the first patient's figure.
        spread: from one patient to the next.
    """
    rows: list[Sequence[str]] = [("patient", *columns)]
    rows += [(f"p{n}", *(f"{value + spread * n + 0.001 * (n % 3):.6f}" for value in columns.values()))
             for n in range(PATIENTS)]  # fmt: skip
    path.write_text("".join(",".join(row) + "\n" for row in rows), encoding="utf-8")
