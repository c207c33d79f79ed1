"""The DICOM files that nodes of the scene were loaded from, as Slicer's DICOM database knows them."""

from __future__ import annotations

from typing import Any

import slicer

from DosePredictionScene.subject_hierarchy import hierarchy

#: What Slicer's DICOM readers leave on a volume: the SOP Instance UIDs of its slices, with spaces between.
INSTANCE_UIDS_ATTRIBUTE = "DICOM.instanceUIDs"


def ct_files(ct_node: Any) -> tuple[str, ...]:
    """The files of a CT that was loaded from DICOM; none for another CT, or where the database lacks one of them."""
    return _files((ct_node.GetAttribute(INSTANCE_UIDS_ATTRIBUTE) or "").split())


def structure_set_file(segmentation_node: Any) -> str | None:
    """The file of the structure set that a segmentation was loaded from; None where it was loaded from another."""
    if segmentation_node is None:
        return None
    tree = hierarchy()
    item = tree.GetItemByDataNode(segmentation_node)
    name = slicer.vtkMRMLSubjectHierarchyConstants.GetDICOMInstanceUIDName()
    files = _files(str(tree.GetItemUID(item, name) or "").split()) if item else ()
    return files[0] if len(files) == 1 else None


def _files(uids: list[str]) -> tuple[str, ...]:
    database = getattr(slicer, "dicomDatabase", None)  # opened by the DICOM module, so it need not be there
    if database is None or not uids:
        return ()
    files = tuple(str(database.fileForInstance(uid) or "") for uid in uids)
    return files if all(files) else ()
