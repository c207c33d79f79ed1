"""Pictures of the panel for the README: ``python Testing/Module/screenshots.py FOLDER``; default Resources/Screenshots.

The panel runs in the stand-in, so these are pictures of the panel's own widgets drawn by PySide6, not of Slicer's
window; the views are rendered by slicer-core.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "DosePrediction"), str(ROOT / "Testing" / "Library"), str(Path(__file__).parent)]

from DosePredictionScene.headless_application import start_headless_application  # noqa: E402

start_headless_application()

import standin.session  # noqa: E402, F401 (before anything imports PySide6)
from DosePredictionScene.headless_case import write_pictures  # noqa: E402
from DosePredictionScene.nodes_from_patient import PatientNodes  # noqa: E402
from panel_session import Session  # noqa: E402
from standin.gestures import click  # noqa: E402
from standin.session import Standin  # noqa: E402

SAMPLES = 4


def take_pictures(folder: Path) -> None:
    """Open the panel, load the sample patient, predict with the shipped weights, and write a picture of each state."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary:
        application = Standin(Path(temporary))
        application.begin()
        try:
            session = Session(application, real=True)
            panel = session.panel
            session.host.grab(folder / "panel-empty.png")
            click(panel.inputs.ui.sampleDataButton)
            session.settle()
            panel.parameters.samples = SAMPLES
            panel.prescription.widget.collapsed = panel.model.widget.collapsed = False
            session.settle()
            click(panel.run.ui.predictButton)
            bar = panel.run.ui.progressBar
            application.process_events(until=lambda: 0 < bar.value or not panel.logic.busy, seconds=120)
            session.host.grab(folder / "panel-running.png")
            application.process_events(until=lambda: not panel.logic.busy, seconds=300)
            panel.prescription.widget.collapsed = panel.model.widget.collapsed = True
            session.settle()
            if panel.logic.shown is None:
                raise RuntimeError(session.status)
            session.host.grab(folder / "panel-results.png")
            parameters = panel.parameters
            nodes = PatientNodes(parameters.ct, parameters.segmentation, parameters.clinical_dose)
            write_pictures(nodes, panel.logic.shown, folder)
            if application.failures.report():
                raise RuntimeError(application.failures.report())
        finally:
            application.end()


if __name__ == "__main__":
    take_pictures(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "Resources" / "Screenshots")
