"""Colours, threshold, window, legend, isodose table and isodose lines of a predicted dose."""

from __future__ import annotations

import numpy as np
import pytest
import slicer
from DosePredictionScene import isodose_lines
from DosePredictionScene.colours import show_dose_colours
from DosePredictionScene.dose_maps import difference_in_pieces
from DosePredictionScene.dose_node import dose_node_in_pieces
from DosePredictionScene.node_geometry import volume_geometry
from DosePredictionScene.pieces import in_one_go
from DosePredictionScene.self_test import PEAK, REACH_MM
from phantom_scene import shown_phantom, transform_node, volume_node
from vtk.util.numpy_support import vtk_to_numpy

from DosePredictionLib.patient.volume import Volume
from DosePredictionLib.report.isodose_scale import LEVELS, IsodoseScale


def colour_names(table) -> list[str]:
    return [table.GetColorName(index) for index in range(table.GetNumberOfColors())]


def colour_of(table, index: int) -> np.ndarray:
    colour = [0.0] * 4
    table.GetColor(index, colour)
    return np.array(colour)


def test_isodose_levels_are_named_in_gray_and_scaled_to_the_prescription() -> None:
    _, _, _, shown = shown_phantom()
    table = shown.dose.GetNodeReference("colorTableRef")
    # SlicerRT's Isodose module turns the names into levels.
    assert colour_names(table) == ["7", "21", "35", "49", "56", "63", "66.5", "70", "73.5", "77"]
    assert table.GetType() == slicer.vtkMRMLColorNode.User, "levels must be editable"
    assert table.GetSaveWithScene()
    for index, (_, colour) in enumerate(LEVELS):
        assert np.allclose(colour_of(table, index), [*colour, 1.0], atol=1 / 255)


def test_the_dose_is_clear_below_the_first_level_and_windowed_to_the_levels() -> None:
    _, _, _, shown = shown_phantom()
    display = shown.dose.GetDisplayNode()
    assert not display.GetAutoWindowLevel()
    assert (display.GetWindowLevelMin(), display.GetWindowLevelMax()) == pytest.approx((7.0, 77.0))
    assert display.GetApplyThreshold() and not display.GetAutoThreshold()
    assert display.GetLowerThreshold() == 7.0
    assert display.GetUpperThreshold() > slicer.util.arrayFromVolume(shown.dose).max()


def test_each_level_has_the_same_colour_in_wash_and_isodose() -> None:
    _, _, _, shown = shown_phantom()
    isodoses = shown.dose.GetNodeReference("colorTableRef")
    colours = shown.dose.GetDisplayNode().GetColorNode()
    assert isodoses.GetNodeReference("colorTableRef") is colours, "where SlicerRT looks for a dose's colours"
    display = shown.dose.GetDisplayNode()
    low, high = display.GetWindowLevelMin(), display.GetWindowLevelMax()
    for index, name in enumerate(colour_names(isodoses)):
        position = round((float(name) - low) / (high - low) * (colours.GetNumberOfColors() - 1))
        assert np.abs(colour_of(colours, position) - colour_of(isodoses, index)).max() < 0.06, name


def test_another_prescription_scales_the_same_nodes() -> None:
    ct, segmentation, _, first = shown_phantom()
    table = first.dose.GetNodeReference("colorTableRef")
    segments = segmentation.GetSegmentation()
    segments.GetSegment(segments.GetSegmentIdBySegmentName("PTV70")).SetName("PTV50")
    _, _, _, second = shown_phantom(ct, segmentation)
    assert second.dose.GetNodeReference("colorTableRef") is table
    assert colour_names(table)[0] == "5" and colour_names(table)[-1] == "55"
    assert second.dose.GetDisplayNode().GetLowerThreshold() == 5.0


def test_the_legend_is_in_gray() -> None:
    _, _, _, shown = shown_phantom()
    legend = slicer.modules.colors.logic().GetColorLegendDisplayNode(shown.dose)
    assert legend.GetVisibility()
    assert legend.GetTitleText() == "Dose [Gy]"
    assert legend.GetPrimaryDisplayNode() is shown.dose.GetDisplayNode()
    # 11 labels from 7 to 77 Gy stand at every 7 Gy, so that none is rounded.
    assert legend.GetNumberOfLabels() == 11


def test_isodose_lines_lie_where_the_dose_is_theirs() -> None:
    _, _, prediction, shown = shown_phantom()
    surfaces = shown.isodoses.GetMesh()
    points = vtk_to_numpy(surfaces.GetPoints().GetData())
    levels = vtk_to_numpy(surfaces.GetPointData().GetArray("isolevels"))
    target = prediction.patient.targets[0].mask
    centre = target.geometry.lps_of_index(np.argwhere(target.array).mean(axis=0))
    radius = np.linalg.norm(points * [-1, -1, 1] - centre, axis=1)
    found = {round(float(level), 3) for level in np.unique(levels)}
    assert found == {7.0, 21.0, 35.0, 49.0, 56.0, 63.0, 66.5, 70.0}, "73.5 and 77 Gy are reached nowhere"
    for level in (21.0, 35.0, 49.0, 63.0):
        expected = REACH_MM * np.sqrt(np.log(PEAK * 70.0 / level))
        at_level = radius[(levels == np.float32(level)) & (np.abs(points[:, 2] - centre[2]) < 50)]
        assert len(at_level) > 100
        assert np.abs(at_level - expected).max() < 0.6, level


def test_isodose_lines_show_in_slices_only_and_go_with_the_dose() -> None:
    ct, segmentation, _, shown = shown_phantom()
    display = shown.isodoses.GetDisplayNode()
    assert display.GetVisibility2D() and not display.GetVisibility3D()
    assert display.GetActiveScalarName() == "isolevels"
    assert tuple(display.GetScalarRange()) == (7.0, 77.0)
    assert display.GetColorNode() is shown.dose.GetDisplayNode().GetColorNode()
    assert shown.isodoses.GetAttribute("DicomRtImport.IsodoseModel") == "1"
    transform = transform_node(np.diag([1.0, 1.0, 1.0, 1.0]))
    ct.SetAndObserveTransformNodeID(transform.GetID())
    segmentation.SetAndObserveTransformNodeID(transform.GetID())
    _, _, _, again = shown_phantom(ct, segmentation)
    assert again.isodoses is shown.isodoses
    assert again.isodoses.GetParentTransformNode() is transform


def test_a_scale_needs_a_prescription() -> None:
    with pytest.raises(ValueError, match="need a prescription"):
        IsodoseScale.for_prescription(0.0)


def test_beyond_the_clinical_doses_grid_no_difference_is_shown() -> None:
    array = np.full((8, 10, 12), 30.0, np.float32)
    ct = volume_node(np.zeros_like(array, np.int16), (2.0, 2.0, 3.0), (0.0, 0.0, 0.0))
    dose = volume_node(array, (2.0, 2.0, 3.0), (0.0, 0.0, 0.0))
    clinical = volume_node(array[:4] - 1.0, (2.0, 2.0, 3.0), (0.0, 0.0, 0.0))
    node = in_one_go(difference_in_pieces(ct, dose, clinical, 70.0))
    shown = slicer.util.arrayFromVolume(node)
    assert shown[:4] == pytest.approx(1.0) and not shown[5:].any()


def test_isodoses_that_are_contoured_in_slabs_are_those_of_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    _, _, _, whole = shown_phantom()
    cells, bounds = whole.isodoses.GetMesh().GetNumberOfCells(), whole.isodoses.GetMesh().GetBounds()
    monkeypatch.setattr(isodose_lines, "VOXELS_AT_ONCE", 5000)  # a few slices of the phantom
    _, _, _, parts = shown_phantom()
    assert parts.isodoses.GetMesh().GetNumberOfCells() == cells, "no gap between slabs, and nothing twice"
    assert parts.isodoses.GetMesh().GetBounds() == pytest.approx(bounds)


def test_thinned_isodoses_lie_where_the_dose_is_theirs_on_voxels_of_any_shape() -> None:
    """Voxels of 1 x 1.2 x 4 mm: every second one in the plane is enough."""
    ct = volume_node(np.zeros((20, 60, 70), np.int16), (1.0, 1.2, 4.0), (-30.0, -30.0, -40.0))
    geometry = volume_geometry(ct)
    centre = geometry.lps_of_index(np.array([10.0, 30.0, 35.0]))
    points = geometry.lps_of_index(np.stack(np.indices(geometry.shape), axis=-1).astype(float))
    gray = 70.0 - 2.0 * np.linalg.norm(points - centre, axis=-1)
    dose = in_one_go(dose_node_in_pieces(ct, Volume(gray.astype(np.float32), geometry)))
    scale = IsodoseScale.for_levels([50.0], 70.0)
    show_dose_colours(dose, scale)
    model = in_one_go(isodose_lines.isodose_lines_in_pieces(dose, scale))
    found = vtk_to_numpy(model.GetMesh().GetPoints().GetData()) * [-1, -1, 1]
    assert np.linalg.norm(found - centre, axis=1) == pytest.approx(10.0, abs=0.7)
