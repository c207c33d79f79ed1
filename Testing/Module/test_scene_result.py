"""Showing a prediction: once, twice, undone, closed."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter

import numpy as np
import pytest
import slicer
from DosePredictionScene.scene_result import dose_centre
from DosePredictionScene.self_test import check_scene, phantom_nodes
from phantom_scene import dangling_references, hierarchy_names, scene_nodes, show, shown_phantom

from DosePredictionLib.patient.volume import Volume


def test_the_modules_own_test_passes() -> None:
    check_scene()


def test_predicting_twice_updates_the_nodes() -> None:
    ct, segmentation, _, first = shown_phantom()
    nodes, items = scene_nodes(), hierarchy_names()
    _, _, prediction, second = shown_phantom(ct, segmentation)
    assert scene_nodes() == nodes
    assert hierarchy_names() == items
    assert second == first
    halved = dataclasses.replace(prediction, dose=Volume(prediction.dose.array / 2, prediction.dose.geometry))
    third = show(ct, halved)
    assert scene_nodes() == nodes
    assert np.allclose(slicer.util.arrayFromVolume(third.dose), prediction.dose.array / 2)
    mean_before = prediction.dvhs["PTV70"].mean_gy
    means = slicer.util.arrayFromTableColumn(third.metrics, "Mean [Gy]")
    assert means[list(prediction.dvhs).index("PTV70")] == pytest.approx(mean_before / 2, abs=0.01)


def test_a_second_ct_gets_a_prediction_of_its_own() -> None:
    ct, _, _, first = shown_phantom()
    _, _, _, second = shown_phantom(*phantom_nodes())
    assert second.dose is not first.dose
    assert second.chart is not first.chart
    assert ct.GetNodeReference("DosePrediction.Dose") is first.dose


def test_the_spread_of_samples_comes_and_goes_with_them() -> None:
    ct, _, prediction, shown = shown_phantom()
    assert shown.dose_std is None
    nodes = scene_nodes()
    spread = dataclasses.replace(prediction, dose_std=Volume(prediction.dose.array * 0.02, prediction.dose.geometry))
    with_spread = show(ct, spread)
    assert with_spread.dose_std.GetName().endswith("predicted dose, uncertainty")
    assert show(ct, prediction).dose_std is None
    assert scene_nodes() == nodes


def test_views_show_the_dose_over_the_ct_in_the_four_up_layout() -> None:
    ct, _, prediction, shown = shown_phantom()
    layout = slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLLayoutNode")
    assert layout.GetViewArrangement() == slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpPlotTableView == 38
    composites = slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode")
    assert len(composites) == 3
    for composite in composites:
        assert composite.GetBackgroundVolumeID() == ct.GetID()
        assert composite.GetForegroundVolumeID() == shown.dose.GetID()
        assert 0.2 < composite.GetForegroundOpacity() < 0.8
    (plot_view,) = slicer.util.getNodesByClass("vtkMRMLPlotViewNode")
    (table_view,) = slicer.util.getNodesByClass("vtkMRMLTableViewNode")
    assert plot_view.GetPlotChartNodeID() == shown.chart.GetID()
    assert table_view.GetTableNodeID() == shown.goals.GetID()
    centre_ras = dose_centre(prediction.patient, prediction.dose) * [-1, -1, 1]
    for node in slicer.util.getNodesByClass("vtkMRMLSliceNode"):
        plane = slicer.util.arrayFromVTKMatrix(node.GetSliceToRAS())
        assert plane[:3, 2] @ (centre_ras - plane[:3, 3]) == pytest.approx(0.0, abs=1e-6), node.GetName()


def test_a_layout_with_a_chart_and_a_3d_view_is_left_to_the_user() -> None:
    layout = slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLLayoutNode")
    layout.SetViewArrangement(slicer.vtkMRMLLayoutNode.SlicerLayoutConventionalPlotView)
    shown_phantom()
    assert layout.GetViewArrangement() == slicer.vtkMRMLLayoutNode.SlicerLayoutConventionalPlotView


def test_a_second_prediction_leaves_the_users_views_alone() -> None:
    ct, segmentation, _, _ = shown_phantom()
    layout = slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLLayoutNode")
    layout.SetViewArrangement(slicer.vtkMRMLLayoutNode.SlicerLayoutOneUpRedSliceView)
    red = slicer.mrmlScene.GetNodeByID("vtkMRMLSliceNodeRed")
    red.SetSliceOffset(-33.0)
    shown_phantom(ct, segmentation)
    assert layout.GetViewArrangement() == slicer.vtkMRMLLayoutNode.SlicerLayoutOneUpRedSliceView
    assert red.GetSliceOffset() == -33.0


def test_closing_the_scene_leaves_no_orphans() -> None:
    slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLLayoutNode").SetViewArrangement(38)
    slicer.mrmlScene.Clear(False)
    empty = Counter(scene_nodes().values())
    shown_phantom()
    assert Counter(scene_nodes().values()) != empty
    slicer.mrmlScene.Clear(False)
    assert Counter(scene_nodes().values()) == empty
    assert hierarchy_names() == []
    assert dangling_references() == []
    shown_phantom()  # and the next scene can be worked with


def test_undo_takes_a_prediction_as_a_whole() -> None:
    ct, segmentation = phantom_nodes()
    ct.SetUndoEnabled(True)
    slicer.mrmlScene.SetUndoOn()
    slicer.mrmlScene.SaveStateForUndo()
    before = scene_nodes()
    shown_phantom(ct, segmentation)
    slicer.mrmlScene.Undo()
    left = {node_id: name for node_id, name in scene_nodes().items() if node_id not in before and "View" not in name}
    assert left == {}
    assert dangling_references() == []
    assert not any("predicted" in name for name in hierarchy_names())
    _, _, prediction, shown = shown_phantom(ct, segmentation)
    assert np.allclose(slicer.util.arrayFromVolume(shown.dose), prediction.dose.array)


def test_undo_leaves_a_prediction_whole_where_nothing_is_undone() -> None:
    ct, segmentation = phantom_nodes()
    slicer.mrmlScene.AddDefaultNode(undoable("vtkMRMLTableNode"))
    try:
        slicer.mrmlScene.SetUndoOn()
        slicer.mrmlScene.SaveStateForUndo()
        shown_phantom(ct, segmentation)
        nodes = scene_nodes()
        slicer.mrmlScene.Undo()
        assert scene_nodes() == nodes
        assert dangling_references() == []
    finally:
        slicer.mrmlScene.GetDefaultNodeByClass("vtkMRMLTableNode").SetUndoEnabled(False)


def undoable(class_name: str):
    node = slicer.mrmlScene.CreateNodeByClass(class_name)
    node.UnRegister(None)
    node.SetUndoEnabled(True)
    return node


def test_the_scene_says_how_the_dose_was_made() -> None:
    _, _, prediction, shown = shown_phantom()
    written = json.loads(shown.provenance.GetText())
    assert written["patient"] == prediction.patient.identifier
    assert written["intended_use"] == "Research use, not for clinical decisions."


def test_the_centre_is_weighted_by_dose_in_the_highest_target() -> None:
    _, _, prediction, _ = shown_phantom()
    patient = prediction.patient
    mask = patient.targets[0].mask
    middle = mask.geometry.lps_of_index(np.argwhere(mask.array).mean(axis=0))
    assert np.allclose(dose_centre(patient, prediction.dose), middle, atol=0.5)
    left_half = prediction.dose.array * (np.arange(48) > 24)
    towards_left = dose_centre(patient, Volume(left_half, prediction.dose.geometry))
    assert towards_left[0] > middle[0] + 5.0, "LPS x grows to the left"
    no_dose = Volume(np.zeros_like(prediction.dose.array), prediction.dose.geometry)
    assert np.allclose(dose_centre(patient, no_dose), middle)
