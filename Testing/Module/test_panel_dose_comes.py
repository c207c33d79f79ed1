"""A prediction that comes while something is measured, scored or written of the dose before."""

from __future__ import annotations

import csv
import sys
from pathlib import Path
from typing import Any

import pydicom
import pytest
import slicer
from ct_series import make_from_dicom
from DosePredictionScene.pieces import WAITING, Pieces, in_one_go
from panel_session import Session
from scored_phantom import draw_in_the_target, figures_of, save_and_load, scored_phantom
from standin.gestures import click


@pytest.fixture
def scored(session: Session) -> Session:
    """See `scored_phantom`."""
    return scored_phantom(session)


def hold_until_the_new_dose_has_come(session: Session, monkeypatch: pytest.MonkeyPatch, module: str, name: str) -> None:
    """Have a piece of the panel's work end after the prediction that is under way."""
    place = sys.modules[f"DosePredictionPanel.{module}"]
    work: Any = vars(place)[name]

    def held(*arguments: Any) -> Pieces[Any]:
        result = yield from work(*arguments)
        while session.panel.logic.busy:
            yield WAITING
        return result

    monkeypatch.setattr(place, name, held)


@pytest.mark.parametrize("turns", [0, 10])
def test_a_dose_that_comes_while_an_export_measures_the_one_before_stays_known(
    scored: Session, tmp_path: Path, turns: int
) -> None:
    results = scored.panel.results
    dose, points = slicer.util.getNode("Phantom CT predicted dose"), figures_of(scored)[1]
    draw_in_the_target()
    click(scored.panel.run.ui.predictButton)
    scored.standin.process_events(until=lambda: scored.predictor.busy)
    scored.predictor.factor = 0.5
    scored.standin.dialogs.answer(str(tmp_path))
    click(results.ui.exportTablesButton)
    for _ in range(turns):
        scored.panel.jobs.advance(1e-6)
    scored.predictor.finish()
    scored.standin.process_events(until=lambda: not scored.panel.logic.busy)
    scored.settle()
    highest = float(slicer.util.arrayFromVolume(dose).max())
    assert float(in_one_go(results.measurement.in_pieces()).prediction.dose.array.max()) == pytest.approx(highest)
    own = figures_of(scored)
    save_and_load(scored, tmp_path)
    scored.settle()
    scored.panel.parameters.scorecard = ""
    scored.settle()
    scored.panel.parameters.scorecard = "head-and-neck"
    scored.settle()
    assert figures_of(scored) == own and own[1] != points


def test_a_dose_that_comes_while_an_rt_dose_export_measures_the_one_before_is_told(
    scored: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An RT Dose of the one before, without its prescriptions, would come of it."""
    ct, results, logic = scored.panel.parameters.ct, scored.panel.results, scored.panel.logic
    make_from_dicom(ct, tmp_path / "ct", monkeypatch)
    results.exports.show(ct.GetNodeReference("DosePrediction.Dose"), ct)
    draw_in_the_target()
    click(scored.panel.run.ui.predictButton)
    scored.standin.process_events(until=lambda: scored.predictor.busy)
    hold_until_the_new_dose_has_come(scored, monkeypatch, "measurement", "restored_in_pieces")
    scored.standin.dialogs.answer(str(tmp_path / "rtdose.dcm"))
    click(results.ui.exportDicomButton)
    for _ in range(150):
        scored.panel.jobs.advance(1e-3)
    assert scored.panel.jobs, "it is being measured"
    scored.predictor.finish()
    scored.standin.process_events(until=lambda: not logic.busy)
    scored.settle()
    assert scored.status == "A new dose has come while the one before was measured; try again."
    assert not (tmp_path / "rtdose.dcm").exists()
    scored.standin.dialogs.answer(str(tmp_path / "rtdose.dcm"))
    click(results.ui.exportDicomButton)
    scored.settle()
    assert pydicom.dcmread(tmp_path / "rtdose.dcm").PlanOverviewSequence


def test_a_dose_that_comes_while_an_export_scores_the_one_before_is_scored_itself(
    scored: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    logic, of_before = scored.panel.logic, figures_of(scored)[1]
    draw_in_the_target()
    click(scored.panel.run.ui.predictButton)
    scored.standin.process_events(until=lambda: scored.predictor.busy)
    scored.predictor.factor = 0.5
    scored.standin.dialogs.answer(str(tmp_path))
    click(scored.panel.results.ui.exportTablesButton)
    hold_until_the_new_dose_has_come(scored, monkeypatch, "scoring", "scored_in_pieces")
    for _ in range(150):
        scored.panel.jobs.advance(1e-3)
    scored.predictor.finish()
    scored.standin.process_events(until=lambda: not logic.busy)
    scored.settle()
    with (tmp_path / "scorecard.csv").open(encoding="utf-8") as file:
        assert list(csv.DictReader(file))
    after = figures_of(scored)[1]
    monkeypatch.undo()
    scored.predict()
    assert figures_of(scored)[1] == after != of_before
