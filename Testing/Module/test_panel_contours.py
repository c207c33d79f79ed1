"""Contours that are drawn on after the prediction are measured anew; those that saving a scene touches are not."""

from __future__ import annotations

import csv
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import slicer
import vtk
from DosePredictionScene import prediction_run, voxels
from DosePredictionScene.contours_state import Contours, contours_in_pieces
from DosePredictionScene.measured_contours import CONTOURS_ATTRIBUTE, measured_contours
from DosePredictionScene.patient_from_nodes import patient_from_nodes
from DosePredictionScene.pieces import Pieces, in_one_go
from DosePredictionScene.self_test import phantom_nodes
from panel_session import Session
from phantom_scene import transform_node
from scored_phantom import draw_in_the_target, figures_of, save, save_and_load, scored_phantom
from standin.gestures import choose, click

from DosePredictionLib.worker.predictor import patient_dvhs


@pytest.fixture
def scored(session: Session) -> Session:
    """See `scored_phantom`."""
    return scored_phantom(session)


def draw_after(turns: int, session: Session) -> None:
    """Draw the cord anew, after so many turns of what the panel does in pieces."""
    for _ in range(turns):
        session.panel.jobs.advance(1e-4)
    draw_in_the_target()
    session.settle()


def assert_followed(session: Session, before: tuple[str, str]) -> None:
    """The cord's goal and the points are those of the cord in the target now."""
    value, points = figures_of(session)
    assert float(value) > float(before[0]) + 10.0 and points != before[1]


def unsaved() -> list[str]:
    """What Slicer would ask whether to save."""
    nodes: Any = vtk.vtkCollection()
    slicer.mrmlScene.GetStorableNodesModifiedSinceRead(nodes)
    return sorted(nodes.GetItemAsObject(index).GetName() for index in range(nodes.GetNumberOfItems()))


def test_a_contour_drawn_after_the_prediction_is_measured_as_it_is_now(scored: Session) -> None:
    before, points = figures_of(scored)
    scored.host.leave()
    draw_in_the_target()
    scored.host.enter()
    scored.settle()
    after, points_after = figures_of(scored)
    assert float(after) > float(before) + 10.0 and points_after != points
    scored.panel.refresh()
    assert not scored.panel.jobs, "nothing has changed since"


def test_the_metrics_table_follows_a_contour_that_is_drawn(scored: Session) -> None:
    table = slicer.util.getNode("Phantom CT predicted dose DVH metrics")

    def mean_gy() -> float:
        names = [table.GetCellText(row, 0) for row in range(table.GetNumberOfRows())]
        return float(slicer.util.arrayFromTableColumn(table, "Mean [Gy]")[names.index("SpinalCord")])

    before = mean_gy()
    draw_in_the_target()
    scored.settle()
    assert mean_gy() > before + 10.0


def test_saving_a_scene_leaves_nothing_unsaved(scored: Session, tmp_path: Path) -> None:
    """Saving puts the segments' labelmaps together: other objects, with the same in them."""
    results = scored.panel.results
    known = in_one_go(results.measurement.in_pieces()), in_one_go(results.scoring.in_pieces())
    for name in ("once.mrb", "twice.mrb"):
        save(tmp_path / name)
        scored.settle()
        assert unsaved() == []
        again = in_one_go(results.measurement.in_pieces()), in_one_go(results.scoring.in_pieces())
        assert again[0] is known[0] and again[1] is known[1]
    scored.host.leave()
    save(tmp_path / "elsewhere.mrb")
    scored.host.enter()
    scored.settle()
    assert unsaved() == []


def test_a_contour_drawn_after_saving_is_measured(scored: Session, tmp_path: Path) -> None:
    save(tmp_path / "scene.mrb")
    scored.settle()
    before, points = figures_of(scored)
    draw_in_the_target()
    scored.settle()
    after, points_after = figures_of(scored)
    assert float(after) > float(before) + 10.0 and points_after != points


def test_what_an_export_measured_first_is_shown_as_well(scored: Session) -> None:
    before, points = figures_of(scored)
    draw_in_the_target()
    in_one_go(scored.panel.results.scoring.in_pieces())
    scored.settle()
    after, points_after = figures_of(scored)
    assert float(after) > float(before) + 10.0 and points_after != points


def test_goals_chosen_after_saving_are_measured_without_reading_the_patient_again(
    scored: Session, tmp_path: Path
) -> None:
    measurement = scored.panel.results.measurement
    patient = in_one_go(measurement.in_pieces()).prediction.patient
    save(tmp_path / "scene.mrb")
    scored.panel.parameters.goals = "quantec"
    scored.settle()
    assert in_one_go(measurement.in_pieces()).prediction.patient.structures is patient.structures


@pytest.mark.parametrize("turns", [0, 1, 3, 4, 5, 6, 7, 20])
def test_a_contour_drawn_at_once_after_saving_is_measured(
    scored: Session, tmp_path: Path, turns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where what saving touched is being looked at."""
    monkeypatch.setattr(voxels, "SLAB_BYTES", 2000)
    told: list[str] = []
    monkeypatch.setattr(scored.panel.run, "tell", told.append)
    before = figures_of(scored)
    save(tmp_path / "scene.mrb")
    if turns:
        scored.standin.process_events(until=lambda: bool(scored.panel.jobs))
    draw_after(turns, scored)
    assert_followed(scored, before)
    assert not [text for text in told if "try again" in text], "it was"
    assert not told or told[-1] == "The dose of the scene is measured."


def test_goals_and_scorecard_follow_structures_that_are_moved(scored: Session) -> None:
    before = figures_of(scored)
    moved = np.eye(4)
    moved[1, 3] = 40.0  # towards the front: the cord into the target
    structures, transform = slicer.util.getNode("Phantom structures"), transform_node(np.eye(4))
    structures.SetAndObserveTransformNodeID(transform.GetID())
    scored.settle()
    assert figures_of(scored) == before
    transform.SetMatrixTransformToParent(slicer.util.vtkMatrixFromArray(moved))
    scored.settle()
    value, points = figures_of(scored)
    assert float(value) > float(before[0]) + 10.0 and points != before[1]
    structures.SetAndObserveTransformNodeID(None)
    scored.settle()
    assert figures_of(scored) == before


def test_structures_that_are_dragged_are_measured_where_they_come_to_lie(
    scored: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = figures_of(scored)
    structures, transform = slicer.util.getNode("Phantom structures"), transform_node(np.eye(4))
    structures.SetAndObserveTransformNodeID(transform.GetID())
    scored.settle()
    jobs, added = scored.panel.jobs, []
    add = jobs.add
    # Computers under load halt for longer than users do.
    monkeypatch.setattr(sys.modules["DosePredictionPanel.panel"], "STILL_MS", 2000)
    monkeypatch.setattr(jobs, "add", lambda *job, **named: (added.append(named.get("name")), add(*job, **named)))
    moved = np.eye(4)
    for step in range(1, 51):
        moved[1, 3] = 0.8 * step
        transform.SetMatrixTransformToParent(slicer.util.vtkMatrixFromArray(moved))
        scored.standin.process_events()
    scored.settle()
    assert_followed(scored, before)
    assert sorted(added) == ["measuring", "scoring"]
    dvhs = patient_dvhs(
        patient_from_nodes(slicer.util.getNode("Phantom CT"), structures), scored.panel.logic.shown.prediction.dose
    )
    assert float(figures_of(scored)[0]) == pytest.approx(dvhs["SpinalCord"].dose_at_volume_cc(0.03), abs=0.01)


def test_what_is_undone_after_the_patient_was_read_is_measured_as_it_is_then(
    scored: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Structures that are moved while the patient is read, and moved back before the dose has come."""
    ct, structures = slicer.util.getNode("Phantom CT"), slicer.util.getNode("Phantom structures")
    forward = np.eye(4)
    forward[1, 3] = 40.0
    transform = transform_node(forward)

    def then_moved(node: Any, known: Contours) -> Pieces[Contours]:
        contours = yield from contours_in_pieces(node, known)
        node.SetAndObserveTransformNodeID(transform.GetID())
        return contours

    monkeypatch.setattr(prediction_run, "contours_in_pieces", then_moved)
    click(scored.panel.run.ui.predictButton)
    scored.standin.process_events(until=lambda: scored.predictor.busy)
    structures.SetAndObserveTransformNodeID(None)
    scored.predictor.finish()
    scored.standin.process_events(until=lambda: not scored.panel.logic.busy)
    scored.settle()
    dvhs = patient_dvhs(patient_from_nodes(ct, structures), scored.panel.logic.shown.prediction.dose)
    assert float(figures_of(scored)[0]) == pytest.approx(dvhs["SpinalCord"].dose_at_volume_cc(0.03), abs=0.01)


def test_a_scene_that_was_loaded_is_followed_as_any_other(scored: Session, tmp_path: Path) -> None:
    before = figures_of(scored)
    save_and_load(scored, tmp_path)
    scored.settle()
    told = scored.status
    save(tmp_path / "again.mrb")
    scored.settle()
    assert unsaved() == [] and scored.status == told and figures_of(scored) == before
    draw_in_the_target()
    scored.settle()
    assert_followed(scored, before)


@pytest.mark.parametrize("turns", [0, 2, 8, 60])
def test_a_contour_drawn_at_once_after_loading_is_measured(
    scored: Session, tmp_path: Path, turns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the contours that came with the scene are being looked at."""
    monkeypatch.setattr(voxels, "SLAB_BYTES", 2000)
    before = figures_of(scored)
    save_and_load(scored, tmp_path)
    scored.standin.process_events(until=lambda: bool(scored.panel.jobs))
    draw_after(turns, scored)
    assert_followed(scored, before)


def test_a_contour_drawn_in_a_loaded_scene_before_the_module_is_opened_is_measured(
    scored: Session, tmp_path: Path
) -> None:
    before = figures_of(scored)
    scored.host.leave()
    save_and_load(scored, tmp_path)
    draw_in_the_target()
    scored.host.enter()
    scored.settle()
    assert_followed(scored, before)


def test_a_loaded_scene_is_not_measured_anew_when_the_module_is_opened(scored: Session, tmp_path: Path) -> None:
    before = figures_of(scored)
    draw_in_the_target()
    scored.settle()
    assert_followed(scored, before)
    after, said = figures_of(scored), scored.status
    scored.host.leave()
    save_and_load(scored, tmp_path)
    scored.host.enter()
    scored.settle()
    assert figures_of(scored) == after and unsaved() == [] and scored.status == said


def test_a_scene_that_was_saved_between_measuring_and_scoring_is_scored_when_it_is_loaded(
    scored: Session, tmp_path: Path
) -> None:
    before = figures_of(scored)
    draw_in_the_target()
    scored.standin.process_events(until=lambda: bool(scored.panel.jobs))
    while scored.panel.jobs and figures_of(scored)[0] == before[0]:
        scored.panel.jobs.advance(1e-4)
    assert figures_of(scored)[1] == before[1], "it is measured, and not yet scored"
    save_and_load(scored, tmp_path)
    scored.settle()
    assert_followed(scored, before)


@pytest.mark.parametrize("said", [None, "{edited by hand", "[]", '{"Cord": [1, 2]}'])
def test_a_scene_that_does_not_say_its_contours_is_taken_as_it_comes(
    scored: Session, tmp_path: Path, said: str | None
) -> None:
    """As scenes from before this was kept; the next time it is loaded, it says them."""
    before, dose = figures_of(scored), slicer.util.getNode("Phantom CT predicted dose")
    assert measured_contours(dose)
    dose.RemoveAttribute(CONTOURS_ATTRIBUTE) if said is None else dose.SetAttribute(CONTOURS_ATTRIBUTE, said)
    save_and_load(scored, tmp_path)
    scored.settle()
    assert figures_of(scored) == before and unsaved() == []
    assert measured_contours(slicer.util.getNode("Phantom CT predicted dose"))


def test_each_of_two_patients_is_followed(scored: Session, tmp_path: Path) -> None:
    first, before = (slicer.util.getNode("Phantom CT"), slicer.util.getNode("Phantom structures")), figures_of(scored)
    second, parameters = phantom_nodes(), scored.panel.parameters
    second[0].SetName("Other CT")
    parameters.ct, parameters.segmentation = second
    scored.settle()
    scored.predict()
    for nodes in (second, first, second, first):
        choose(scored.panel.inputs.ui.ctSelector, nodes[0])
        parameters.segmentation = nodes[1]
        scored.settle()
        save(tmp_path / "scene.mrb")
        scored.settle()
        assert unsaved() == [] and figures_of(scored) == before
    draw_in_the_target(*first)
    scored.settle()
    assert_followed(scored, before)
    after = figures_of(scored)
    draw_in_the_target(*second)
    scored.settle()
    assert figures_of(scored) == after
    parameters.ct, parameters.segmentation = second
    scored.settle()
    assert float(figures_of(scored)[0]) > float(before[0]) + 10.0, "drawn while the other was chosen"


def test_tables_written_at_once_after_a_contour_was_drawn_are_of_that_contour(scored: Session, tmp_path: Path) -> None:
    highest = scored.panel.logic.shown.prediction.dvhs["SpinalCord"].max_gy
    scored.standin.dialogs.answer(str(tmp_path))
    draw_in_the_target()
    click(scored.panel.results.ui.exportTablesButton)
    scored.settle()
    rows = csv.DictReader((tmp_path / "dvh-summary.csv").open(encoding="utf-8"))
    assert next(float(row["max_gy"]) for row in rows if row["structure"] == "SpinalCord") > highest + 10.0
