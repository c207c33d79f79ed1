"""Pictures of the panel for the README: ``python Testing/Module/screenshots.py FOLDER``; default Resources/Screenshots.

The panel runs in the stand-in, so these are pictures of the panel's own widgets drawn by PySide6, not of Slicer's
window; the views are rendered by slicer-core.
"""

from __future__ import annotations

import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "DosePrediction"), str(ROOT / "Testing" / "Library"), str(Path(__file__).parent)]

from DosePredictionScene.headless_application import start_headless_application  # noqa: E402

start_headless_application()

import slicer  # noqa: E402
import standin.session  # noqa: E402, F401 (before anything imports PySide6)
from DosePredictionScene.headless_case import write_pictures  # noqa: E402
from DosePredictionScene.layout import DOSE_OPACITY  # noqa: E402
from DosePredictionScene.nodes_from_patient import PatientNodes  # noqa: E402
from DosePredictionScene.offscreen.chart_picture import chart_picture  # noqa: E402
from DosePredictionScene.offscreen.png_file import write_png  # noqa: E402
from DosePredictionScene.offscreen.slice_picture import slice_picture  # noqa: E402
from DosePredictionScene.offscreen.views_picture import slice_shots  # noqa: E402
from DosePredictionScene.prediction_run import Shown  # noqa: E402
from panel_session import Session  # noqa: E402
from PySide6 import QtGui  # noqa: E402
from standin.gestures import click  # noqa: E402
from standin.pythonqt.described import stand_ins  # noqa: E402
from standin.session import Standin  # noqa: E402

#: Edge of a slice view and of the chart, height of the table, and what lies between, in pixels.
VIEW, TABLE_HEIGHT, GAP = 480, 260, 4


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
            write_png(layout_picture(session, panel.logic.shown), folder / "layout.png")
            if application.failures.report():
                raise RuntimeError(application.failures.report())
        finally:
            application.end()


def layout_picture(session: Session, shown: Shown) -> np.ndarray:
    """The panel beside the views of the layout that a prediction is shown in: axial, chart, coronal, sagittal, table.

    Slices and chart are rendered by slicer-core; panel and table are PySide6's widgets.
    """
    parameters, dose = session.panel.parameters, shown.nodes.dose
    views = {
        shot.orientation: slice_picture(replace(shot, legend_of=(dose,)), parameters.ct, dose, DOSE_OPACITY, VIEW)
        for shot in slice_shots(shown.prediction, dose)
    }
    chart = chart_picture(shown.nodes.chart, width=VIEW, height=VIEW, font_size=10)
    height = 2 * VIEW + GAP + TABLE_HEIGHT + GAP
    session.host.grab_at(height)
    session.panel._scroll_area.verticalScrollBar().value = session.panel.run.widget.y
    panel = pixels_of(session.host.grab_at(height))
    table = pixels_of(table_picture(shown.nodes.goals, 2 * VIEW + GAP, TABLE_HEIGHT))
    column = np.full((VIEW, GAP, 3), 60, np.uint8)
    rows = [
        np.concatenate([views["Axial"], column, chart], axis=1),
        np.concatenate([views["Coronal"], column, views["Sagittal"]], axis=1),
        table,
    ]
    line = np.full((GAP, 2 * VIEW + GAP, 3), 60, np.uint8)
    right = np.concatenate([rows[0], line, rows[1], line, rows[2]], axis=0)
    between = np.full((height, GAP, 3), 60, np.uint8)
    return np.concatenate([panel, between, right], axis=1)


def table_picture(table_node: Any, width: int, height: int) -> Any:
    """A table node in the stand-in's table view: a QPixmap."""
    view = stand_ins["qMRMLTableView"]()
    view.setMRMLTableNode(table_node)
    cells = view.tableModel()
    for row in range(cells.rowCount()):
        item = cells.item(row, 0)
        item.setText(item.text().split(" ", 1)[1])  # coloured circles need a font that is not here
    view.verticalHeader().hide()
    view.resizeColumnsToContents()
    view.resize(width, height)
    view.show()
    slicer.app.processEvents()
    picture = view.grab()
    view.hide()
    view.deleteLater()
    return picture


def pixels_of(pixmap: Any) -> np.ndarray:
    """(height, width, 3) uint8."""
    image = pixmap.toImage().convertToFormat(QtGui.QImage.Format.Format_RGB888)
    array = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), image.bytesPerLine())
    return array[:, : 3 * image.width()].reshape(image.height(), image.width(), 3).copy()


if __name__ == "__main__":
    take_pictures(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "Resources" / "Screenshots")
