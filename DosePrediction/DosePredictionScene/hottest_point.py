"""Where a structure gets its highest dose."""

from __future__ import annotations

from typing import Any

import numpy as np
import slicer

from DosePredictionLib.dosimetry.comparison_tables import JOINED
from DosePredictionScene.node_geometry import volume_geometry
from DosePredictionScene.patient_from_nodes import structure_names
from DosePredictionScene.pieces import Pieces, in_background, while_in_scene
from DosePredictionScene.segment_mask import mask_in_pieces
from DosePredictionScene.voxels import voxels_in_pieces


def hottest_point_in_pieces(
    dose_node: Any, segmentation_node: Any, name: str
) -> Pieces[tuple[float, float, float] | None]:
    """The centre of the voxel with the highest dose in a segment, world RAS mm.

    Args:
        dose_node: the dose.
        segmentation_node: with the segment.
        name: of the segment, or as tables number a second one of that name: "Parotid (2)".

    Returns:
        None where there is no such segment, or it holds no voxel of the dose.

    Raises:
        InputError: one of the nodes was removed meanwhile.
    """
    segment_id = _segment_id(segmentation_node.GetSegmentation(), name)
    if segment_id is None:
        return None
    work = _hottest_point(dose_node, segmentation_node, segment_id)
    gone = "The dose or the structures were removed meanwhile."
    point = yield from while_in_scene((dose_node, segmentation_node), work, gone)
    return point


def judged_segment(segmentation_node: Any, label: str) -> str:
    """The segment that a goal's label speaks of: of two, the one that the predicted dose was judged in."""
    return label if _segment_id(segmentation_node.GetSegmentation(), label) else label.split(JOINED)[0]


def _segment_id(segmentation: Any, name: str) -> str | None:
    """Not by Slicer's own search by name, which of two gives any."""
    return next((segment_id for segment_id, own in structure_names(segmentation).items() if own == name), None)


def _hottest_point(
    dose_node: Any, segmentation_node: Any, segment_id: str
) -> Pieces[tuple[float, float, float] | None]:
    mask = yield from mask_in_pieces(segmentation_node, segment_id, dose_node)
    start = np.round(volume_geometry(dose_node).index_of_lps(np.asarray(mask.geometry.origin_mm))).astype(int)
    z, y, x = (slice(int(a), int(a) + n) for a, n in zip(start, mask.array.shape, strict=True))
    dose = yield from voxels_in_pieces(dose_node, (z, y, x))
    index = yield from in_background(_index_of_highest, dose, mask.array)
    if index is None:
        return None
    x_lps, y_lps, z_lps = (float(v) for v in mask.geometry.lps_of_index(index))
    return (-x_lps, -y_lps, z_lps)


def _index_of_highest(dose: np.ndarray, mask: np.ndarray) -> np.ndarray | None:
    if not mask.any():
        return None
    inside = np.where(mask != 0, dose, -np.inf)
    return np.array(np.unravel_index(int(inside.argmax()), inside.shape))


def jump_slices_to(point_ras: tuple[float, float, float]) -> None:
    """Let all slice views go through a point, which comes into their middle."""
    for node in slicer.util.getNodesByClass("vtkMRMLSliceNode"):
        node.JumpSliceByCentering(*point_ras)
