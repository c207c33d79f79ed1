"""What ``make`` hands on: names with blanks and quotes stay whole."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")


def said(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """What a target would run, an argument a line; nothing is installed."""
    # Within make, as these tests run there, make tells its folders, too.
    command = ["make", "--no-print-directory", "-o", "venv", "-o", "system-packages", "PY=printf '%s\\n'", *arguments]
    kept = {name: value for name, value in os.environ.items() if name not in ("CASE", "CONFIG", "MAKEFLAGS", "MFLAGS")}
    return subprocess.run(command, cwd=ROOT, env={**kept, **environment}, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("name", ["config.json", "my config.json", 'Müller\'s "best" run.json', "a;b & c.json"])
def test_a_name_stays_whole(name):
    trained = ["-m", "DosePredictionLib", "train", name]
    assert said("train", f"CONFIG={name}").stdout.splitlines() == trained
    assert said("train", CONFIG=name).stdout.splitlines() == trained
    assert said("demo", f"CASE={name}").stdout.splitlines()[1:] == [name, "-o", "demo-output"]


def test_without_a_configuration_it_is_asked_for():
    done = said("train")
    assert done.returncode == 2 and "make train CONFIG=file.json" in done.stderr


def test_the_demo_is_of_the_sample_patient():
    assert "Resources/SampleData/openkbp-pt_236/" in said("demo").stdout.splitlines()
