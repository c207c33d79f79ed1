"""Warnings of a prediction and what its uncertainty is worth, in the panel and after a scene was loaded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import slicer
from DosePredictionScene.headless_case import write_scene
from panel_session import Session, load_scene
from standin.gestures import choose

from DosePredictionLib.review.review_warning import ReviewWarning

HOT_SPOT = ReviewWarning(
    "hot-spot-outside-targets",
    "78.1 Gy lie outside the targets, in 2.3 cc < 5 mm from the mandible: higher than 107 % of the prescription.",
    "Dose above 107 % of the prescription outside targets may harm; look at it in the slices.",
    {"highest_gy": 78.1, "limit_gy": 74.9},
)


def warn(session: Session) -> None:
    session.predictor.told = {
        "review": (HOT_SPOT,),
        "warnings": (HOT_SPOT.text, "The CT has no table."),
        "uncertainty": "calibrated on 40 validation patients",
    }
    session.predictor.std_part = 0.03


def rows(session: Session) -> list[tuple[str, str]]:
    labels: Any = session.panel.results.warnings._labels
    return [(label.text, label.toolTip) for label in labels]


def check(session: Session) -> None:
    ui = session.panel.results.ui
    (hot, tip), (table, _) = rows(session)
    assert hot.endswith(HOT_SPOT.text) and table.endswith("The CT has no table."), "each once, reviewed ones first"
    assert HOT_SPOT.explanation in tip and "highest_gy: 78.1" in tip and "limit_gy: 74.9" in tip
    assert ui.warningsFrame.isVisible() and ui.warningsTitle.isVisible()
    assert ui.uncertaintyLabel.isVisible()
    assert ui.uncertaintyLabel.text == "Uncertainty: calibrated on 40 validation patients."
    assert "40 validation patients" in ui.uncertaintyLabel.toolTip


def test_warnings_are_listed_with_their_reasons(session: Session) -> None:
    session.phantom()
    warn(session)
    session.predict()
    check(session)
    labels = session.panel.results.warnings._labels
    assert all(label.height >= label.heightForWidth(label.width) for label in labels), "long ones are wrapped, not cut"


@pytest.mark.parametrize("calibrated", [True, False])
def test_the_legend_says_what_the_uncertainty_is(session: Session, calibrated: bool) -> None:
    """Calibrated values are half-widths of 68 % intervals; others are the spread of the samples."""
    session.phantom()
    warn(session)
    if not calibrated:
        session.predictor.told["uncertainty"] = "not calibrated: the spread of the samples"
    session.predict()
    choose(session.panel.results.ui.overlaySelector, "Uncertainty")
    session.settle()
    std = session.panel.parameters.ct.GetNodeReference("DosePrediction.DoseStandardDeviation")
    title = slicer.modules.colors.logic().GetColorLegendDisplayNode(std).GetTitleText()
    assert title == ("Uncertainty, 68 % [Gy]" if calibrated else "Standard deviation [Gy]")


def test_nothing_is_shown_where_there_is_nothing_to_warn_of(session: Session) -> None:
    session.phantom()
    warn(session)
    session.predict()
    session.predictor.told, session.predictor.std_part = {}, None
    session.predict()
    ui = session.panel.results.ui
    assert not ui.warningsFrame.isVisible() and not ui.warningsTitle.isVisible() and not rows(session)
    assert not ui.uncertaintyLabel.isVisible(), "one sample has no standard deviation"


def test_a_saved_scene_brings_the_warnings_back(session: Session, tmp_path: Path) -> None:
    session.phantom()
    warn(session)
    session.predict()
    write_scene(tmp_path / "scene.mrb")
    slicer.mrmlScene.Clear(False)
    session.settle()
    assert not rows(session) and not session.panel.results.ui.warningsFrame.isVisible()
    load_scene(tmp_path / "scene.mrb", tmp_path / "unpacked")
    session.settle()
    check(session)
