"""What the module's tests share: slicer-core started as a headless Slicer, an empty scene for each test, the stand-in.

Importing the fixtures imports the stand-in, and so before any test imports PySide6.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from DosePredictionScene.headless_application import start_headless_application

sys.path.append(str(Path(__file__).parent))  # what the tests share

start_headless_application()

from DosePredictionScene.prediction_run import PredictionRun  # noqa: E402
from panel_session import session  # noqa: E402, F401
from phantom_scene import SphericalPredictor  # noqa: E402
from standin.fixtures import standin, standin_without_window  # noqa: E402, F401

from DosePredictionLib.report.write import write_report  # noqa: E402


@pytest.fixture(autouse=True)
def empty_scene() -> Iterator[None]:
    """Each test begins with an empty scene, its views laid out, and leaves none of its nodes to the next."""
    import slicer

    slicer.mrmlScene.Clear(False)
    slicer.app.lay_out_views()
    # Made when first asked for; but one that a test before still holds is found though it has left the scene, and the
    # scene would get its own in the midst of this test, when Python lets go of that one.
    if slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene).GetScene() is None:
        gc.collect()
        slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    yield
    slicer.mrmlScene.SetUndoOff()
    slicer.mrmlScene.ClearUndoStack()
    # Slicer keeps the items of all trees in one cache, by their nodes' addresses. Items that outlive their scene would
    # be found for a later test's node at the same address.
    tree = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    tree.RemoveItemChildren(tree.GetSceneItemID(), False, True)
    slicer.mrmlScene.Clear(False)


@pytest.fixture
def predictor() -> SphericalPredictor:
    """A predictor without a process, whose doses are spherical."""
    return SphericalPredictor()


@pytest.fixture
def run(predictor: SphericalPredictor) -> PredictionRun:
    """Predictions on nodes by `predictor`."""
    return PredictionRun(lambda: predictor)


@pytest.fixture
def brief_gamma(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reports of the panel look at few points for gamma, for tests that ask for anything else on the page."""
    assert write_report.__kwdefaults__ is not None
    monkeypatch.setitem(write_report.__kwdefaults__, "gamma_points", 100)
