"""The phantom on a scorecard, its cord drawn anew, and what the panel then says of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import slicer
from panel_session import Session, load_scene


def scored_phantom(session: Session) -> Session:
    """The phantom predicted, measured and on a scorecard."""
    session.phantom()
    session.panel.parameters.scorecard = "head-and-neck"
    session.settle()
    session.predict()
    return session


def draw_in_the_target(ct: Any = None, segmentation: Any = None) -> None:
    """Draw the cord anew."""
    ct = ct or slicer.util.getNode("Phantom CT")
    segmentation = segmentation or slicer.util.getNode("Phantom structures")
    cord = segmentation.GetSegmentation().GetSegmentIdBySegmentName("SpinalCord")
    _, y, x = np.indices((24, 40, 48))
    mask = (np.hypot(y - 20, x - 24) < 3).astype(np.uint8)
    slicer.util.updateSegmentBinaryLabelmapFromArray(mask, segmentation, cord, ct)


def figures_of(session: Session) -> tuple[str, str]:
    """The cord's goal, and the points of the scorecard."""
    table = session.panel.results.ui.goalsTable
    rows = [[table.item(row, column).text() for column in range(4)] for row in range(table.rowCount)]
    value = next(row[3] for row in rows if row[1] == "SpinalCord" and row[3] != "-")
    return value, str(session.panel.results.ui.scorecardTotalLabel.text)


def save(path: Path) -> None:
    assert slicer.mrmlScene.WriteToMRB(str(path))


def save_and_load(session: Session, folder: Path) -> None:
    """Close the scene, and let Slicer load it."""
    save(folder / "scene.mrb")
    slicer.mrmlScene.Clear(False)
    session.settle()
    load_scene(folder / "scene.mrb", folder / "unpacked")
