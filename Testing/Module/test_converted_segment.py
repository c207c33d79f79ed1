"""Segments without labelmaps become the voxels that Slicer makes of them, one at a time, and their node stays."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import slicer
import vtk
from DosePredictionScene.patient_from_nodes import patient_from_nodes
from DosePredictionScene.pieces import in_one_go
from DosePredictionScene.segment_mask import mask_in_pieces
from phantom_scene import rotation, scene_nodes, transform_node, volume_node

from DosePredictionLib.errors import InputError
from DosePredictionLib.patient.volume import Volume

SHAPE = (24, 36, 40)
LABELMAP = "Binary labelmap"
#: Centre (world RAS mm) and radius; two of them overlap, one reaches beyond the CT.
BALLS = {"Body": ((0.0, 0.0, 0.0), 22.0), "Target": ((4.0, 3.0, -2.0), 9.0), "Lens": ((-21.0, 12.0, 9.0), 3.1),
         "Border": ((39.0, 0.0, 0.0), 8.0)}  # fmt: skip


def ct_node() -> Any:
    return volume_node(np.zeros(SHAPE, np.int16), (2.0, 2.0, 2.5), (-40.0, -36.0, -30.0))


def balls(reference: Any) -> Any:
    """A segmentation node of closed surfaces; ``reference`` gives the grid of what they are converted to."""
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Surfaces")
    node.CreateDefaultDisplayNodes()
    node.SetReferenceImageGeometryParameterFromVolumeNode(reference)
    node.GetSegmentation().SetSourceRepresentationName("Closed surface")
    for name, (centre, radius) in BALLS.items():
        source = vtk.vtkSphereSource()
        source.SetThetaResolution(40)
        source.SetPhiResolution(40)
        source.SetCenter(centre)
        source.SetRadius(radius)
        source.Update()
        node.AddSegmentFromClosedSurfaceRepresentation(source.GetOutput(), name, [1.0, 0.0, 0.0], name)
    return node


def labelmaps(node: Any) -> list[str]:
    segments = node.GetSegmentation()
    return [name for name in segments.GetSegmentIDs() if segments.GetSegment(name).GetRepresentation(LABELMAP)]


def on_ct(mask: Volume, ct: Any) -> np.ndarray:
    """A part of the CT's grid on all of it."""
    whole = np.zeros(SHAPE, np.uint8)
    index = np.argwhere(mask.array)
    start = np.round((np.array(mask.geometry.origin_mm) * (-1, -1, 1) - ct.GetOrigin()) / ct.GetSpacing()).astype(int)
    whole[tuple((index + start[::-1]).T)] = 1
    return whole


@pytest.fixture(params=["the CT's", "coarser", "turned"])
def other_grid(request: pytest.FixtureRequest) -> Any:
    """What surfaces are converted to the grid of. Nowhere do the CT's voxel centres lie between two of its voxels."""
    if request.param == "the CT's":
        return ct_node()
    directions = rotation() if request.param == "turned" else None
    return volume_node(np.zeros((16, 20, 20), np.int16), (3.0, 3.7, 4.1), (-30.13, -35.07, -28.21), directions)


#: Not two times: on voxels half as large as the CT's its voxel centres lie between two, and rounding chooses.
@pytest.mark.parametrize("parameters", [{}, {"Oversampling factor": "3"}])
def test_each_has_the_voxels_that_slicer_gives_it_when_it_converts_all(
    other_grid: Any, parameters: dict[str, str]
) -> None:
    ct, node, slicers = ct_node(), balls(other_grid), balls(other_grid)
    for segmentation in (node.GetSegmentation(), slicers.GetSegmentation()):
        for name, value in parameters.items():
            assert segmentation.GetConversionParameter(name)
            segmentation.SetConversionParameter(name, value)
    for name in BALLS:
        expected = slicer.util.arrayFromSegmentBinaryLabelmap(slicers, name, ct)
        found = on_ct(in_one_go(mask_in_pieces(node, name, ct)), ct)
        assert found.any() and np.array_equal(found, expected), name
    assert labelmaps(slicers) == list(BALLS) and labelmaps(node) == []


@pytest.mark.parametrize("shear", [0.0, 0.2])
def test_transforms_move_what_is_converted(shear: float) -> None:
    ct, node, slicers = ct_node(), balls(ct_node()), balls(ct_node())
    matrix = np.eye(4)
    matrix[:3, 3] = (4.0, -6.0, 5.0)
    matrix[1, 2] = shear
    for one in (node, slicers):
        one.SetAndObserveTransformNodeID(transform_node(matrix).GetID())
    for name in BALLS:
        expected = slicer.util.arrayFromSegmentBinaryLabelmap(slicers, name, ct)
        assert np.array_equal(on_ct(in_one_go(mask_in_pieces(node, name, ct)), ct), expected), name


@pytest.mark.parametrize("shear", [0.0, 0.2])
def test_reading_a_patient_leaves_surfaces_and_their_node_as_they_were(shear: float) -> None:
    ct = ct_node()
    node = balls(ct)
    matrix = np.eye(4)
    matrix[1, 2] = shear
    node.SetAndObserveTransformNodeID(transform_node(matrix).GetID())
    before, time = scene_nodes(), node.GetSegmentation().GetMTime()
    patient = patient_from_nodes(ct, node)
    assert [structure.name for structure in patient.structures] == list(BALLS)
    assert scene_nodes() == before and labelmaps(node) == [] and node.GetSegmentation().GetMTime() == time


def test_the_first_segment_reaches_beyond_the_ct_as_the_others_do() -> None:
    ct = ct_node()
    node = balls(ct)
    beyond = {name: in_one_go(mask_in_pieces(node, name, ct, beyond=True)).array.sum() for name in reversed(BALLS)}
    assert beyond["Border"] > 1.5 * in_one_go(mask_in_pieces(node, "Border", ct)).array.sum()


def test_each_segment_is_a_piece_of_its_own() -> None:
    """What listens in between may remove it, or stop."""
    ct = ct_node()
    node = balls(ct)
    work = mask_in_pieces(node, "Body", ct)
    next(work)
    node.GetSegmentation().RemoveSegment("Body")
    with pytest.raises(InputError, match="The segment Body can't be turned into voxels"):
        in_one_go(work)


def test_nothing_is_made_of_an_empty_surface() -> None:
    ct = ct_node()
    node = balls(ct)
    node.AddSegmentFromClosedSurfaceRepresentation(vtk.vtkPolyData(), "Empty", [1.0, 0.0, 0.0], "Empty")
    mask = in_one_go(mask_in_pieces(node, "Empty", ct))
    assert mask.array.shape == (1, 1, 1) and not mask.array.any()
