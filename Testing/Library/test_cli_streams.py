"""The command line where nobody listens: closed streams, and pipes that nobody reads to the end."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from phantom import ball_dose, ball_patient

from DosePredictionLib.cli.main import main
from DosePredictionLib.cli.progress_bar import ProgressBar
from DosePredictionLib.inference.progress import Progress
from DosePredictionLib.patient.writer_folder import write_patient_folder

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def scored(tmp_path_factory) -> list[str]:
    """A command that prints a table."""
    folder = tmp_path_factory.mktemp("cases")
    write_patient_folder(ball_patient(), folder / "ball")
    ball_dose().write(folder / "dose.nrrd")
    return ["scorecard", str(folder / "ball"), "--dose", str(folder / "dose.nrrd")]


@pytest.mark.parametrize("closed", ["stdout", "stderr"])
def test_a_closed_stream_costs_nothing(closed, scored, monkeypatch):
    monkeypatch.setattr(sys, closed, None)
    assert main(scored) == 0
    bar = ProgressBar("ball")  # writes to what `main` opened in the stream's place
    bar.show(Progress("denoising", 1, 2, None))
    bar.close()


@pytest.mark.skipif(sys.platform == "win32", reason="pipes break with another error there")
@pytest.mark.parametrize("both", [False, True])
def test_a_pipe_that_nobody_reads_ends_the_command_without_a_word(both, scored):
    told = subprocess.STDOUT if both else subprocess.PIPE
    command = subprocess.Popen([sys.executable, "-m", "DosePredictionLib", *scored], cwd=ROOT, stdout=subprocess.PIPE,
                               stderr=told)  # fmt: skip
    assert command.stdout is not None
    command.stdout.close()
    said = b"" if command.stderr is None else command.stderr.read()
    assert command.wait(60) == 1 and said == b""
