"""A volume node as if it had been loaded from a DICOM series."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pydicom
import pytest
import slicer
from phantom_scene import ras_of_voxel


def make_from_dicom(ct: Any, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Write the headers of a CT's slices, and let the node and Slicer's database lead to them."""
    files = write_ct_slices(folder, ct)
    database = SimpleNamespace(fileForInstance=lambda uid: str(files.get(uid, "")))
    monkeypatch.setattr(slicer, "dicomDatabase", database, raising=False)
    ct.SetAttribute("DICOM.instanceUIDs", " ".join(files))


def write_ct_slices(folder: Path, ct: Any) -> dict[str, Path]:
    """Headers of a CT series for the slices of a volume node: file by SOP Instance UID."""
    folder.mkdir()
    study, series, frame = (pydicom.uid.generate_uid() for _ in range(3))
    files = {}
    for index in range(slicer.util.arrayFromVolume(ct).shape[0]):
        uid = pydicom.uid.generate_uid()
        x, y, z = ras_of_voxel(ct, index, 0, 0)
        header = pydicom.Dataset()
        header.SOPClassUID, header.SOPInstanceUID = pydicom.uid.CTImageStorage, uid
        header.StudyInstanceUID, header.SeriesInstanceUID, header.FrameOfReferenceUID = study, series, frame
        header.PatientName, header.PatientID, header.Modality = "Phantom", "phantom", "CT"
        header.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
        header.ImagePositionPatient = [-float(x), -float(y), float(z)]
        header.file_meta = pydicom.dataset.FileMetaDataset()
        header.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
        files[uid] = folder / f"{index}.dcm"
        pydicom.dcmwrite(files[uid], header, enforce_file_format=True)
    return files
