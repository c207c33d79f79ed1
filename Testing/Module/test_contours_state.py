"""Labelmaps that are put together hold the same contours; drawing, moving and other surfaces make others."""

from __future__ import annotations

from typing import Any

import numpy as np
import slicer
import vtk
from DosePredictionScene.contours_state import NOT_READ, Contours, contours_in_pieces, contours_touched
from DosePredictionScene.measured_contours import completed, measured_contours, remember_measured_contours
from DosePredictionScene.pieces import in_one_go
from phantom_scene import rotation, segmentation_node, transform_node, volume_node

SHAPE = (12, 20, 24)


def read(node: Any, known: Contours = NOT_READ) -> Contours:
    return in_one_go(contours_in_pieces(node, known))


def drawn() -> tuple[Any, Any]:
    """CT and segmentation node: a target in an organ, another organ, and nothing."""
    ct = volume_node(np.zeros(SHAPE, np.int16), (0.9765625, 0.9765625, 2.5), (-249.51, 12.3, 4.5), rotation())
    masks = {name: np.zeros(SHAPE, bool) for name in ("Organ", "Target", "Other", "Empty")}
    masks["Organ"][2:8, 3:12, 3:12] = masks["Target"][4:6, 5:9, 5:9] = masks["Other"][8:11, 13:18, 14:20] = True
    return ct, segmentation_node(ct, masks)


def segment_id(node: Any, name: str) -> str:
    return str(node.GetSegmentation().GetSegmentIdBySegmentName(name))


def test_labelmaps_that_are_put_together_are_the_same_contours() -> None:
    _, node = drawn()
    for one in node.GetSegmentation().GetSegmentIDs():
        node.GetSegmentation().SeparateSegmentLabelmap(one)
    before = read(node)
    assert len(before.segments) == 4
    node.GetSegmentation().CollapseBinaryLabelmaps(False)
    after = read(node, before)
    assert contours_touched(node) == after.touched != before.touched
    assert after.are_drawn_as(before) and before.are_drawn_as(after)


def test_what_was_not_touched_is_not_read_again() -> None:
    _, node = drawn()
    known = read(node)
    assert read(node, known) is known
    assert read(None) is NOT_READ and not known.are_drawn_as(NOT_READ)


def test_one_voxel_more_or_at_another_place_is_another_drawing() -> None:
    ct, node = drawn()
    known = read(node)
    organ = np.zeros(SHAPE, np.uint8)
    for place in ((slice(2, 8), slice(3, 12), slice(4, 13)), (slice(2, 8), slice(3, 12), slice(3, 12))):
        organ[:] = 0
        organ[place] = 1
        slicer.util.updateSegmentBinaryLabelmapFromArray(organ, node, segment_id(node, "Organ"), ct)
        assert read(node).are_drawn_as(known) == (place[2].start == 3)
    organ[2, 3, 3] = 0
    slicer.util.updateSegmentBinaryLabelmapFromArray(organ, node, segment_id(node, "Organ"), ct)
    assert not read(node).are_drawn_as(known)
    node.GetSegmentation().RemoveSegment(segment_id(node, "Organ"))
    assert not read(node).are_drawn_as(known)


def test_an_older_drawing_that_comes_back_is_noticed() -> None:
    """Undoing gives a segment the labelmap of before, while another one was drawn on last."""
    _, node = drawn()
    for one in node.GetSegmentation().GetSegmentIDs():
        node.GetSegmentation().SeparateSegmentLabelmap(one)
    organ = node.GetSegmentation().GetSegment(segment_id(node, "Organ"))
    kept = organ.GetRepresentation("Binary labelmap")
    organ.AddRepresentation("Binary labelmap", slicer.vtkOrientedImageData())
    node.GetSegmentation().GetSegment(segment_id(node, "Other")).GetRepresentation("Binary labelmap").Modified()
    known = read(node)
    organ.AddRepresentation("Binary labelmap", kept)
    assert contours_touched(node) != known.touched and not read(node, known).are_drawn_as(known)


def test_contours_under_another_transform_are_drawn_elsewhere() -> None:
    _, node = drawn()
    known = read(node)
    matrix = np.eye(4)
    matrix[0, 3] = 2.0
    node.SetAndObserveTransformNodeID(transform_node(matrix).GetID())
    assert not read(node).are_drawn_as(known)


def test_surfaces_are_told_apart_by_when_they_were_touched() -> None:
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Surfaces")
    source = vtk.vtkSphereSource()
    source.Update()
    node.AddSegmentFromClosedSurfaceRepresentation(source.GetOutput(), "Ball", [1.0, 0.0, 0.0], "ball")
    node.GetSegmentation().SetSourceRepresentationName("Closed surface")
    known = read(node)
    assert read(node).are_drawn_as(known)
    node.GetSegmentation().GetSegment("ball").GetRepresentation("Closed surface").Modified()
    assert not read(node, known).are_drawn_as(known)


def test_a_fractional_labelmap_that_is_drawn_on_is_another_drawing() -> None:
    _, node = drawn()
    segmentation, fractional = node.GetSegmentation(), "Fractional labelmap"
    assert segmentation.CreateRepresentation(fractional)
    segmentation.SetSourceRepresentationName(fractional)
    segmentation.RemoveRepresentation("Binary labelmap")
    known = read(node)
    assert read(node).are_drawn_as(known)
    segmentation.GetSegment(segment_id(node, "Organ")).GetRepresentation(fractional).Modified()
    assert not read(node, known).are_drawn_as(known)


def test_a_dose_keeps_which_voxels_were_measured_and_of_surfaces_that_there_were_some() -> None:
    ct, node = drawn()
    known = read(node)
    assert measured_contours(ct) is None
    remember_measured_contours(ct, known)
    kept = measured_contours(ct)
    assert kept is not None and known.are_drawn_as(completed(kept, NOT_READ))
    assert node.GetSegmentation().CreateRepresentation("Closed surface")
    node.GetSegmentation().SetSourceRepresentationName("Closed surface")
    surfaces = read(node)
    remember_measured_contours(ct, surfaces)
    kept = measured_contours(ct)
    assert kept is not None and surfaces.are_drawn_as(completed(kept, surfaces)), "a touch's time says nothing later"
    assert not surfaces.are_drawn_as(completed(kept, known)) and not surfaces.are_drawn_as(completed(kept, NOT_READ))
    remember_measured_contours(ct, NOT_READ)
    assert measured_contours(ct) is None
