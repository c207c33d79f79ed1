"""Whether contours are still the ones that a dose was measured in.

When they were touched is known in this session only; what a scene keeps is in `measured_contours`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import slicer

from DosePredictionLib.errors import InputError
from DosePredictionLib.patient.geometry import Geometry
from DosePredictionLib.patient.volume import Volume
from DosePredictionScene.node_geometry import world_matrix
from DosePredictionScene.pieces import Pieces, in_background
from DosePredictionScene.segment_labelmap import labelmap_geometry, labelmap_of, segment_voxels_in_pieces


@dataclass(frozen=True)
class Touched:
    """The last touch of a segmentation; as long as it is the same, so are the contours.

    Attributes:
        times: of what is drawn of each segment, with the segment's ID and its value in a labelmap. The latest alone
            would not tell: undoing brings earlier ones back.
        place: where it lies: its matrix to the world, or what else tells one transform from another.
    """

    times: tuple[tuple[str, int, int], ...] = ()
    place: tuple[float, ...] = ()


@dataclass(frozen=True)
class SegmentState:
    """What is drawn of one segment.

    Attributes:
        checksum: of its voxels, or of what else tells one drawing from another; "" where nothing is drawn.
        place: of the box that holds these voxels; None without voxels.
    """

    checksum: str
    place: Geometry | None = None

    def is_drawn_as(self, other: SegmentState) -> bool:
        """Whether what is drawn is the same, at the same place."""
        if self.checksum != other.checksum or self.place is None or other.place is None:
            return self == other
        return self.place.is_close(other.place)


@dataclass(frozen=True)
class Contours:
    """What is drawn of all segments.

    Attributes:
        touched: `contours_touched` when it was read.
        segments: by their IDs.
    """

    touched: Touched = Touched()
    segments: Mapping[str, SegmentState] = field(default_factory=dict)

    def are_drawn_as(self, other: Contours) -> bool:
        """Whether every segment is drawn as it is in the other."""
        if self is other:
            return True
        return self.segments.keys() == other.segments.keys() and all(
            state.is_drawn_as(other.segments[segment_id]) for segment_id, state in self.segments.items()
        )


#: Before anything was read.
NOT_READ = Contours()
#: Nobody knows which: drawn as no others, and touched since.
UNCERTAIN = Contours(Touched((("", -1, -1),)), {"": SegmentState("touched while they were read")})


def contours_touched(segmentation_node: Any) -> Touched:
    """The last touch of a segmentation: another one whenever it is drawn on, undone or moved.

    It is another one without anything being drawn, too: saving a scene puts labelmaps together. `contours_in_pieces`
    tells.
    """
    segmentation = None if segmentation_node is None else segmentation_node.GetSegmentation()
    if segmentation is None:
        return Touched()
    source = segmentation.GetSourceRepresentationName()
    times = []
    for segment_id in segmentation.GetSegmentIDs():
        segment = segmentation.GetSegment(segment_id)
        drawn = segment.GetRepresentation(source)
        times.append((str(segment_id), 0 if drawn is None else int(drawn.GetMTime()), int(segment.GetLabelValue())))
    return Touched(tuple(times), _place(segmentation_node)) if times else Touched()


def _place(segmentation_node: Any) -> tuple[float, ...]:
    try:
        return tuple(float(v) for v in world_matrix(segmentation_node).ravel())
    except InputError:  # a deforming transform, which whoever reads the contours refuses
        return (float(segmentation_node.GetParentTransformNode().GetTransformToWorldMTime()),)


def contours_in_pieces(segmentation_node: Any, known: Contours) -> Pieces[Contours]:
    """What is drawn now.

    Args:
        segmentation_node: None gives nothing.
        known: what was read before, of this node or another; it comes back where nothing was touched since.

    Raises:
        InputError: a segment changed meanwhile, or lies under a transform that deforms.
    """
    touched = contours_touched(segmentation_node)
    if touched == known.touched:
        return known
    segments = {}
    for segment_id in segmentation_node.GetSegmentation().GetSegmentIDs() if touched.times else ():
        segments[segment_id] = yield from _segment_state(segmentation_node, segment_id)
    return Contours(touched, segments)


def unless_touched_since(contours: Contours, segmentation_node: Any) -> Contours:
    """These contours if what was read after them was read from the same ones; `UNCERTAIN` otherwise.

    What was drawn meanwhile may be undone again, and then these would be taken for those that were read.
    """
    return contours if contours.touched == contours_touched(segmentation_node) else UNCERTAIN


def _segment_state(segmentation_node: Any, segment_id: str) -> Pieces[SegmentState]:
    segmentation = segmentation_node.GetSegmentation()
    segment = segmentation.GetSegment(segment_id)
    source = segmentation.GetSourceRepresentationName()
    drawn = None if segment is None else segment.GetRepresentation(source)
    if drawn is None:
        return SegmentState("")
    touched = SegmentState(f"touched at {drawn.GetMTime()}, lying at {_place(segmentation_node)}")
    if source != slicer.vtkSegmentationConverter.GetSegmentationBinaryLabelmapRepresentationName():
        return touched  # surfaces, contours and fractional labelmaps stay as they are when a scene is saved
    labelmap = labelmap_of(segmentation, segment_id)
    if labelmap is None or labelmap.image is not drawn:
        return SegmentState("") if labelmap is None else touched
    geometry = labelmap_geometry(labelmap, segmentation_node)
    if geometry is None:
        return touched
    voxels = yield from segment_voxels_in_pieces(segmentation, segment_id, segment.GetName() or segment_id)
    state = yield from in_background(_state_of_voxels, Volume(voxels, geometry))
    return state


def _state_of_voxels(voxels: Volume) -> SegmentState:
    """Labelmaps that are put together grow beyond the segment: only the box that holds it counts."""
    mask = voxels.cropped_to_nonzero()
    if not mask.array.any():
        return SegmentState("")
    return SegmentState(hashlib.blake2b(np.packbits(mask.array).tobytes(), digest_size=16).hexdigest(), mask.geometry)
