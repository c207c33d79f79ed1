"""Reading and writing nodes, as slicer.util asks for it, through MRML's storage nodes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import slicer
from PySide6 import QtCore

from standin.pythonqt.described import stand_in

#: Class of the node by file type.
READ_CLASSES = {
    "SegmentationFile": "vtkMRMLSegmentationNode",
    "TableFile": "vtkMRMLTableNode",
    "TextFile": "vtkMRMLTextNode",
    "ColorTableFile": "vtkMRMLColorTableNode",
    "ModelFile": "vtkMRMLModelNode",
}
#: File type by extension, the longest first.
TYPES = {
    ".seg.nrrd": "SegmentationFile", ".nrrd": "VolumeFile", ".nii.gz": "VolumeFile", ".nii": "VolumeFile",
    ".mha": "VolumeFile", ".csv": "TableFile", ".tsv": "TableFile", ".txt": "TextFile", ".json": "TextFile",
    ".ctbl": "ColorTableFile", ".vtk": "ModelFile", ".stl": "ModelFile", ".ply": "ModelFile",
}  # fmt: skip
WRITES = {
    "vtkMRMLScalarVolumeNode": "VolumeFile",
    "vtkMRMLLabelMapVolumeNode": "VolumeFile",
    **{class_name: file_type for file_type, class_name in READ_CLASSES.items()},
}


@stand_in(silent="fileSaved(qSlicerIO::IOProperties) newFileLoaded(qSlicerIO::IOProperties)")
class qSlicerCoreIOManager(QtCore.QObject):
    """Reads and writes volumes, segmentations, tables, texts, colour tables and models. Scenes it does not."""

    def fileType(self, file_name: str) -> str:
        found = [TYPES[end] for end in TYPES if file_name.lower().endswith(end)]
        return found[0] if found else "NoFile"

    def fileWriterFileType(self, node: Any) -> str:
        return WRITES.get(node.GetClassName(), "NoFile")

    def fileWriterExtensions(self, node: Any) -> list[str]:
        return [
            f"{self.fileWriterFileType(node)} ({end})" for end in TYPES if TYPES[end] == self.fileWriterFileType(node)
        ]

    def extractKnownExtension(self, file_name: str, node: Any) -> str:
        return next((end for end in TYPES if file_name.lower().endswith(end)), "")

    def loadNodes(self, file_type: str, properties: dict[str, Any], loaded: Any = None, messages: Any = None) -> bool:
        path = Path(properties["fileName"])
        name = properties.get("name") or path.name.split(".")[0]
        if file_type == "VolumeFile":
            options = 1 if properties.get("labelmap") else 0
            node = slicer.modules.volumes.logic().AddArchetypeVolume(str(path), name, options)
        elif file_type in READ_CLASSES:
            node = slicer.mrmlScene.AddNewNodeByClass(READ_CLASSES[file_type], name)
            node.AddDefaultStorageNode(str(path))
            if not node.GetStorageNode().ReadData(node):
                slicer.mrmlScene.RemoveNode(node)
                node = None
        else:
            raise NotImplementedError(f"the stand-in does not read a {file_type}")
        if node is None:
            return False
        if loaded is not None:
            loaded.AddItem(node)
        return True

    def saveNodes(self, file_type: str, properties: dict[str, Any], messages: Any = None) -> bool:
        if file_type not in WRITES.values():
            raise NotImplementedError(f"the stand-in does not write a {file_type}")
        node = slicer.mrmlScene.GetNodeByID(properties["nodeID"])
        node.AddDefaultStorageNode(properties["fileName"])
        node.GetStorageNode().SetFileName(properties["fileName"])
        return bool(node.GetStorageNode().WriteData(node))

    def exportNodes(
        self, node_ids: list[str], file_names: list[str], properties: dict[str, Any], harden: bool, messages: Any = None
    ) -> bool:
        if harden:
            raise NotImplementedError("the stand-in does not harden transforms")
        written = []
        for node_id, file_name in zip(node_ids, file_names, strict=True):
            node = slicer.mrmlScene.GetNodeByID(node_id)
            storage = node.CreateDefaultStorageNode()
            storage.UnRegister(None)
            storage.SetFileName(str(file_name))
            written.append(bool(storage.WriteData(node)))
        return all(written)


@stand_in()
class qSlicerIOManager(qSlicerCoreIOManager):
    """Reads and writes nodes."""
