"""The main thread is never kept for longer than a quarter of a second: on the sample patient and on a large CT."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import slicer
from panel_session import Session, assert_never_stood_still
from phantom_scene import SphericalPredictor
from standin.gestures import choose, click, click_cell
from standin.main_thread_watch import watched_main_thread
from standin.session import Standin

from DosePredictionLib.inference.options import Provenance
from DosePredictionLib.patient.volume import Volume
from DosePredictionLib.worker.events import Finished

#: A busy computer takes its time.
PATIENCE_S = 120.0
SHAPE = (100, 512, 512)
SPACING_MM = (1.0, 1.0, 2.5)


class LargePredictor(SphericalPredictor):
    """Gives a dose, and a standard deviation of 2 % of it, that were made before."""

    def __init__(self, dose_gy: np.ndarray) -> None:
        super().__init__()
        self.dose_gy, self.std_gy = dose_gy, dose_gy * np.float32(0.02)

    def finish(self) -> None:
        assert self.patient is not None
        geometry, identifier = self.patient.geometry, self.patient.identifier
        provenance = Provenance(
            system="analytic", weights="none", weights_sha256="", trained_on="nothing", patient=identifier,
            samples=2, steps=1, seed=0, device="cpu", device_name="", seconds={"total": 0.0}, versions={},
        )  # fmt: skip
        self.patient = None
        dose, std = Volume(self.dose_gy, geometry), Volume(self.std_gy, geometry)
        self._events.append(Finished(dose, std, provenance, request=self.number))


def large_patient() -> tuple[Any, Any, Any, np.ndarray]:
    """CT node, segmentation node, clinical dose node on a coarser grid, and a dose on the CT's grid."""
    z, y, x = np.ogrid[: SHAPE[0], : SHAPE[1], : SHAPE[2]]
    radius_squared = (y - 256) ** 2 + (x - 256) ** 2
    body = np.broadcast_to(radius_squared < 200**2, SHAPE)
    ct = slicer.util.addVolumeFromArray(np.where(body, 0, -1000).astype(np.int16), name="Large CT")
    ct.SetSpacing(*SPACING_MM)
    segmentation = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Large structures")
    segmentation.CreateDefaultDisplayNodes()
    segmentation.SetReferenceImageGeometryParameterFromVolumeNode(ct)
    cord = np.broadcast_to((y - 320) ** 2 + (x - 256) ** 2 < 6**2, SHAPE)
    masks = {
        "BODY": body,
        "PTV70": (radius_squared < 40**2) & (abs(z - 50) < 20),
        "PTV56": (radius_squared < 70**2) & (abs(z - 50) < 30),
        "SpinalCord": cord,
        "Parotid_L": ((y - 256) ** 2 + (x - 350) ** 2 < 25**2) & (abs(z - 70) < 10),
    }
    for name, mask in masks.items():
        segment_id = segmentation.GetSegmentation().AddEmptySegment("", name)
        slicer.util.updateSegmentBinaryLabelmapFromArray(mask.astype(np.uint8), segmentation, segment_id, ct)
    # Gaussians along each axis make one in space.
    along = [np.exp(-((np.arange(n) - n / 2) ** 2) * s**2 / 8000.0) for n, s in zip(SHAPE, (2.5, 1, 1), strict=True)]
    dose = (72.0 * along[0][:, None, None] * along[1][:, None] * along[2]).astype(np.float32)
    clinical = slicer.util.addVolumeFromArray(dose[::2, ::4, ::4] * np.float32(0.95), name="Clinical dose")
    clinical.SetSpacing(*(s * n for s, n in zip(SPACING_MM, (4, 4, 2), strict=True)))
    return ct, segmentation, clinical, dose


@pytest.fixture
def large(standin: Standin) -> Session:
    """The panel with a CT of 512 x 512 x 100 chosen, its prediction at hand."""
    ct, segmentation, clinical, dose = large_patient()
    opened = Session(standin)
    opened.predictor = LargePredictor(dose)
    parameters = opened.panel.parameters
    parameters.ct, parameters.segmentation, parameters.clinical_dose = ct, segmentation, clinical
    opened.settle()
    return opened


def test_a_large_ct_does_not_stop_the_panel(large: Session, tmp_path: Path) -> None:
    panel, ui = large.panel, large.panel.results.ui
    with watched_main_thread() as longest:
        click(panel.run.ui.predictButton)
        large.standin.process_events(until=lambda: large.predictor.busy, seconds=PATIENCE_S)
        large.predictor.finish()
        large.standin.process_events(until=lambda: not panel.logic.busy, seconds=PATIENCE_S)
        large.settle(PATIENCE_S)
    assert "Dose predicted" in large.status, panel.run.ui.logEdit.plainText
    assert ui.goalsTable.rowCount > 5
    assert_never_stood_still(longest)

    with watched_main_thread() as longest:
        choose(ui.overlaySelector, "Difference, predicted - clinical")
        large.settle(PATIENCE_S)
        ui.bandsCheckBox.checked = True
        ui.levelsEdit.text = "20, 50, 95"
        ui.levelsEdit.editingFinished.emit()
        large.settle(PATIENCE_S)
        rows = {ui.goalsTable.item(row, 1).text(): row for row in range(ui.goalsTable.rowCount)}
        click_cell(ui.goalsTable, rows["PTV70"], 1)
        large.settle(PATIENCE_S)
    difference = slicer.util.arrayFromVolume(difference_node(large))
    assert difference[50, 256, 256] == pytest.approx(0.05 * 72.0, abs=0.02)
    assert "highest dose in PTV70" in large.status
    assert_never_stood_still(longest)

    with watched_main_thread() as longest:
        click(ui.keepButton)
        large.settle(PATIENCE_S)
        choose(ui.compareSelector, "Kept analytic, seed 0: dose of Large CT")
        large.settle(PATIENCE_S)
        panel.parameters.goals = "quantec"
        large.settle(PATIENCE_S)
        panel.parameters.scorecard = "head-and-neck"
        large.settle(PATIENCE_S)
    assert slicer.util.arrayFromVolume(difference_node(large)).max() == 0.0, "nothing else has been predicted yet"
    assert ui.goalsTable.horizontalHeaderItem(4).text() == "Comp."
    assert ui.scorecardTable.rowCount > 5 and not ui.scorecardTable.isColumnHidden(4)
    assert_never_stood_still(longest)


def difference_node(session: Session) -> Any:
    return session.panel.parameters.ct.GetNodeReference("DosePrediction.DoseDifference")


def test_opening_and_closing_around_a_large_ct_do_not_stop_the_panel(large: Session) -> None:
    with watched_main_thread() as longest:
        large.host.leave()
        large.standin.process_events()
        large.host.enter()
        large.settle(PATIENCE_S)
        slicer.mrmlScene.Clear(False)
        large.settle(PATIENCE_S)
    assert_never_stood_still(longest)
