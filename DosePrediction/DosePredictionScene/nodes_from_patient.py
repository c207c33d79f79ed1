"""A patient from files as nodes: CT volume, segmentation with roles, reference dose."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import slicer
from vtk.util.numpy_support import numpy_to_vtk

from DosePredictionLib.errors import InputError
from DosePredictionLib.patient.patient import Patient
from DosePredictionLib.patient.structure import Structure, StructureRole
from DosePredictionLib.patient.volume import Volume
from DosePredictionLib.report.structure_colours import structure_colours
from DosePredictionScene.dose_node import DOSE_VOLUME_ATTRIBUTE
from DosePredictionScene.node_geometry import ras_matrix
from DosePredictionScene.pieces import Pieces, in_background, in_one_go
from DosePredictionScene.segment_choices import SegmentChoice, store_choice
from DosePredictionScene.segment_mask import on_voxels_of
from DosePredictionScene.subject_hierarchy import hierarchy, item_of, require_gray
from DosePredictionScene.voxels import image_in_pieces

SOFT_TISSUE_WINDOW_HU, SOFT_TISSUE_LEVEL_HU = 400.0, 40.0
#: Roles whose contours would only clutter the views.
NOT_SHOWN = (StructureRole.DOSE_REGION, StructureRole.IGNORED)


@dataclass(frozen=True)
class PatientNodes:
    """The nodes of one patient.

    Attributes:
        ct: vtkMRMLScalarVolumeNode.
        segmentation: vtkMRMLSegmentationNode, roles and prescriptions in its segments' tags.
        reference_dose: vtkMRMLScalarVolumeNode; None when the patient has no reference dose.
    """

    ct: Any
    segmentation: Any
    reference_dose: Any


def nodes_from_patient(patient: Patient) -> PatientNodes:
    """As `nodes_in_pieces`, for scripts."""
    return in_one_go(nodes_in_pieces(patient))


def nodes_in_pieces(patient: Patient) -> Pieces[PatientNodes]:
    """Put a patient that was read from files into the scene, under a subject and a study of their own.

    Raises:
        InputError: the patient has no CT to show.
    """
    if patient.ct is None:
        raise InputError(
            f"{patient.identifier} has no CT, so there is no scene to show it in; use the command line "
            "(dose-predict predict) instead."
        )
    ct = yield from _volume_node(patient.ct, f"{patient.identifier} CT")
    display = ct.GetDisplayNode()
    display.AutoWindowLevelOff()
    display.SetWindowLevel(SOFT_TISSUE_WINDOW_HU, SOFT_TISSUE_LEVEL_HU)
    display.SetInterpolate(True)
    segmentation = yield from _segmentation_node(patient, ct)
    tree = hierarchy()
    subject = tree.CreateSubjectItem(tree.GetSceneItemID(), patient.identifier)
    study = tree.CreateStudyItem(subject, patient.site or "Radiotherapy")
    for node in (ct, segmentation):
        tree.SetItemParent(item_of(node), study)
    yield None
    dose = None
    if patient.reference_dose is not None:
        require_gray(study)
        dose = yield from _volume_node(
            patient.reference_dose, f"{patient.identifier} reference dose", {DOSE_VOLUME_ATTRIBUTE: "1"}
        )
        tree.SetItemParent(item_of(dose), study)
        tree.RequestOwnerPluginSearch(item_of(dose))
    return PatientNodes(ct, segmentation, dose)


def _volume_node(volume: Volume, name: str, attributes: dict[str, str] | None = None) -> Pieces[Any]:
    image = yield from image_in_pieces(volume.array)
    node = slicer.mrmlScene.CreateNodeByClass("vtkMRMLScalarVolumeNode")
    node.UnRegister(None)
    node.SetName(name)
    for key, value in (attributes or {}).items():
        node.SetAttribute(key, value)
    node = slicer.mrmlScene.AddNode(node)
    node.SetIJKToRASMatrix(ras_matrix(volume.geometry))
    node.SetAndObserveImageData(image)
    yield None
    node.CreateDefaultDisplayNodes()
    yield None
    return node


def _segmentation_node(patient: Patient, ct: Any) -> Pieces[Any]:
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", f"{patient.identifier} structures")
    node.CreateDefaultDisplayNodes()
    node.SetReferenceImageGeometryParameterFromVolumeNode(ct)
    node.GetSegmentation().SetSourceRepresentationName(
        slicer.vtkSegmentationConverter.GetSegmentationBinaryLabelmapRepresentationName()
    )
    # Only the part of the CT that holds structures is saved, in half the time; voxels keep their places in the patient.
    node.AddDefaultStorageNode()
    node.GetStorageNode().SetCropToMinimumExtent(True)
    display = node.GetDisplayNode()
    display.SetOpacity2DFill(0.0)
    display.SetSliceIntersectionThickness(3)
    colours = structure_colours(patient.structures)
    for structure in patient.structures:
        # Slicer saves all segments on the grid of the finest, over the whole CT: a small structure's grid, three times
        # as fine, would take 27 times the CT's memory in each layer. What is read off the nodes has the CT's voxels.
        mask = yield from in_background(on_voxels_of, structure.mask, patient.geometry, True)
        segment_id = _add_segment(node, structure, mask, colours[structure.name])
        display.SetSegmentVisibility(segment_id, structure.role not in NOT_SHOWN)
        yield None
    return node


def _add_segment(node: Any, structure: Structure, mask: Volume, colour: tuple[float, float, float]) -> str:
    segment = slicer.vtkSegment()
    segment.SetName(structure.name)
    segment.SetColor(*colour)
    choice = SegmentChoice(structure.role, structure.standard_name, structure.prescription_gy)
    store_choice(segment, choice)
    segment.AddRepresentation(
        slicer.vtkSegmentationConverter.GetSegmentationBinaryLabelmapRepresentationName(), _labelmap(mask)
    )
    segmentation = node.GetSegmentation()
    segment_id = segmentation.GenerateUniqueSegmentID(structure.name)
    segmentation.AddSegment(segment, segment_id)
    return str(segment_id)


def _labelmap(mask: Volume) -> Any:
    """A vtkOrientedImageData with the voxels of a mask on its own grid."""
    image = slicer.vtkOrientedImageData()
    image.SetDimensions(mask.geometry.shape[::-1])
    image.SetImageToWorldMatrix(ras_matrix(mask.geometry))
    scalars = numpy_to_vtk(np.ascontiguousarray(mask.array != 0).astype(np.uint8).ravel(), deep=True)
    scalars.SetName("ImageScalars")
    image.GetPointData().SetScalars(scalars)
    return image
