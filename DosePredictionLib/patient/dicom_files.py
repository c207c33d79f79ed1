"""Finding DICOM files in a folder tree and reading what is needed to sort them, without their pixels and contours."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from DosePredictionLib.errors import InputError
from DosePredictionLib.patient.readable import check_opens, is_of_the_system

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
#: Without these nobody knows what a file is and to what it belongs.
_NEEDED_TAGS = [
    "SOPClassUID", "SOPInstanceUID", "Modality", "StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID",
    "ReferencedFrameOfReferenceSequence", "ApprovalStatus", "ReferencedStructureSetSequence",
    "ReferencedRTPlanSequence", "DoseSummationType", "DoseUnits", "DoseType",
]  # fmt: skip


@dataclass(frozen=True)
class DicomFile:
    """A DICOM file and the part of its header by which files are sorted.

    Attributes:
        path: where it is.
        header: patient-free part of the header; neither pixels nor contours. Not to be changed, it is shared.
        rival: a file of the same SOP Instance UID and other content that has as good a claim to be meant.
    """

    path: Path
    header: Dataset
    rival: Path | None = None

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
    return next(files_below(path), None) is not None


def files_below(folder: Path) -> Iterator[DicomFile]:
    """All CT, RTSTRUCT, RTPLAN and RTDOSE files in a folder's tree, in the order of their paths, copies too.

    What can't be opened is passed over; see `check_all_open`.
    """
    for place, names in _walk(folder):
        for name in names:
            file = read_dicom_file(Path(place, name))
            if file is not None:
                yield file


def check_all_open(path: Path, below: bool = True) -> None:
    """Check that nothing which may be a DICOM file goes unread because it can't be opened.

    Args:
        path: a folder, or a file.
        below: also in the folders in it.

    Raises:
        InputError: a file or folder can't be opened; the sentence names the first.
    """
    if path.is_file():
        _check_file_opens(path)
        return
    for place, names in _walk(path, lambda error: check_opens(error.filename)):
        for name in names:
            _check_file_opens(Path(place, name))
        if not below:
            break


def _walk(folder: Path, on_error: Callable[[OSError], None] | None = None) -> Iterator[tuple[str, list[str]]]:
    """The folders of a tree, each with the names of the files in it that may be DICOM; see `os.walk`."""
    for place, folders, names in os.walk(folder, onerror=on_error):
        folders[:] = sorted(name for name in folders if not name.startswith(".") and not is_of_the_system(name))
        if len(Path(place).relative_to(folder).parts) >= _DEEPEST:
            folders.clear()
        yield place, [
            name for name in sorted(names)
            if not name.startswith(".") and os.path.splitext(name)[1].lower() not in _OTHER_SUFFIXES
        ]  # fmt: skip


def read_dicom_file(path: Path) -> DicomFile | None:
    """The file when it is DICOM of one of `MODALITIES`, else None, as when it can't be opened."""
    try:
        header = _header_now(path)
    except OSError:
        return None
    return None if header is None else DicomFile(path, header)


def _check_file_opens(path: Path) -> None:
    try:
        _header_now(path)  # which most often is known already
    except FileNotFoundError:  # gone by now, or a link to nowhere
        pass
    except OSError:
        check_opens(path)


def _header_now(path: Path) -> Dataset | None:
    status = path.stat()
    return _header(str(path), status.st_mtime_ns, status.st_size)


@contextmanager
def told_as_damaged(path: Path, kind: str) -> Iterator[None]:
    """One sentence for whatever comes of reading a file's values, which pydicom does when they are asked for.

    Args:
        path: the file.
        kind: what it was to be read as: "a plan".

    Raises:
        InputError: the block raised anything; of errors that speak of the content it says which.
    """
    try:
        yield
    except InputError:
        raise
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read as {kind} ({error}); copy or export it again.") from error
    except Exception as error:  # pydicom fails in many ways, and what it says of them is no help
        raise InputError(f"{path} cannot be read as {kind}, it is damaged; copy or export it again.") from error


def read_whole(path: Path) -> Dataset:
    """Read a DICOM file with everything in it; pydicom by itself takes a truncated one for a short one.

    Raises:
        OSError, ValueError: the file is missing, truncated, damaged or no DICOM.
    """
    import pydicom
    from pydicom.dataelem import RawDataElement

    with warnings.catch_warnings():
        warnings.filterwarnings("error", message="End of file reached")
        try:
            dataset = pydicom.dcmread(path, force=True)
        except (UserWarning, EOFError) as error:
            raise ValueError("it is truncated") from error
        except OSError:
            raise
        except Exception as error:  # pydicom fails in many ways
            raise ValueError("it is damaged") from error
    for tag in dataset.keys():
        element = dataset.get_item(tag)
        if isinstance(element, RawDataElement) and element.length != _UNDEFINED_LENGTH:
            whole = len(element.value or b"") == element.length
            # pydicom ends quietly in the middle of the next element's header.
            last = tag == max(dataset.keys()) and not _ends(path, element.value_tell + element.length)
            if not whole or last:
                raise ValueError("it is truncated")
    for keyword in _NEEDED_TAGS:
        if not _is_sound(dataset, keyword):
            raise ValueError(f"its {keyword} is damaged")
    _complete_meta(dataset)
    return dataset


def _ends(path: Path, place: int) -> bool:
    """Whether nothing follows in a file but zeros, with which some archives pad to whole blocks."""
    with open(path, "rb") as stream:
        stream.seek(place)
        return not stream.read().strip(b"\0")


def _complete_meta(dataset: Dataset) -> None:
    """Say how a file without a preamble is encoded, as its pixels can't be read otherwise."""
    from pydicom.dataset import FileMetaDataset
    from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

    if "TransferSyntaxUID" in getattr(dataset, "file_meta", ()):
        return
    if hasattr(dataset, "original_encoding"):
        implicit, little = dataset.original_encoding
    else:  # pydicom before 3.0, which Slicer 5.10 has
        implicit, little = dataset.is_implicit_VR, dataset.is_little_endian
    explicit = ExplicitVRLittleEndian if little else ExplicitVRBigEndian
    dataset.file_meta = getattr(dataset, "file_meta", None) or FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian if implicit else explicit


def _is_sound(dataset: Dataset, keyword: str) -> bool:
    """Whether an attribute, with all that is in it, has values that can be read, or is not there."""
    try:
        value = dataset.get(keyword)
        if keyword.endswith("Sequence") and value is not None:
            for item in value:
                for element in item:
                    if element.keyword.endswith("Sequence") and not _is_sound(item, element.keyword):
                        return False
    except Exception:  # noqa: BLE001 - pydicom reads values when they are asked for, and fails in many ways
        return False
    return True


@lru_cache(maxsize=20_000)
def _header(path: str, _modified: int, size: int) -> Dataset | None:
    """The header; a file is read again only when it changed. Files of other kinds give None.

    Raises:
        OSError: the file can't be opened, which is not remembered.
    """
    import pydicom

    if size < 132:
        return None
    with open(path, "rb") as stream:
        marked = stream.read(132)[128:] == b"DICM"
    try:
        # Old exports lack the preamble; only a file that calls itself DICOM is worth a second look.
        if not marked and not path.lower().endswith(".dcm"):
            return None
        with warnings.catch_warnings():  # a file that turns out to be something else is no news
            warnings.simplefilter("ignore")
            header = pydicom.dcmread(path, stop_before_pixels=True, force=not marked, specific_tags=list(_SORTING_TAGS))
            # Without what can't be read, which `read_whole` refuses: the file may be another patient's.
            for keyword in _SORTING_TAGS:
                if not _is_sound(header, keyword):
                    del header[keyword]
        known = header.get("Modality") in MODALITIES and bool(header.get("SOPInstanceUID"))
    except Exception:  # noqa: BLE001 - whatever pydicom makes of a file that is damaged or something else
        return None
    return header if known else None
