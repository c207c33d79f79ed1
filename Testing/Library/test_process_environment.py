"""The environment variables that the prediction process gets: those of its own Python, not of Slicer's."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest
from phantom import ball_patient

from DosePredictionLib.inference.options import PredictionOptions
from DosePredictionLib.worker.client import WorkerClient
from DosePredictionLib.worker.events import Failed
from DosePredictionLib.worker.process_environment import process_environment

TELLS_ITS_ENVIRONMENT = (
    "import json, os\n"
    'print(json.dumps({"type": "unusable", "kind": "input", "text": json.dumps(dict(os.environ))}), flush=True)\n'
)


@pytest.fixture
def environment_of_process(tmp_path):
    """What a process that a client starts now finds in its environment."""
    script = tmp_path / "tells.py"
    script.write_text(TELLS_ITS_ENVIRONMENT)

    def ask() -> dict[str, str]:
        client = WorkerClient(entry_script=Path(script))
        client.submit(ball_patient(), PredictionOptions())
        event = client.wait(60.0)
        client.close()
        assert isinstance(event, Failed), event
        return json.loads(event.text)

    return ask


def test_graphics_cards_are_numbered_as_the_panel_numbers_them(environment_of_process, monkeypatch):
    monkeypatch.delenv("CUDA_DEVICE_ORDER", raising=False)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert environment_of_process()["CUDA_DEVICE_ORDER"] == "PCI_BUS_ID"
    assert process_environment({"CUDA_DEVICE_ORDER": "FASTEST_FIRST"})["CUDA_DEVICE_ORDER"] == "FASTEST_FIRST"
    chosen = process_environment({"CUDA_VISIBLE_DEVICES": "0"})
    assert "CUDA_DEVICE_ORDER" not in chosen, "it would make the user's number another card's"


@pytest.fixture
def in_slicer(tmp_path, monkeypatch):
    """Variables as Slicer's launcher leaves them on Linux: its own, and those that it found, under other names."""
    for name in ("PYTHONHOME", "PYTHONPATH", "PYTHONNOUSERSITE", "LD_LIBRARY_PATH"):
        monkeypatch.delenv(name, raising=False)
    found = dict(os.environ) | {"LD_LIBRARY_PATH": "/opt/cuda/lib64"}
    for name, value in found.items():
        monkeypatch.setenv(f"APPLAUNCHER_0_{name}", value)
    slicer = str(tmp_path / "Slicer")
    monkeypatch.setenv("APPLAUNCHER_LEVEL", "1")
    monkeypatch.setenv("PYTHONHOME", f"{slicer}/lib/Python")
    monkeypatch.setenv("PYTHONPATH", f"{slicer}/lib/Python/lib/python3.12")
    monkeypatch.setenv("PYTHONNOUSERSITE", "1")
    monkeypatch.setenv("LD_LIBRARY_PATH", f"{slicer}/lib:{found['LD_LIBRARY_PATH']}")
    monkeypatch.setenv("PATH", f"{slicer}/bin:{found['PATH']}")
    return found


def test_another_python_than_slicers_gets_nothing_of_slicers_own(in_slicer, environment_of_process, monkeypatch):
    """With Slicer's PYTHONHOME it would die at its start, with its libraries it would load those."""
    monkeypatch.setenv("DOSE_PREDICTION_PYTHON", sys.executable)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")  # set since
    found = environment_of_process()
    assert not {"PYTHONHOME", "PYTHONPATH", "PYTHONNOUSERSITE"} & found.keys()
    assert found["LD_LIBRARY_PATH"] == "/opt/cuda/lib64" and found["PATH"] == in_slicer["PATH"]
    assert found["CUDA_VISIBLE_DEVICES"] == "1"


def test_slicers_own_python_keeps_what_its_launcher_set(in_slicer, monkeypatch):
    monkeypatch.delenv("DOSE_PREDICTION_PYTHON", raising=False)
    monkeypatch.setenv("PYTHONIOENCODING", "utf-8")
    monkeypatch.setenv("PYTHONUNBUFFERED", "1")
    assert process_environment(os.environ).items() >= dict(os.environ).items()


def test_outside_of_slicer_a_users_own_variables_stay():
    users = {"DOSE_PREDICTION_PYTHON": "python3", "PYTHONPATH": "/home/me/lib", "LD_LIBRARY_PATH": "/opt/cuda/lib64"}
    assert process_environment(users).items() >= users.items()
