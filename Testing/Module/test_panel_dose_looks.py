"""How the doses over the CT look: colours, windows, thresholds, legends."""

from __future__ import annotations

from typing import Any

import pytest
import slicer
from DosePredictionScene.dose_maps import DIFFERENCE_ROLE
from DosePredictionScene.dose_node import DOSE_STD_ROLE
from DosePredictionScene.kept_dose import KEPT_STD_ROLE
from DosePredictionScene.segment_choices import SegmentChoice, store_choice
from panel_session import Session
from standin.gestures import choose, click, type_into

from DosePredictionLib.patient.structure import StructureRole

KEPT = "Kept analytic, seed 0: dose of Phantom CT"


def dose_of(session: Session) -> Any:
    return session.panel.parameters.ct.GetNodeReference("DosePrediction.Dose")


def look(node: Any) -> tuple[str, float, float, bool, float]:
    """Colours, window and threshold of a volume."""
    display = node.GetDisplayNode()
    return (str(display.GetColorNodeID()), display.GetWindowLevelMin(), display.GetWindowLevelMax(),
            bool(display.GetApplyThreshold()), display.GetLowerThreshold())  # fmt: skip


def test_maps_are_scaled_to_the_patients_own_prescription(session: Session) -> None:
    ct, segmentation = session.phantom()
    segments = segmentation.GetSegmentation()
    target = segments.GetSegment(segments.GetSegmentIdBySegmentName("PTV70"))
    store_choice(target, SegmentChoice(StructureRole.TARGET, None, 50.5))
    session.predictor.std_part = 0.03
    session.settle()
    session.predict()
    session.add_clinical_dose()
    choose(session.panel.results.ui.overlaySelector, "Difference, predicted - clinical")
    session.settle()
    click(session.panel.results.ui.keepButton)
    kept = slicer.util.getFirstNodeByName(KEPT)
    uncertainty = (0.0, pytest.approx(2.525))
    assert look(ct.GetNodeReference(DOSE_STD_ROLE))[1:3] == uncertainty
    assert look(kept.GetNodeReference(KEPT_STD_ROLE))[1:3] == uncertainty
    assert look(ct.GetNodeReference(DIFFERENCE_ROLE))[1:3] == pytest.approx((-5.05, 5.05))
    assert look(dose_of(session))[-1] == pytest.approx(5.05), "10 % of 50.5 Gy"


def test_the_clinical_dose_looks_as_the_predicted_one_does(session: Session) -> None:
    session.phantom()
    session.predict()
    clinical, ui = session.add_clinical_dose(), session.panel.results.ui
    choose(ui.overlaySelector, "Clinical dose")
    session.settle()
    assert look(clinical) == look(dose_of(session)) and look(clinical)[1:3] == pytest.approx((7.0, 77.0))
    ui.thresholdSlider.value = 50.0
    session.settle()
    assert look(clinical) == look(dose_of(session)) and look(clinical)[-1] == pytest.approx(35.0)
    type_into(ui.levelsEdit, "50, 95")
    session.settle()
    assert look(clinical) == look(dose_of(session)) and look(clinical)[1:3] == pytest.approx((35.0, 66.5))


def test_the_next_prediction_is_looked_at_as_the_one_before(session: Session) -> None:
    session.phantom()
    session.predict()
    clinical, ui = session.add_clinical_dose(), session.panel.results.ui
    ui.thresholdSlider.value = 50.0
    choose(ui.overlaySelector, "Clinical dose")
    session.settle()
    session.predict()
    composites = slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode")
    assert {node.GetForegroundVolumeID() for node in composites} == {clinical.GetID()}, "what the box says"
    assert look(dose_of(session))[-1] == pytest.approx(35.0)


def test_the_legend_of_a_difference_says_what_was_subtracted(session: Session) -> None:
    ct, _ = session.phantom()
    session.predict()
    session.add_clinical_dose()
    ui, logic = session.panel.results.ui, slicer.modules.colors.logic()
    click(ui.keepButton)
    session.settle()
    for compared, words, title in (("Clinical dose", "clinical", "Predicted - clinical [Gy]"),
                                   (KEPT, KEPT, "Predicted - compared [Gy]")):  # fmt: skip
        choose(ui.compareSelector, compared)
        session.settle()
        choose(ui.overlaySelector, f"Difference, predicted - {words}")
        session.settle()
        legend = logic.GetColorLegendDisplayNode(ct.GetNodeReference(DIFFERENCE_ROLE))
        assert legend.GetVisibility() and legend.GetTitleText() == title


@pytest.mark.parametrize(
    "title", ["Predicted dose", "Clinical dose", "Difference, predicted - clinical", "Uncertainty"]
)
def test_a_display_node_that_was_deleted_is_made_anew(session: Session, title: str) -> None:
    """Slicer counts a volume's legend among its display nodes, which is the first one then."""
    ct, _ = session.phantom()
    session.predictor.std_part = 0.03
    session.predict()
    clinical, ui = session.add_clinical_dose(), session.panel.results.ui
    type_into(ui.levelsEdit, "50, 95")
    choose(ui.overlaySelector, title)
    session.settle()
    shown = slicer.util.getNode("vtkMRMLSliceCompositeNode*").GetForegroundVolumeID()
    volume = slicer.mrmlScene.GetNodeByID(shown)
    assert (volume is clinical) == (title == "Clinical dose")
    before, count = look(volume), slicer.mrmlScene.GetNumberOfNodes()
    slicer.mrmlScene.RemoveNode(volume.GetVolumeDisplayNode())
    session.settle()
    legend = slicer.modules.colors.logic().GetColorLegendDisplayNode(volume)
    assert look(volume) == before and legend.GetVisibility()
    assert slicer.mrmlScene.GetNumberOfNodes() == count, "no legend is left over"
