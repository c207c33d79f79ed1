"""Isodose lines in the slice views: where the isodose surfaces of a dose cut them."""

from __future__ import annotations

from typing import Any

import numpy as np
import slicer
import vtk

from DosePredictionScene.colours import COLOUR_TABLE_ROLE
from DosePredictionScene.isodose_scale import IsodoseScale
from DosePredictionScene.owned_nodes import default_display_node, owned_node
from DosePredictionScene.pieces import Pieces, in_one_go
from DosePredictionScene.subject_hierarchy import item_of, place

ISODOSE_ROLE = "DosePrediction.IsodoseSurfaces"
#: How SlicerRT tells isodose surfaces from other models.
ISODOSE_MODEL_ATTRIBUTE = "DicomRtImport.IsodoseModel"
LEVEL_ARRAY = "isolevels"
#: A dose is smooth: surfaces of a finer grid would only be larger.
COARSEST_USEFUL_SPACING_MM = 2.5


def update_isodose_lines(dose_node: Any, scale: IsodoseScale) -> Any:
    """The isodose surfaces of a dose as a model that shows its lines in the slice views and, when new, nothing in 3D.

    Returns:
        The vtkMRMLModelNode. Its point data ``isolevels`` say the level in Gy.
    """
    return in_one_go(isodose_lines_in_pieces(dose_node, scale))


def isodose_lines_in_pieces(dose_node: Any, scale: IsodoseScale) -> Pieces[Any]:
    """As `update_isodose_lines`, a piece a level."""
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


def isodose_surfaces(dose_node: Any, scale: IsodoseScale) -> Any:
    """A vtkPolyData in the dose node's own RAS, all levels, each point with its level in Gy."""
    return in_one_go(_surfaces(dose_node, scale))


def _surfaces(dose_node: Any, scale: IsodoseScale) -> Pieces[Any]:
    array = slicer.util.arrayFromVolume(dose_node)
    steps = [max(1, int(COARSEST_USEFUL_SPACING_MM // spacing)) for spacing in dose_node.GetSpacing()]
    # A margin of zeros closes surfaces that reach the edge of the grid.
    thinned = np.pad(array[:: steps[2], :: steps[1], :: steps[0]], 1)
    image = vtk.vtkImageData()
    image.SetDimensions(thinned.shape[::-1])
    image.SetSpacing(steps)
    image.SetOrigin([-float(step) for step in steps])
    scalars = slicer.util._vtkArrayFromNumpyArray(np.ascontiguousarray(thinned).ravel(), deep=True)
    scalars.SetName(LEVEL_ARRAY)
    image.GetPointData().SetScalars(scalars)
    together = vtk.vtkAppendPolyData()
    for level in scale.levels_gy:
        together.AddInputData(_surface(image, level))
        yield None
    to_ras = vtk.vtkTransform()
    matrix = vtk.vtkMatrix4x4()
    dose_node.GetIJKToRASMatrix(matrix)
    to_ras.SetMatrix(matrix)
    placed = vtk.vtkTransformPolyDataFilter()
    placed.SetTransform(to_ras)
    placed.SetInputConnection(together.GetOutputPort())
    placed.Update()
    return placed.GetOutput()


def _surface(image: Any, level_gy: float) -> Any:
    contours = vtk.vtkFlyingEdges3D()
    contours.SetInputData(image)
    contours.SetValue(0, level_gy)
    contours.ComputeNormalsOff()
    contours.ComputeGradientsOff()
    contours.ComputeScalarsOn()
    contours.Update()
    return contours.GetOutput()
