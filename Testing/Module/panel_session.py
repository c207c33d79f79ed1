"""The panel in the stand-in, with a predictor that the test plays or with the real one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import slicer
import standin.session  # noqa: F401 (before anything imports PySide6)
from DosePredictionScene.prediction_run import PredictionRun
from DosePredictionScene.self_test import phantom_nodes
from phantom_scene import SphericalPredictor
from standin.gestures import click
from standin.main_thread_watch import LongestPause
from standin.session import WAIT_S, Standin

ROOT = Path(__file__).resolve().parents[2]
MODULE = ROOT / "DosePrediction" / "DosePrediction.py"


#: Of one turn of the event loop: the main thread's own work, and what a clock shows where other processes run too. The
#: work is 0.02 to 0.05 s here; a virtual machine counts as work what others took from it, up to 0.13 s so far.
LONGEST_TURN_CPU_S, LONGEST_TURN_WALL_S = 0.25, 1.0


def assert_never_stood_still(longest: LongestPause) -> None:
    """The main thread was never kept for longer than a quarter of a second."""
    assert longest.cpu_s < LONGEST_TURN_CPU_S, f"the main thread worked {longest.cpu_s:.3f} s at a stretch"
    assert longest.wall_s < LONGEST_TURN_WALL_S, f"the panel stood still for {longest.wall_s:.3f} s"


def load_scene(path: Path, folder: Path, *, add: bool = False) -> None:
    """As Slicer loads a bundle, which in slicer-core asks for an application: instead of what is open, or beside it.

    Args:
        path: the bundle.
        folder: a new one, to unpack it into.
        add: beside what is open.
    """
    folder.mkdir()
    slicer.mrmlScene.SetURL(slicer.mrmlScene.UnpackSlicerDataBundle(str(path), str(folder)))
    assert slicer.mrmlScene.Import(None) if add else slicer.mrmlScene.Connect()


class Session:
    """The module's panel, shown.

    Args:
        standin: the application.
        real: predict with the shipped weights in a process of its own.
    """

    def __init__(self, standin: Standin, *, real: bool = False) -> None:
        self.standin = standin
        self.predictor = SphericalPredictor()
        self.host = standin.load_module(MODULE)
        self.host.module.widgetRepresentation()
        if not real:
            self.inject()
        self.host.enter()
        self.settle()

    def inject(self) -> None:
        """Let the panel predict with the test's predictor."""
        widget = self.host.widget
        logic = type(widget.logic)(PredictionRun(lambda: self.predictor))
        widget.logic = widget.panel.logic = logic

    @property
    def panel(self) -> Any:
        return self.host.widget.panel

    def settle(self, seconds: float = WAIT_S) -> None:
        """Let everything under way in the panel come to its end, but for a prediction."""
        self.standin.process_events(
            until=lambda: not self.panel.jobs and not self.panel._refresh_timer.isActive(), seconds=seconds
        )

    def phantom(self) -> tuple[Any, Any]:
        """The phantom in the scene, chosen."""
        ct, segmentation = phantom_nodes()
        self.panel.parameters.ct, self.panel.parameters.segmentation = ct, segmentation
        self.settle()
        return ct, segmentation

    def predict(self) -> None:
        """Press the button and let the fake predictor answer at once."""
        click(self.panel.run.ui.predictButton)
        self.standin.process_events(until=lambda: self.predictor.busy)
        self.predictor.finish()
        self.standin.process_events(until=lambda: not self.panel.logic.busy)
        self.settle()

    def add_clinical_dose(self, less_gy: float = 2.0) -> Any:
        """Choose a clinical dose of so much less than the predicted one, which is there; its node."""
        ct = self.panel.parameters.ct
        dose = slicer.util.arrayFromVolume(ct.GetNodeReference("DosePrediction.Dose"))
        clinical = slicer.util.addVolumeFromArray(np.maximum(dose - less_gy, 0.0), name="Clinical")
        clinical.CopyOrientation(ct)
        self.panel.parameters.clinical_dose = clinical
        self.settle()
        return clinical

    @property
    def status(self) -> str:
        return str(self.panel.run.ui.statusLabel.text)


@pytest.fixture
def session(standin: Standin) -> Iterator[Session]:
    """The panel with the test's predictor."""
    yield Session(standin)
