"""Which DICOM files hold the same object: copies of it, and versions that differ under one SOP Instance UID.

Archives and planning systems stamp a file anew whenever they export it (dates, transfer syntax, implementation
version), so files are told apart by what is read from them and not by their bytes: slices by their HU and place,
structure sets by names and contours, plans by prescriptions and beams, doses by Gy and place. Contents are compared
only where one SOP Instance UID is there twice.
"""

from __future__ import annotations

import hashlib
import os
import warnings
from collections.abc import Hashable
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np

from DosePredictionLib.errors import InputError
from DosePredictionLib.patient.dicom_ct import read_slice
from DosePredictionLib.patient.dicom_dose import read_dose
from DosePredictionLib.patient.dicom_files import DicomFile, files_below, read_dicom_file, read_whole
from DosePredictionLib.patient.dicom_plan import read_plan
from DosePredictionLib.patient.dicom_structures import read_structure_set

#: Systems write decimal numbers with as many digits as they like; contours and positions aren't exact beyond this.
_DECIMALS = 3


def find_dicom_files(folder: Path, near: Path | None = None) -> list[DicomFile]:
    """All CT, RTSTRUCT, RTPLAN and RTDOSE files in a folder's tree, each object once, in the order of their paths.

    Of several files with one SOP Instance UID that which lies nearest to ``near`` is taken. Where that doesn't decide,
    copies count once; of files with other content the first is taken, and it names its rival.
    """
    return [_nearest(files, near) for files in _objects(folder)]


def find_versions(folder: Path) -> list[list[DicomFile]]:
    """All objects in a folder's tree, of each all files that differ: more than one where its UID was not renewed."""
    return [distinct(files) for files in _objects(folder)]


def distinct(files: list[DicomFile]) -> list[DicomFile]:
    """The files without those that are a copy of one before."""
    found: list[DicomFile] = []
    for file in files:
        if not any(_is_copy(file, other) for other in found):
            found.append(file)
    return found


def _objects(folder: Path) -> list[list[DicomFile]]:
    found: dict[str, list[DicomFile]] = {}
    for file in files_below(folder):
        found.setdefault(file.instance_uid, []).append(file)
    return list(found.values())


def _nearest(files: list[DicomFile], near: Path | None) -> DicomFile:
    def closeness(file: DicomFile) -> int:
        if near is None:
            return 0
        shared = os.path.commonpath([file.path.parent, near.parent])
        return len(Path(shared).parts) + (file.path == near)

    most = max(closeness(file) for file in files)
    nearest = [file for file in files if closeness(file) == most]
    # A plan that was exported again after its approval says so in one of its copies alone.
    first = next((file for file in nearest if file.text("ApprovalStatus") == "APPROVED"), nearest[0])
    rival = next((file for file in nearest if file is not first and not _is_copy(file, first)), None)
    return first if rival is None else replace(first, rival=rival.path)


def _is_copy(file: DicomFile, other: DicomFile) -> bool:
    if file.instance_uid != other.instance_uid:
        return False
    stamps = [(str(one.path), one.path.stat().st_mtime_ns, one.path.stat().st_size) for one in (file, other)]
    if stamps[0][2] == stamps[1][2] and _digest(*stamps[0]) == _digest(*stamps[1]):
        return True  # much faster than reading both
    return _content(*stamps[0]) == _content(*stamps[1])


@lru_cache(maxsize=20_000)
def _digest(path: str, _modified: int, _size: int) -> bytes:
    return hashlib.sha256(Path(path).read_bytes()).digest()


@lru_cache(maxsize=20_000)
def _content(path: str, modified: int, size: int) -> Hashable:
    """What is read from a file, to be compared; of what can't be read the pixels as stored, or else all bytes."""
    file = read_dicom_file(Path(path))
    try:
        if file is None:
            raise InputError(f"{path} is no DICOM file any more.")
        with warnings.catch_warnings():  # those of the file that is taken come when it is read
            warnings.simplefilter("ignore")
            return _CONTENTS[file.modality](file)
    except InputError:
        try:
            return hashlib.sha256(bytes(read_whole(Path(path)).PixelData)).digest()
        except (OSError, ValueError, AttributeError, TypeError):
            return _digest(path, modified, size)


def _slice_content(file: DicomFile) -> Hashable:
    return _hashed(*read_slice(file.path))


def _structures_content(file: DicomFile) -> Hashable:
    regions = sorted(read_structure_set(file.path), key=lambda region: region.number)
    return tuple(
        (region.number, region.name, region.kind, region.frame_uid, region.others, region.exclusive,
         _hashed(*region.contours))
        for region in regions
    )  # fmt: skip


def _plan_content(file: DicomFile) -> Hashable:
    plan = read_plan(file.path, "HFS")  # any position will do to compare plans that give none
    return (
        tuple(sorted(plan.prescriptions_by_roi.items())), tuple(sorted(plan.prescriptions_by_name.items())),
        plan.prescription_gy, plan.fractions, plan.technique, repr(plan.beams), plan.beam_count, plan.beam_numbers,
        *_belongings(file),
    )  # fmt: skip


def _dose_content(file: DicomFile) -> Hashable:
    dose = read_dose(file.path, 1.0, [])  # any prescription will do to compare relative doses
    place = np.array([*dose.geometry.origin_mm, *dose.geometry.spacing_mm, *dose.geometry.direction])
    kinds = tuple(file.text(keyword) for keyword in ("DoseUnits", "DoseType", "DoseSummationType"))
    return _hashed(dose.array, place), kinds, *_belongings(file)


_CONTENTS = {"CT": _slice_content, "RTSTRUCT": _structures_content, "RTPLAN": _plan_content, "RTDOSE": _dose_content}


def _belongings(file: DicomFile) -> tuple[Hashable, ...]:
    """What a plan or a dose says of the objects that it belongs to."""
    named = [
        str(item.get("ReferencedSOPInstanceUID", ""))
        for keyword in ("ReferencedStructureSetSequence", "ReferencedRTPlanSequence")
        for item in file.header.get(keyword) or []
    ]
    return file.text("FrameOfReferenceUID"), tuple(sorted(named))


def _hashed(*arrays: np.ndarray) -> bytes:
    digest = hashlib.sha256()
    for array in arrays:
        rounded = array if array.dtype.kind in "iu" else np.round(array, _DECIMALS) + 0.0  # without negative zeros
        digest.update(repr((array.shape, array.dtype.str)).encode())
        digest.update(np.ascontiguousarray(rounded).tobytes())
    return digest.digest()
