"""Which structure a click on a goal goes to, and where in it."""

from __future__ import annotations

import numpy as np
import pytest
import slicer
from DosePredictionScene.hottest_point import hottest_point_in_pieces, judged_segment
from DosePredictionScene.pieces import in_one_go
from phantom_scene import ras_of_voxel, segmentation_node, volume_node


@pytest.mark.parametrize("segment_ids", [("a", "b"), ("b", "a")])
def test_a_click_finds_the_second_structure_of_a_name_and_the_first_of_a_pair(segment_ids: tuple[str, str]) -> None:
    array = np.zeros((6, 8, 10), np.float32)
    array[1, 2, 3], array[4, 5, 6] = 30.0, 50.0
    dose = volume_node(array, (2.0, 2.0, 3.0))
    structures = segmentation_node(dose, {})
    for segment_id, voxel in zip(segment_ids, ((1, 2, 3), (4, 5, 6)), strict=True):
        mask = np.zeros(array.shape, np.uint8)
        mask[voxel] = 1
        structures.GetSegmentation().AddEmptySegment(segment_id, "Node")
        slicer.util.updateSegmentBinaryLabelmapFromArray(mask, structures, segment_id, dose)
    for name, voxel in (("Node", (1, 2, 3)), ("Node (2)", (4, 5, 6))):
        point = in_one_go(hottest_point_in_pieces(dose, structures, name))
        assert np.allclose(point, ras_of_voxel(dose, *voxel)), name
    assert in_one_go(hottest_point_in_pieces(dose, structures, "Node (3)")) is None
    structures.GetSegmentation().GetNthSegment(1).SetName("Other")
    assert judged_segment(structures, "Other / Node") == "Other"
