"""Finding DICOM files in a folder tree and reading what is needed to sort them, without their pixels and contours."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydicom import Dataset

MODALITIES = ("CT", "RTSTRUCT", "RTPLAN", "RTDOSE")
#: Files with these endings belong to other formats and are not opened.
_OTHER_SUFFIXES = {
    ".csv", ".gz", ".html", ".jpg", ".json", ".md", ".mha", ".mrb", ".nii", ".npy", ".npz", ".nrrd", ".pdf", ".png",
    ".py", ".pyc", ".safetensors", ".txt", ".xml", ".zip",
}  # fmt: skip
_DEEPEST = 8
_UNDEFINED_LENGTH = 0xFFFFFFFF
_SORTING_TAGS = [
    "SpecificCharacterSet", "ImageType", "SOPClassUID", "SOPInstanceUID", "Modality", "StudyInstanceUID",
    "SeriesInstanceUID", "SeriesDescription", "SeriesNumber", "FrameOfReferenceUID", "ImagePositionPatient",
    "ImageOrientationPatient", "StructureSetLabel", "StructureSetDate", "ReferencedFrameOfReferenceSequence",
    "RTPlanLabel", "RTPlanDate", "ApprovalStatus", "ReferencedStructureSetSequence", "ReferencedRTPlanSequence",
    "DoseSummationType", "DoseUnits", "DoseType", "Manufacturer", "PatientPosition",
]  # fmt: skip


@dataclass(frozen=True)
class DicomFile:
    """A DICOM file and the part of its header by which files are sorted.

    Attributes:
        path: where it is.
        header: patient-free part of the header; neither pixels nor contours. Not to be changed, it is shared.
    """

    path: Path
    header: Dataset

    @property
    def modality(self) -> str:
        """One of `MODALITIES`."""
        return str(self.header.Modality)

    @property
    def instance_uid(self) -> str:
        """SOP Instance UID."""
        return self.text("SOPInstanceUID")

    @property
    def series_uid(self) -> str:
        """Series Instance UID."""
        return self.text("SeriesInstanceUID")

    def text(self, keyword: str) -> str:
        """An attribute as text, "" when it is missing or empty."""
        value = self.header.get(keyword)
        return "" if value is None else str(value)


def is_dicom(path: Path) -> bool:
    """Whether this is a CT, RTSTRUCT, RTPLAN or RTDOSE file, or a folder in whose tree there is one."""
    if path.is_file():
        return read_dicom_file(path) is not None
    return next(_files_below(path), None) is not None


def find_dicom_files(folder: Path) -> list[DicomFile]:
    """All CT, RTSTRUCT, RTPLAN and RTDOSE files in a folder's tree, each object once, in the order of their paths."""
    seen: dict[str, DicomFile] = {}
    for file in _files_below(folder):
        seen.setdefault(file.instance_uid, file)
    return list(seen.values())


def read_dicom_file(path: Path) -> DicomFile | None:
    """The file when it is DICOM of one of `MODALITIES`, else None."""
    try:
        status = path.stat()
    except OSError:
        return None
    header = _header(str(path), status.st_mtime_ns, status.st_size)
    return None if header is None else DicomFile(path, header)


def read_whole(path: Path) -> Dataset:
    """Read a DICOM file with everything in it; pydicom by itself takes a truncated one for a short one.

    Raises:
        OSError, ValueError: the file is missing, truncated or no DICOM.
    """
    import pydicom
    from pydicom.dataelem import RawDataElement

    with warnings.catch_warnings():
        warnings.filterwarnings("error", message="End of file reached")
        try:
            dataset = pydicom.dcmread(path, force=True)
        except (UserWarning, EOFError) as error:
            raise ValueError("it is truncated") from error
    for tag in dataset.keys():
        element = dataset.get_item(tag)
        if isinstance(element, RawDataElement) and element.length != _UNDEFINED_LENGTH:
            whole = len(element.value or b"") == element.length
            # After the last element nothing may follow: pydicom ends quietly in the middle of the next one's header.
            last = tag == max(dataset.keys()) and element.value_tell + element.length < path.stat().st_size
            if not whole or last:
                raise ValueError("it is truncated")
    return dataset


def _files_below(folder: Path) -> Iterator[DicomFile]:
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        if len(Path(place).relative_to(folder).parts) >= _DEEPEST:
            folders.clear()
        for name in sorted(names):
            if not name.startswith(".") and os.path.splitext(name)[1].lower() not in _OTHER_SUFFIXES:
                file = read_dicom_file(Path(place, name))
                if file is not None:
                    yield file


@lru_cache(maxsize=20_000)
def _header(path: str, _modified: int, size: int) -> Dataset | None:
    """The header; a file is read again only when it changed. Files of other kinds give None."""
    import pydicom
    from pydicom.errors import InvalidDicomError

    if size < 132:
        return None
    try:
        with open(path, "rb") as stream:
            marked = stream.read(132)[128:] == b"DICM"
        # Old exports lack the preamble; only a file that calls itself DICOM is worth a second look.
        if not marked and not path.lower().endswith(".dcm"):
            return None
        with warnings.catch_warnings():  # a file that turns out to be something else is no news
            warnings.simplefilter("ignore")
            header = pydicom.dcmread(path, stop_before_pixels=True, force=not marked, specific_tags=list(_SORTING_TAGS))
        known = header.get("Modality") in MODALITIES and bool(header.get("SOPInstanceUID"))
    except (InvalidDicomError, OSError, EOFError, ValueError, KeyError, AttributeError, NotImplementedError):
        return None
    return header if known else None
