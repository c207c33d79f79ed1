"""The command line where nobody listens: closed streams, and pipes that nobody reads to the end."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from phantom import ball_dose, ball_patient

from DosePredictionLib.cli.main import main
from DosePredictionLib.cli.progress_bar import ProgressBar
from DosePredictionLib.dosimetry.goals import bundled_goals, evaluate_goals
from DosePredictionLib.dosimetry.tables import format_goals_table
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


@pytest.mark.skipif(sys.platform == "win32", reason="there are no pseudo-terminals there")
@pytest.mark.parametrize("columns", [80, 60, 0])
def test_a_progress_bar_keeps_to_its_line(columns):
    import fcntl
    import pty
    import struct
    import termios

    reader, writer = pty.openpty()
    fcntl.ioctl(writer, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    with open(writer, "w", encoding="utf-8") as terminal:
        bar = ProgressBar("a_patient_of_quite_a_long_name_" * 3, terminal)
        bar.show(Progress("reading", 0, 0, None))
        bar.show(Progress("conditioning", 0, 32, None))
        bar.show(Progress("sampling", 31, 32, 12.5))
        bar.close()
        said = ""
        while not said.endswith("\r\n"):  # a terminal hands on what it was given in pieces
            said += os.read(reader, 10_000).decode()
    os.close(reader)
    reading, *_, last = shown = said.removesuffix("\r\n").split("\r")[1:]
    # A line in a terminal's last column begins the next one; a size of 0 is none, and 80 is usual.
    assert len(shown) == 3 and {len(line) for line in shown} == {(columns or 80) - 1}
    assert "0/0" not in reading and "reading" in reading
    assert last.rstrip().endswith("sampling 31/32  12.5 s left")


def test_sentences_below_the_goals_are_as_wide_as_the_terminal(monkeypatch):
    patient = ball_patient()
    results = evaluate_goals(bundled_goals("head-and-neck"), patient, ball_dose(), {})
    for columns, widest in (("60", 60), ("300", 100)):
        monkeypatch.setenv("COLUMNS", columns)
        absent = format_goals_table(results).partition("Not applicable")[2].splitlines()
        assert 0.7 * widest < max(map(len, absent[1:])) <= widest
