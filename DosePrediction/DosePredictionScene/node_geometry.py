"""The grid of a volume node: Slicer's RAS and parent transforms against the library's LPS."""

from __future__ import annotations

from typing import Any

import numpy as np
import slicer
import vtk

from DosePredictionLib.errors import InputError
from DosePredictionLib.patient.geometry import Geometry

#: Right-anterior-superior to left-posterior-superior and back.
RAS_TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
#: Cosine of the angle between two axes of a grid that still counts as a right angle (0.06 degrees).
PERPENDICULAR_TOLERANCE = 1e-3


def volume_geometry(node: Any) -> Geometry:
    """The grid of a volume node as it lies in the patient, with its parent transform applied.

    Args:
        node: vtkMRMLVolumeNode with voxels.

    Returns:
        The grid in LPS millimetres; its shape is that of ``slicer.util.arrayFromVolume(node)``.

    Raises:
        InputError: the node has no voxels, is deformed by its transform, or has axes that are not perpendicular.
    """
    if node.GetImageData() is None:
        raise InputError(f"The volume {node.GetName()} has no voxels; load it again or choose another.")
    matrix = RAS_TO_LPS @ world_matrix(node) @ ijk_to_ras(node)
    x, y, z = node.GetImageData().GetDimensions()
    return geometry_of_matrix(matrix, (z, y, x), node.GetName())


def geometry_of_matrix(index_to_lps: np.ndarray, shape: tuple[int, int, int], name: str) -> Geometry:
    """The grid of ``shape`` (z, y, x) whose voxel (x, y, z) lies at ``index_to_lps`` times it.

    Raises:
        InputError: the axes are not perpendicular.
    """
    axes = index_to_lps[:3, :3]
    spacing = np.linalg.norm(axes, axis=0)
    direction = axes / spacing
    if np.abs(direction.T @ direction - np.eye(3)).max() > PERPENDICULAR_TOLERANCE:
        raise InputError(
            f"The axes of the volume {name} are not perpendicular (a tilted gantry, or a transform that shears); "
            "resample it onto a straight grid first."
        )
    return Geometry(
        shape,
        tuple(float(v) for v in spacing),
        tuple(float(v) for v in index_to_lps[:3, 3]),
        tuple(float(v) for v in direction.ravel()),
    )


def world_matrix(node: Any) -> np.ndarray:
    """4 x 4 matrix from the node's own RAS to the world's, by its parent transforms.

    Raises:
        InputError: a parent transform deforms, so that no matrix says what it does.
    """
    matrix = vtk.vtkMatrix4x4()
    transform = node.GetParentTransformNode()
    if transform is None:
        return np.eye(4)
    if not transform.IsTransformToWorldLinear():
        raise InputError(
            f"{node.GetName()} lies under the deforming transform {transform.GetName()}; harden the transform "
            "(Transforms module, Apply transform) and predict again."
        )
    transform.GetMatrixTransformToWorld(matrix)
    return slicer.util.arrayFromVTKMatrix(matrix)


def ijk_to_ras(node: Any) -> np.ndarray:
    """4 x 4 matrix from the node's voxel index (x, y, z, 1) to its own RAS millimetres."""
    matrix = vtk.vtkMatrix4x4()
    node.GetIJKToRASMatrix(matrix)
    return slicer.util.arrayFromVTKMatrix(matrix)


def ras_matrix(geometry: Geometry) -> Any:
    """A vtkMatrix4x4 from voxel index (x, y, z, 1) to RAS millimetres."""
    return slicer.util.vtkMatrixFromArray(RAS_TO_LPS @ geometry.index_to_lps)
