"""Results that go into a pipe, a device or a stream: these are written into and stay what they are."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from phantom import ball_dose, ball_patient

from DosePredictionLib.cli.main import main
from DosePredictionLib.csv_file import write_csv
from DosePredictionLib.errors import InputError
from DosePredictionLib.patient.writer_folder import write_patient_folder
from DosePredictionLib.whole_file import is_stream, whole_file

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no such pipes on this system")


@pytest.fixture
def pipe(tmp_path) -> Path:
    os.mkfifo(tmp_path / "pipe")
    return tmp_path / "pipe"


class Reader(threading.Thread):
    """Reads a pipe to its end."""

    def __init__(self, pipe: Path) -> None:
        super().__init__(daemon=True)
        self.pipe, self.read = pipe, b""
        self.start()

    def run(self) -> None:
        self.read = self.pipe.read_bytes()


@pytest.mark.parametrize("linked", [False, True])
def test_a_pipe_gets_the_whole_file_and_stays_a_pipe(linked, pipe, tmp_path):
    path = pipe
    if linked:
        path = tmp_path / "table.csv"
        path.symlink_to(pipe)
    reader = Reader(pipe)
    write_csv(path, ["a", "b"], [[1, 2]])
    reader.join(10.0)
    assert reader.read == b"a,b\r\n1,2\r\n"
    assert stat.S_ISFIFO(pipe.stat().st_mode) and path.is_symlink() is linked
    assert len(os.listdir(tmp_path)) == 1 + linked


def test_a_file_that_fails_leaves_the_stream_without_a_part_of_it(pipe):
    with pytest.raises(InputError), whole_file(pipe) as temporary:
        temporary.write_text("half")
        raise OSError(28, "No space left on device")
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_a_device_stays_a_device():
    write_csv(Path(os.devnull), ["a"], [[1]])
    assert stat.S_ISCHR(os.stat(os.devnull).st_mode) and is_stream(Path(os.devnull))


def test_a_link_to_a_file_is_no_stream(tmp_path):
    (tmp_path / "file").write_text("earlier")
    (tmp_path / "link").symlink_to("file")
    assert not any(is_stream(tmp_path / name) for name in ("file", "link", "none", "."))


@pytest.mark.skipif(not Path("/proc/self/fd/1").exists(), reason="streams have no path in /proc here")
def test_what_goes_to_the_standard_output_ends_where_that_goes(tmp_path):
    program = (
        "import sys; from pathlib import Path; from DosePredictionLib.csv_file import write_csv; "
        "print('before', flush=True); write_csv(Path('/dev/stdout'), ['a'], [[1]]); print('after')"
    )
    with open(tmp_path / "out.txt", "w") as out:
        subprocess.run([sys.executable, "-c", program], cwd=ROOT, stdout=out, check=True)
    assert (tmp_path / "out.txt").read_text().split() == ["before", "a", "1", "after"]
    assert os.listdir(tmp_path) == ["out.txt"]
    assert Path("/dev/stdout").is_symlink()
    shown = subprocess.run([sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE, check=True, text=True)
    assert shown.stdout.split() == ["before", "a", "1", "after"]


def test_a_report_goes_into_a_pipe(pipe, tmp_path):
    write_patient_folder(replace(ball_patient(), reference_dose=ball_dose()), tmp_path / "case")
    ball_dose(2.0).write(tmp_path / "mine.nrrd")
    reader = Reader(pipe)
    command = ["report", str(tmp_path / "case"), "--dose", str(tmp_path / "mine.nrrd"), "--gamma-points", "0"]
    assert main([*command, "-o", str(pipe)]) == 0
    reader.join(10.0)
    assert reader.read.startswith(b"<!DOCTYPE html>") and reader.read.endswith(b"</html>\n")


@pytest.mark.skipif(not Path("/proc/self/fd/1").exists(), reason="streams have no path in /proc here")
@pytest.mark.parametrize("command", ["report", "scorecard", "scorecard of many", "significance"])
def test_a_document_on_the_standard_output_is_alone_there(command, tmp_path):
    data, dose = tmp_path / "data", tmp_path / "doses" / "a" / "dose.nrrd"
    write_patient_folder(replace(ball_patient(), reference_dose=ball_dose()), data / "a")
    ball_dose(2.0).write(dose)
    for name in "AB" if command == "significance" else "":
        assert main(["evaluate", str(data), "--predictions", str(tmp_path / "doses"), "-o", str(tmp_path / name)]) == 0
    arguments, begins, said = {
        "report": (["report", data / "a", "--dose", dose, "--gamma-points", "0"], "<!DOCTYPE html>", "a: /dev/stdout"),
        "scorecard": (["scorecard", data / "a", "--dose", dose], "structure,", "Research use, not for"),
        "scorecard of many": (["scorecard", data, "--predictions", tmp_path / "doses"], "patient,", "not for clinical"),
        "significance": (["significance", tmp_path / "A", tmp_path / "B"], "", "A lower"),
    }[command]
    program = [sys.executable, "-m", "DosePredictionLib", *map(str, arguments)]
    lines = []
    for out in (str(tmp_path / "out"), "/dev/stdout"):
        shown = subprocess.run([*program, "-o", out], cwd=ROOT, capture_output=True, text=True, check=True)
        lines.append(shown.stdout if out != "/dev/stdout" else shown.stderr)
    assert shown.stdout == (tmp_path / "out").read_text() and shown.stdout.startswith(begins)
    assert said.replace("/dev/stdout", str(tmp_path / "out")) in lines[0] and said in lines[1]
