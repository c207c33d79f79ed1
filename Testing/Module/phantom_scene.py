"""Nodes, doses and a predictor made of formulas, and what a scene holds."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import slicer
from DosePredictionScene.patient_from_nodes import patient_from_nodes
from DosePredictionScene.scene_result import SceneResult, show_prediction
from DosePredictionScene.self_test import phantom_nodes, spherical_dose

from DosePredictionLib.dosimetry.goals import bundled_goals, evaluate_goals
from DosePredictionLib.inference.progress import Progress
from DosePredictionLib.patient.patient import Patient
from DosePredictionLib.patient.volume import Volume
from DosePredictionLib.worker.events import Advanced, Event, Failed, Finished, Stopped
from DosePredictionLib.worker.predictor import Prediction

#: Turned about two axes, so that no grid axis is one of the patient's.
OBLIQUE = np.array([[0.9254, -0.3651, 0.1018], [0.3368, 0.9143, 0.2250], [-0.1753, -0.1739, 0.9690]])


def rotation(matrix: np.ndarray = OBLIQUE) -> np.ndarray:
    """The nearest rotation to a matrix typed with few digits."""
    u, _, v = np.linalg.svd(matrix)
    return u @ v


def volume_node(
    array: np.ndarray,
    spacing_mm: tuple[float, float, float] = (1.0, 1.0, 1.0),
    origin_ras: tuple[float, float, float] = (0.0, 0.0, 0.0),
    directions_ras: np.ndarray | None = None,
    name: str = "CT",
) -> Any:
    """A scalar volume node."""
    matrix = np.eye(4)
    matrix[:3, :3] = (np.eye(3) if directions_ras is None else directions_ras) * np.asarray(spacing_mm)
    matrix[:3, 3] = origin_ras
    return slicer.util.addVolumeFromArray(array, matrix, name)


def segmentation_node(reference: Any, masks: dict[str, np.ndarray], name: str = "Structures") -> Any:
    """A segmentation node with a segment a mask, on the grid of ``reference``."""
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", name)
    node.CreateDefaultDisplayNodes()
    node.SetReferenceImageGeometryParameterFromVolumeNode(reference)
    for segment_name, mask in masks.items():
        segment_id = node.GetSegmentation().AddEmptySegment("", segment_name)
        slicer.util.updateSegmentBinaryLabelmapFromArray(mask.astype(np.uint8), node, segment_id, reference)
    return node


def ras_of_voxel(node: Any, z: int, y: int, x: int) -> np.ndarray:
    """Where Slicer has the centre of a voxel in the world, asked of its transform classes."""
    import vtk

    matrix = vtk.vtkMatrix4x4()
    node.GetIJKToRASMatrix(matrix)
    point = matrix.MultiplyPoint((x, y, z, 1))[:3]
    if node.GetParentTransformNode() is not None:
        to_world = vtk.vtkGeneralTransform()
        node.GetParentTransformNode().GetTransformToWorld(to_world)
        point = to_world.TransformPoint(point)
    return np.array(point)


def transform_node(matrix: np.ndarray, name: str = "Moved") -> Any:
    """A linear transform node."""
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode", name)
    node.SetMatrixTransformToParent(slicer.util.vtkMatrixFromArray(matrix))
    return node


def scene_nodes() -> dict[str, str]:
    """Class by ID of every node in the scene."""
    scene = slicer.mrmlScene
    nodes = [scene.GetNthNode(index) for index in range(scene.GetNumberOfNodes())]
    return {node.GetID(): node.GetClassName() for node in nodes}


def hierarchy_names() -> list[str]:
    """Names of all subject hierarchy items."""
    import vtk

    tree = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    items = vtk.vtkIdList()
    tree.GetItemChildren(tree.GetSceneItemID(), items, True)
    return sorted(tree.GetItemName(items.GetId(index)) for index in range(items.GetNumberOfIds()))


def dangling_references() -> list[str]:
    """References from nodes of the scene to nodes that are not in it."""
    found = []
    for node_id in scene_nodes():
        node = slicer.mrmlScene.GetNodeByID(node_id)
        roles: list[str] = []
        node.GetNodeReferenceRoles(roles)
        for role in roles:
            for index in range(node.GetNumberOfNodeReferences(role)):
                if node.GetNthNodeReference(role, index) is None:
                    found.append(f"{node.GetName()} {role} -> {node.GetNthNodeReferenceID(role, index)}")
    return found


def shown_phantom(ct: Any = None, segmentation: Any = None) -> tuple[Any, Any, Prediction, SceneResult]:
    """A phantom in the scene with a spherical dose shown on it: CT node, segmentation node, prediction, nodes."""
    if ct is None:
        ct, segmentation = phantom_nodes()
    prediction = spherical_dose(patient_from_nodes(ct, segmentation))
    return ct, segmentation, prediction, show(ct, prediction)


def show(ct: Any, prediction: Prediction) -> SceneResult:
    """Show a prediction with the bundled goals."""
    results = evaluate_goals(bundled_goals("head-and-neck"), prediction.patient, prediction.dose, prediction.dvhs)
    return show_prediction(ct, prediction, results)


class SphericalPredictor:
    """Stands for the prediction process: its dose is `spherical_dose`, its events come when the test lets them."""

    def __init__(self) -> None:
        self.patient: Patient | None = None
        self.settings: dict[str, Any] = {}
        self.closed = False
        self.number = 0
        #: Standard deviation over the samples as a part of the dose; None gives none, as one sample does.
        self.std_part: float | None = None
        #: Of the dose, which is multiplied by it; and what else the provenance says.
        self.factor = 1.0
        self.told: dict[str, Any] = {}
        self._events: list[Event] = []

    def submit(self, patient: Patient, **settings: Any) -> int:
        self.patient, self.settings = patient, settings
        self.number += 1
        return self.number

    @property
    def busy(self) -> bool:
        return self.patient is not None

    def poll(self) -> list[Event]:
        events, self._events = self._events, []
        return events

    def cancel(self) -> None:
        if self.busy:
            self.patient = None
            self._events.append(Stopped(request=self.number))

    def close(self) -> None:
        self.cancel()
        self.closed = True

    def advance(self, step: int) -> None:
        """Let it report a step of four."""
        self._events.append(Advanced(Progress("sampling", step, 4, 4.0 - step), request=self.number))

    def finish(self) -> None:
        """Let it finish."""
        assert self.patient is not None
        prediction = spherical_dose(self.patient)
        dose = Volume(prediction.dose.array * np.float32(self.factor), prediction.dose.geometry)
        self.patient = None
        std = None
        if self.std_part is not None:
            std = Volume(dose.array * np.float32(self.std_part), dose.geometry)
        provenance = replace(prediction.provenance, seed=self.settings.get("seed", 0), **self.told)
        self._events.append(Finished(dose, std, provenance, request=self.number))

    def fail(self, text: str) -> None:
        """Let it fail."""
        self.patient = None
        self._events.append(Failed(text, by_input=False, request=self.number))


class PromptPredictor(SphericalPredictor):
    """Answers at once."""

    def submit(self, patient: Patient, **settings: Any) -> int:
        number = super().submit(patient, **settings)
        for step in range(5):
            self.advance(step)
        self.finish()
        return number
