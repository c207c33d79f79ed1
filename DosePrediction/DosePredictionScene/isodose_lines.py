"""Isodose lines in the slice views: where the isodose surfaces of a dose cut them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import slicer
import vtk
from vtk.util.numpy_support import numpy_to_vtk

from DosePredictionLib.patient.voxel_box import occupied_box
from DosePredictionLib.report.isodose_scale import IsodoseScale
from DosePredictionScene.colours import COLOUR_TABLE_ROLE
from DosePredictionScene.owned_nodes import default_display_node, owned_node
from DosePredictionScene.pieces import Pieces, in_background
from DosePredictionScene.subject_hierarchy import item_of, place
from DosePredictionScene.voxels import voxels_in_pieces

ISODOSE_ROLE = "DosePrediction.IsodoseSurfaces"
#: How SlicerRT tells isodose surfaces from other models.
ISODOSE_MODEL_ATTRIBUTE = "DicomRtImport.IsodoseModel"
LEVEL_ARRAY = "isolevels"
#: A dose is smooth: surfaces of a finer grid would only be larger.
COARSEST_USEFUL_SPACING_MM = 2.5
#: Contoured in one piece; takes some milliseconds.
VOXELS_AT_ONCE = 1_000_000

#: On a dose: the levels that the user chose to see, where they are not the usual ones.
LEVELS_ATTRIBUTE = "DosePrediction.IsodoseLevels"


def isodose_lines_in_pieces(dose_node: Any, scale: IsodoseScale) -> Pieces[Any]:
    """The isodose surfaces of a dose as a model that shows its lines in the slice views and, when new, nothing in 3D.

    A piece a level and slab.

    Returns:
        The vtkMRMLModelNode. Its point data ``isolevels`` say the level in Gy.
    """
    surfaces = yield from _surfaces(dose_node, scale)
    first_time = dose_node.GetNodeReference(ISODOSE_ROLE) is None
    name = f"{dose_node.GetName()} isodoses"
    node = owned_node(dose_node, ISODOSE_ROLE, "vtkMRMLModelNode", name, attributes={ISODOSE_MODEL_ATTRIBUTE: "1"})
    transform = dose_node.GetParentTransformNode()
    node.SetAndObserveTransformNodeID(transform.GetID() if transform is not None else None)
    node.SetAndObserveMesh(surfaces)
    isodose_table = dose_node.GetNodeReference(COLOUR_TABLE_ROLE)
    display = default_display_node(node)
    with slicer.util.NodeModify(display):
        display.SetActiveScalar(LEVEL_ARRAY, vtk.vtkAssignAttribute.POINT_DATA)
        display.SetAndObserveColorNodeID(isodose_table.GetNodeReference(COLOUR_TABLE_ROLE).GetID())
        display.SetScalarRangeFlag(slicer.vtkMRMLDisplayNode.UseManualScalarRange)
        display.SetScalarRange(scale.first_gy, scale.last_gy)
        display.SetScalarVisibility(True)
        display.SetBackfaceCulling(False)
        if first_time:  # afterwards they are the user's
            display.SetVisibility2D(True)
            display.SetVisibility3D(False)
        display.SetSliceIntersectionThickness(1)
    place(node, item_of(dose_node))
    return node


def _surfaces(dose_node: Any, scale: IsodoseScale) -> Pieces[Any]:
    """A vtkPolyData in the dose node's own RAS, all levels, each point with its level in Gy."""
    steps = [max(1, int(COARSEST_USEFUL_SPACING_MM // spacing)) for spacing in dose_node.GetSpacing()]
    matrix = vtk.vtkMatrix4x4()
    dose_node.GetIJKToRASMatrix(matrix)
    thinned = yield from voxels_in_pieces(dose_node, (_every(steps[2]), _every(steps[1]), _every(steps[0])), np.float32)
    slabs = yield from in_background(_slabs_with_dose, thinned, scale)
    together = vtk.vtkAppendPolyData()
    together.AddInputData(vtk.vtkPolyData())  # a dose below all levels has no surface
    for slab in slabs:
        image = slab.image(steps)
        for level in scale.levels_gy:
            if slab.lowest_gy < level <= slab.highest_gy:
                together.AddInputData(_surface(image, level, matrix))
                yield None
    together.Update()
    return together.GetOutput()


def _every(step: int) -> slice:
    return slice(None, None, step)


@dataclass(frozen=True)
class Slab:
    """A part of a dose that is contoured at once; it shares its outermost slices with its neighbours.

    Attributes:
        array: Gy (z, y, x).
        start: index of its first voxel (z, y, x), in the thinned grid.
    """

    array: np.ndarray
    start: tuple[int, int, int]
    lowest_gy: float
    highest_gy: float

    def image(self, steps: Sequence[int]) -> Any:
        """A vtkImageData in the index coordinates of the grid that was thinned by ``steps`` (x, y, z)."""
        image = vtk.vtkImageData()
        image.SetDimensions(self.array.shape[::-1])
        image.SetSpacing(steps)
        image.SetOrigin([float(first * step) for first, step in zip(self.start[::-1], steps, strict=True)])
        scalars = numpy_to_vtk(self.array.ravel(), deep=True)
        scalars.SetName(LEVEL_ARRAY)
        image.GetPointData().SetScalars(scalars)
        return image


def _slabs_with_dose(dose_gy: np.ndarray, scale: IsodoseScale) -> list[Slab]:
    """The part of a dose (z, y, x) where there is a level, within a margin, in slabs across its first axis."""
    box = occupied_box(dose_gy >= scale.first_gy)
    if box is None:
        return []
    # A margin of zeros closes surfaces that reach the edge of the grid.
    padded = np.pad(dose_gy[tuple(slice(max(0, s.start - 1), s.stop + 1) for s in box)], 1)
    first = [max(0, s.start - 1) - 1 for s in box]
    thickness = max(1, VOXELS_AT_ONCE // padded[0].size)
    slabs = []
    for start in range(0, len(padded) - 1, thickness):
        array = np.ascontiguousarray(padded[start : start + thickness + 1])
        place = (first[0] + start, first[1], first[2])
        slabs.append(Slab(array, place, float(array.min()), float(array.max())))
    return slabs


def _surface(image: Any, level_gy: float, ijk_to_ras: Any) -> Any:
    contours = vtk.vtkFlyingEdges3D()
    contours.SetInputData(image)
    contours.SetValue(0, level_gy)
    contours.ComputeNormalsOff()
    contours.ComputeGradientsOff()
    contours.ComputeScalarsOn()
    to_ras = vtk.vtkTransform()
    to_ras.SetMatrix(ijk_to_ras)
    placed = vtk.vtkTransformPolyDataFilter()
    placed.SetTransform(to_ras)
    placed.SetInputConnection(contours.GetOutputPort())
    placed.Update()
    return placed.GetOutput()
