"""The environment variables that the prediction process gets: those of its own Python, not of Slicer's."""

from __future__ import annotations

import json
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

    def ask(python: str | None = None) -> dict[str, str]:
        client = WorkerClient(python=python, entry_script=Path(script))
        client.submit(ball_patient(), PredictionOptions())
        event = client.wait(60.0)
        client.close()
        assert isinstance(event, Failed), event
        return json.loads(event.text)

    return ask


def test_graphics_cards_are_numbered_as_the_panel_numbers_them(environment_of_process, monkeypatch):
    monkeypatch.delenv("CUDA_DEVICE_ORDER", raising=False)
    assert environment_of_process()["CUDA_DEVICE_ORDER"] == "PCI_BUS_ID"
    assert process_environment({"CUDA_DEVICE_ORDER": "FASTEST_FIRST"})["CUDA_DEVICE_ORDER"] == "FASTEST_FIRST"
