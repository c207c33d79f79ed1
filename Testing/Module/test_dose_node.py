"""The predicted dose as SlicerRT reads a dose: marked, in Gy, in the CT's study."""

from __future__ import annotations

import numpy as np
import pytest
import slicer
import vtk
from DosePredictionScene.dose_node import dose_node_in_pieces, dose_std_node_in_pieces
from DosePredictionScene.patient_from_nodes import patient_from_nodes
from DosePredictionScene.pieces import in_one_go
from DosePredictionScene.self_test import phantom_nodes, spherical_dose
from phantom_scene import ras_of_voxel, rotation, scene_nodes, segmentation_node, transform_node, volume_node

from DosePredictionLib.errors import InputError
from DosePredictionLib.patient.volume import Volume

SHAPE = (5, 6, 7)
UNIT_NAME, UNIT_VALUE = "DicomRtImport.DoseUnitName", "DicomRtImport.DoseUnitValue"


def tree():
    return slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)


def study_item(node) -> int:
    return tree().GetItemAncestorAtLevel(tree().GetItemByDataNode(node), "Study")


def oblique_ct():
    ct = volume_node(np.zeros(SHAPE, np.int16), (1.2, 2.3, 3.4), (9.0, -8.0, 7.0), rotation())
    mask = np.zeros(SHAPE, bool)
    mask[1:4, 1:5, 2:6] = True
    return ct, segmentation_node(ct, {"PTV70": mask})


def dose_on(ct, segmentation) -> Volume:
    geometry = patient_from_nodes(ct, segmentation).geometry
    return Volume(np.arange(np.prod(SHAPE), dtype=np.float32).reshape(SHAPE), geometry)


def test_the_attributes_are_slicerrts_to_the_letter() -> None:
    ct, segmentation = oblique_ct()
    node = in_one_go(dose_node_in_pieces(ct, dose_on(ct, segmentation)))
    assert node.GetAttribute("DicomRtImport.DoseVolume") == "1"
    study = study_item(node)
    assert study != 0
    assert tree().GetItemLevel(study) == "Study"
    assert tree().GetItemAttribute(study, UNIT_NAME) == "GY"
    assert tree().GetItemAttribute(study, UNIT_VALUE) == "1"
    assert tree().GetItemAttribute(tree().GetItemByDataNode(node), UNIT_NAME) == "", "the unit belongs to the study"
    units = node.GetVoxelValueUnits()
    assert (units.GetCodeValue(), units.GetCodingSchemeDesignator(), units.GetCodeMeaning()) == ("Gy", "UCUM", "gray")
    assert "not for clinical decisions" in node.GetDescription()


def test_the_mark_is_set_before_the_scene_sees_the_node() -> None:
    ct, segmentation = oblique_ct()
    dose = dose_on(ct, segmentation)
    seen = []

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def look(_scene, _event, node) -> None:
        if node.IsA("vtkMRMLScalarVolumeNode"):
            seen.append(node.GetAttribute("DicomRtImport.DoseVolume"))

    tag = slicer.mrmlScene.AddObserver(slicer.vtkMRMLScene.NodeAddedEvent, look)
    in_one_go(dose_node_in_pieces(ct, dose))
    slicer.mrmlScene.RemoveObserver(tag)
    assert seen == ["1"]


def test_every_dose_lies_at_its_voxel_of_the_ct() -> None:
    ct, segmentation = oblique_ct()
    dose = dose_on(ct, segmentation)
    node = in_one_go(dose_node_in_pieces(ct, dose))
    assert np.array_equal(slicer.util.arrayFromVolume(node), dose.array)
    assert slicer.util.arrayFromVolume(node).dtype == np.float32
    for voxel in [(0, 0, 0), (4, 5, 6), (1, 3, 2)]:
        assert np.allclose(ras_of_voxel(node, *voxel), ras_of_voxel(ct, *voxel), atol=1e-6)


def test_the_dose_lies_and_moves_with_a_transformed_ct() -> None:
    ct, segmentation = oblique_ct()
    matrix = np.eye(4)
    matrix[:3, :3] = rotation().T
    matrix[:3, 3] = (100.0, 20.0, -30.0)
    transform = transform_node(matrix)
    for node in (ct, segmentation):
        node.SetAndObserveTransformNodeID(transform.GetID())
    dose = in_one_go(dose_node_in_pieces(ct, dose_on(ct, segmentation)))
    assert dose.GetParentTransformNode() is transform
    assert np.allclose(ras_of_voxel(dose, 4, 1, 2), ras_of_voxel(ct, 4, 1, 2), atol=1e-6)
    matrix[:3, 3] = 0.0
    transform.SetMatrixTransformToParent(slicer.util.vtkMatrixFromArray(matrix))
    assert np.allclose(ras_of_voxel(dose, 4, 1, 2), ras_of_voxel(ct, 4, 1, 2), atol=1e-6)


def test_a_dose_on_another_grid_keeps_its_own() -> None:
    ct, segmentation = phantom_nodes()
    prediction = spherical_dose(patient_from_nodes(ct, segmentation))
    coarse = prediction.dose.geometry.cropped((2, 3, 4), (10, 12, 14))
    node = in_one_go(dose_node_in_pieces(ct, prediction.dose.on_grid(coarse)))
    assert np.allclose(ras_of_voxel(node, 0, 0, 0), ras_of_voxel(ct, 2, 3, 4), atol=1e-6)
    assert slicer.util.arrayFromVolume(node).shape == (10, 12, 14)


def test_negative_doses_become_zero() -> None:
    ct, segmentation = oblique_ct()
    dose = dose_on(ct, segmentation)
    node = in_one_go(dose_node_in_pieces(ct, Volume(dose.array - 5.0, dose.geometry)))
    array = slicer.util.arrayFromVolume(node)
    assert array.min() == 0.0 and array.max() == dose.array.max() - 5.0


def test_without_a_study_one_is_made_around_the_ct() -> None:
    ct, segmentation = oblique_ct()
    node = in_one_go(dose_node_in_pieces(ct, dose_on(ct, segmentation)))
    assert study_item(node) == study_item(ct) != 0
    subject = tree().GetItemParent(study_item(ct))
    assert tree().GetItemLevel(subject) == "Patient"
    assert tree().GetItemParent(subject) == tree().GetSceneItemID()


def test_the_ct_study_is_taken_even_through_a_folder() -> None:
    ct, segmentation = oblique_ct()
    subject = tree().CreateSubjectItem(tree().GetSceneItemID(), "Somebody")
    study = tree().CreateStudyItem(subject, "Planning")
    folder = tree().CreateFolderItem(study, "CTs")
    tree().CreateItem(folder, ct)
    node = in_one_go(dose_node_in_pieces(ct, dose_on(ct, segmentation)))
    assert tree().GetItemParent(tree().GetItemByDataNode(node)) == study
    assert tree().GetItemParent(tree().GetItemByDataNode(ct)) == folder


@pytest.mark.parametrize("unit", ["GY", "Gy"])
def test_a_unit_that_is_there_stays(unit: str) -> None:
    ct, segmentation = oblique_ct()
    study = tree().CreateStudyItem(tree().GetSceneItemID(), "Imported")
    tree().CreateItem(study, ct)
    tree().SetItemAttribute(study, UNIT_NAME, unit)
    tree().SetItemAttribute(study, UNIT_VALUE, "4.2e-05")  # the grid scaling of an imported dose
    in_one_go(dose_node_in_pieces(ct, dose_on(ct, segmentation)))
    assert tree().GetItemAttribute(study, UNIT_NAME) == unit
    assert tree().GetItemAttribute(study, UNIT_VALUE) == "4.2e-05"


@pytest.mark.parametrize("unit", ["CGY", "RELATIVE", "MU"])
def test_another_unit_is_refused_and_nothing_changes(unit: str) -> None:
    ct, segmentation = oblique_ct()
    study = tree().CreateStudyItem(tree().GetSceneItemID(), "Imported")
    tree().CreateItem(study, ct)
    tree().SetItemAttribute(study, UNIT_NAME, unit)
    dose, before = dose_on(ct, segmentation), scene_nodes()
    with pytest.raises(InputError, match=f"The doses of the study Imported are in {unit}"):
        in_one_go(dose_node_in_pieces(ct, dose))
    assert scene_nodes() == before
    assert tree().GetItemAttribute(study, UNIT_NAME) == unit
    assert tree().GetItemAttribute(study, UNIT_VALUE) == ""


def test_the_standard_deviation_is_no_dose_to_slicerrt() -> None:
    ct, segmentation = oblique_ct()
    dose = dose_on(ct, segmentation)
    in_one_go(dose_node_in_pieces(ct, dose))
    node = in_one_go(dose_std_node_in_pieces(ct, Volume(dose.array * 0.1, dose.geometry)))
    assert node.GetAttribute("DicomRtImport.DoseVolume") is None
    assert study_item(node) == study_item(ct)
    assert node.GetVoxelValueUnits().GetCodeValue() == "Gy"
