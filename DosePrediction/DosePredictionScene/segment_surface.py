"""The closed surface of a segment that was drawn as one, and how much of each voxel it encloses."""

from __future__ import annotations

from typing import Any

import numpy as np
import slicer
import vtk
from vtk.util.numpy_support import vtk_to_numpy

from DosePredictionLib.dosimetry.closed_surface import occupancy_on_part
from DosePredictionLib.patient.geometry import Geometry, index3
from DosePredictionLib.patient.volume import Volume
from DosePredictionScene.converted_segment import converted_segment
from DosePredictionScene.node_geometry import RAS_TO_LPS, world_matrix
from DosePredictionScene.pieces import Pieces, in_background


def surface_occupancy_in_pieces(segmentation_node: Any, segment_id: str, geometry: Geometry) -> Pieces[Volume | None]:
    """The part of each voxel inside a segment's closed surface, where surfaces or contours are what was drawn.

    A surface that was made from a labelmap is smoothed and tells less than the labelmap. Contours (SlicerRT's) are
    converted to surfaces by Slicer, which can't be interrupted, unless that was done to show them.

    Args:
        segmentation_node: may lie under a linear transform.
        segment_id: of one of its segments.
        geometry: the CT's grid.

    Returns:
        On the part of the grid, or of its continuation, that holds the segment, or three times as fine; None where the
        labelmap has to do: there is no surface, or it isn't closed, or so large that there is nothing to gain.
    """
    surface = _surface(segmentation_node.GetSegmentation(), segment_id)
    if surface is None:
        return None
    # Copies: VTK may free or change its own memory while the thread works.
    points = vtk_to_numpy(surface.GetPoints().GetData()).astype(float)
    polygons = surface.GetPolys()
    offsets = vtk_to_numpy(polygons.GetOffsetsArray()).astype(np.int64)
    corners = vtk_to_numpy(polygons.GetConnectivityArray()).astype(np.int64)
    to_lps = RAS_TO_LPS @ world_matrix(segmentation_node)

    def occupancy() -> Volume | None:
        points_lps = points @ to_lps[:3, :3].T + to_lps[:3, 3]
        return occupancy_on_part(points_lps, _triangles(offsets, corners), _reaching(geometry, points_lps))

    found = yield from in_background(occupancy)
    return found


def _reaching(geometry: Geometry, points_lps: np.ndarray) -> Geometry:
    """A grid continued as far as points reach: what lies beyond the CT is a part of the structure, too."""
    index = geometry.index_of_lps(points_lps)
    low = np.minimum(np.floor(index.min(axis=0)).astype(int) - 1, 0)
    high = np.maximum(np.ceil(index.max(axis=0)).astype(int) + 2, geometry.shape)
    return geometry.cropped(index3(low), index3(high - low))


def _surface(segmentation: Any, segment_id: str) -> Any:
    """The segment's vtkPolyData of polygons; None where it wasn't drawn as a surface or as contours."""
    converter = slicer.vtkSegmentationConverter
    closed, contours = (
        converter.GetSegmentationClosedSurfaceRepresentationName(),
        converter.GetSegmentationPlanarContourRepresentationName(),
    )
    source = segmentation.GetSourceRepresentationName()
    segment = segmentation.GetSegment(segment_id)
    if source not in (closed, contours) or segment is None:
        return None
    surface = segment.GetRepresentation(closed)
    if surface is None:
        converted = converted_segment(segmentation, segment_id, closed)
        surface = None if converted is None else converted.GetSegment(segment_id).GetRepresentation(closed)
    if surface is None or surface.GetPoints() is None:
        return None
    if surface.GetNumberOfStrips():
        triangles = vtk.vtkTriangleFilter()
        triangles.SetInputData(surface)
        triangles.PassLinesOff()
        triangles.PassVertsOff()
        triangles.Update()
        surface = triangles.GetOutput()
    return surface if surface.GetNumberOfPolys() else None


def _triangles(offsets: np.ndarray, corners: np.ndarray) -> np.ndarray:
    """Polygons as fans of triangles (m, 3). In- and outside are told by parity, so concave ones come out right, too."""
    counts = np.maximum(np.diff(offsets) - 2, 0)
    first = np.repeat(offsets[:-1], counts)
    place = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    return np.stack([corners[first], corners[first + place + 1], corners[first + place + 2]], axis=1)
