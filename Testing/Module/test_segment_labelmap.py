"""Segments are read in pieces, and between two of these Slicer may put their labelmaps together, as saving does."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import slicer
from DosePredictionScene.pieces import in_one_go
from DosePredictionScene.segment_mask import mask_in_pieces
from phantom_scene import segmentation_node, volume_node

from DosePredictionLib.errors import InputError

#: Of several slabs.
SHAPE = (60, 200, 200)


def beside_each_other() -> tuple[Any, Any, dict[str, np.ndarray]]:
    """CT, segmentation and masks: two segments on labelmaps of their own, as large, and with the same value in each."""
    ct = volume_node(np.zeros(SHAPE, np.int16))
    masks = {"Low": np.zeros(SHAPE, bool), "High": np.zeros(SHAPE, bool)}
    masks["Low"][:, 20:80, 20:180] = masks["High"][:, 100:160, 20:180] = True
    masks["Low"][0, 0, 0] = masks["Low"][-1, -1, -1] = True  # both reach from end to end
    masks["High"][0, 0, -1] = masks["High"][-1, -1, 0] = True
    node = segmentation_node(ct, masks)
    for segment_id in node.GetSegmentation().GetSegmentIDs():
        node.GetSegmentation().SeparateSegmentLabelmap(segment_id)
    return ct, node, masks


def segment_ids(node: Any) -> list[str]:
    return list(node.GetSegmentation().GetSegmentIDs())


def test_a_segment_does_not_get_anothers_voxels_when_labelmaps_are_put_together_meanwhile() -> None:
    ct, node, masks = beside_each_other()
    _, high = segment_ids(node)
    assert in_one_go(mask_in_pieces(node, high, ct)).array.sum() == masks["High"].sum()
    work = mask_in_pieces(node, high, ct)
    next(work)
    node.GetSegmentation().CollapseBinaryLabelmaps(False)
    with pytest.raises(InputError, match="The segment High changed while it was read; try again"):
        in_one_go(work)
    assert in_one_go(mask_in_pieces(node, high, ct)).array.sum() == masks["High"].sum()


def test_a_segment_that_is_drawn_on_or_removed_meanwhile_is_told() -> None:
    ct, node, masks = beside_each_other()
    low, high = segment_ids(node)
    work = mask_in_pieces(node, low, ct)
    next(work)
    slicer.util.updateSegmentBinaryLabelmapFromArray((~masks["High"]).astype(np.uint8), node, low, ct)
    with pytest.raises(InputError, match="The segment Low changed"):
        in_one_go(work)
    work = mask_in_pieces(node, high, ct)
    next(work)
    node.GetSegmentation().RemoveSegment(high)
    with pytest.raises(InputError, match="The segment High changed"):
        in_one_go(work)
