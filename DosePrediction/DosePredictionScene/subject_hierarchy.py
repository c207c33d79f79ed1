"""Where nodes stand in Slicer's subject hierarchy, and the dose unit that SlicerRT keeps on a study."""

from __future__ import annotations

from typing import Any

import slicer

from DosePredictionLib.errors import InputError

#: What SlicerRT looks for on a study; its Isodose module takes any other spelling of the name for monitor units.
DOSE_UNIT_NAME = "DicomRtImport.DoseUnitName"
DOSE_UNIT_VALUE = "DicomRtImport.DoseUnitValue"
GRAY = "GY"


def hierarchy() -> Any:
    """The scene's vtkMRMLSubjectHierarchyNode."""
    return slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)


def item_of(node: Any) -> int:
    """The hierarchy item of a data node, made when it has none (headless, nodes don't get theirs by themselves)."""
    tree = hierarchy()
    return tree.GetItemByDataNode(node) or tree.CreateItem(tree.GetSceneItemID(), node)


def study_of(node: Any) -> int:
    """The item of the study that a node belongs to; a subject and a study are made around it when there are none."""
    tree = hierarchy()
    item = item_of(node)
    study = tree.GetItemAncestorAtLevel(item, slicer.vtkMRMLSubjectHierarchyConstants.GetDICOMLevelStudy())
    if study:
        return study
    level = slicer.vtkMRMLSubjectHierarchyConstants.GetDICOMLevelPatient()
    subject = tree.GetItemAncestorAtLevel(item, level) or tree.CreateSubjectItem(tree.GetItemParent(item), "Patient")
    study = tree.CreateStudyItem(subject, "Study")
    tree.SetItemParent(item, study)
    return study


def place(node: Any, parent: int) -> None:
    """Put a node under an item, unless someone has put it elsewhere already."""
    tree = hierarchy()
    item = item_of(node)
    if tree.GetItemParent(item) == tree.GetSceneItemID():
        tree.SetItemParent(item, parent)


def dose_unit_of(node: Any) -> str:
    """The name of the dose unit of the study that a node belongs to; empty when none is set."""
    tree = hierarchy()
    item = tree.GetItemByDataNode(node)
    if not item:
        return ""
    level = slicer.vtkMRMLSubjectHierarchyConstants.GetDICOMLevelStudy()
    return str(tree.GetAttributeFromItemAncestor(item, DOSE_UNIT_NAME, level) or "")


def require_gray(study: int) -> None:
    """Check that a study's doses may be in Gy, and say so on the study when nothing is said yet.

    What another program has set stays as it is: a study with an imported dose keeps that dose's grid scaling as its
    unit value, though the voxels are in Gy.

    Raises:
        InputError: the study's doses are in another unit.
    """
    tree = hierarchy()
    unit = tree.GetItemAttribute(study, DOSE_UNIT_NAME)
    if unit and unit.upper() != GRAY:
        raise InputError(
            f"The doses of the study {tree.GetItemName(study)} are in {unit}, and a predicted dose is in Gy; move the "
            "CT into a study of its own in the Data module."
        )
    if not unit:
        tree.SetItemAttribute(study, DOSE_UNIT_NAME, GRAY)
    if not tree.GetItemAttribute(study, DOSE_UNIT_VALUE):
        tree.SetItemAttribute(study, DOSE_UNIT_VALUE, "1")
