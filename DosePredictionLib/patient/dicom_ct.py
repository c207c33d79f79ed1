"""A CT series as a volume in HU."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from DosePredictionLib.errors import InputError
from DosePredictionLib.patient.dicom_files import DicomFile, read_whole
from DosePredictionLib.patient.dicom_stack import WIDEST_GAP_MM, TooWideGap, even_stack, twins
from DosePredictionLib.patient.geometry import Geometry, vector3
from DosePredictionLib.patient.image_library import read_by_library
from DosePredictionLib.patient.volume import Volume

if TYPE_CHECKING:
    from pydicom import Dataset

CT_IMAGE_STORAGE = "1.2.840.10008.5.1.4.1.1.2"
#: Padding around the scanner's circle is stored as -2000 or -3024 HU; nothing is thinner than air.
LOWEST_HU = -1024
_SAME_DIRECTION = 1e-4
#: Slices of an upright stack may be off its axis by no more than this; a tilted gantry shifts each by several.
_SIDEWAYS_MM = 0.5


def read_ct(files: Sequence[DicomFile]) -> tuple[Volume, list[str]]:
    """Read a CT series: HU (int16, or float32 for broken rescale slopes), and what was odd, one sentence each.

    Slices are sorted along their normal, whatever their numbers and names say. Any orientation of the patient is fine.

    Slices whose positions were rounded to 0.1 mm are even; two at one position, or nearly so, are refused.

    A gap of missing slices up to 10 mm wide is filled by linear interpolation, and slices of varying distance are
    interpolated onto the smallest one; both are told. Wider gaps and a tilted gantry are refused.

    Raises:
        InputError: as said, or the slices don't make up a volume; the message names the first slice's file.
    """
    slices = [_read(file.path) for file in files]
    first, where = slices[0], f"The CT series of {files[0].path}"
    normal = _check_alike(slices, files, where)
    positions = np.array([_numbers(slice_, "ImagePositionPatient", 3, file.path)
                          for slice_, file in zip(slices, files, strict=True)])  # fmt: skip
    heights = positions @ normal
    order = np.argsort(heights, kind="stable")
    heights, positions = heights[order], positions[order]
    if len(slices) < 2:
        raise InputError(f"{where} has a single slice; export the whole series.")
    twin = twins(heights)
    if twin is not None:
        names = " and ".join(files[order[twin + offset]].path.name for offset in (0, 1))
        raise InputError(f"{where} has two slices at one position ({names}); take out the one that does not belong.")
    sideways = positions - positions[0] - np.outer(heights - heights[0], normal)
    if np.linalg.norm(sideways, axis=1).max() > _SIDEWAYS_MM:
        raise InputError(
            f"{where} was taken with a tilted gantry: its slices are shifted sideways by up to "
            f"{np.linalg.norm(sideways, axis=1).max():.1f} mm; resample it to upright slices first."
        )
    planes = np.stack([_hounsfield(slices[index], files[index].path) for index in order])
    try:
        stack = even_stack(planes, heights)
    except TooWideGap as gap:
        raise InputError(
            f"{where} lacks slices between {gap.below_mm:.1f} and {gap.above_mm:.1f} mm; nothing is interpolated "
            f"across more than {WIDEST_GAP_MM:g} mm, so export the series whole."
        ) from None
    warnings = []
    if stack.missing:
        warnings.append(f"The CT lacks {stack.missing} slices; they were interpolated between their neighbours.")
    elif stack.resampled:
        warnings.append(f"The CT's slices are at varying distances; they were interpolated to {stack.spacing_mm:g} mm.")
    row_mm, column_mm = _numbers(first, "PixelSpacing", 2, files[0].path)
    cosines = _numbers(first, "ImageOrientationPatient", 6, files[0].path)
    direction = np.column_stack([_unit(cosines[:3]), _unit(cosines[3:]), normal])
    geometry = Geometry(
        (len(stack.array), int(first.Rows), int(first.Columns)), vector3((column_mm, row_mm, stack.spacing_mm)),
        vector3(positions[0]), tuple(float(value) for value in direction.ravel()),
    )  # fmt: skip
    return Volume(stack.array, geometry), warnings


def read_slice(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """HU of a single slice, and where it lies: position, orientation and pixel spacing in a row.

    Raises:
        InputError: it can't be read, or is no single slice.
    """
    slice_ = _read(path)
    place = [
        _numbers(slice_, keyword, count, path)
        for keyword, count in (("ImagePositionPatient", 3), ("ImageOrientationPatient", 6), ("PixelSpacing", 2))
    ]
    return _hounsfield(slice_, path), np.concatenate(place)


def _check_alike(slices: Sequence[Dataset], files: Sequence[DicomFile], where: str) -> np.ndarray:
    """Check that all slices have one size and orientation; their normal."""
    first = slices[0]
    for slice_, file in zip(slices, files, strict=True):
        if str(slice_.get("SOPClassUID")) != CT_IMAGE_STORAGE or int(slice_.get("NumberOfFrames") or 1) != 1:
            raise InputError(f"{file.path} is an enhanced (multi-frame) CT; export it as single slices.")
    cosines = np.array([_numbers(s, "ImageOrientationPatient", 6, f.path) for s, f in zip(slices, files, strict=True)])
    spacings = np.array([_numbers(s, "PixelSpacing", 2, f.path) for s, f in zip(slices, files, strict=True)])
    sizes = {(slice_.get("Rows"), slice_.get("Columns")) for slice_ in slices}
    if len(sizes) > 1 or np.abs(spacings - spacings[0]).max() > 1e-3 or (spacings <= 0).any():
        raise InputError(f"{where} has slices of different sizes or pixel spacings; export the planning CT alone.")
    if np.abs(cosines - cosines[0]).max() > _SAME_DIRECTION:
        raise InputError(f"{where} has slices of different orientations; export the planning CT alone.")
    row, column = _unit(cosines[0][:3]), _unit(cosines[0][3:])
    if abs(float(row @ column)) > 1e-3 or first.get("Rows") is None:
        raise InputError(f"{where} has rows and columns that are not at right angles; export it again.")
    return np.cross(row, column)


def _read(path: Path) -> Dataset:
    try:
        dataset = read_whole(path)
        for keyword in ("SOPClassUID", "NumberOfFrames", "Rows", "Columns"):
            value = dataset.get(keyword)
            if keyword != "SOPClassUID" and value is not None:
                int(value)
        return dataset
    except Exception as error:  # pydicom reads values when they are asked for, and fails in many ways
        raise InputError(f"{path} cannot be read, it is truncated or damaged; copy or export it again.") from error


def _hounsfield(slice_: Dataset, path: Path) -> np.ndarray:
    try:
        slope, intercept = float(slice_.get("RescaleSlope") or 1.0), float(slice_.get("RescaleIntercept") or 0.0)
        if not np.isfinite([slope, intercept]).all():
            raise ValueError("infinite")
    except Exception:  # noqa: BLE001 - as above
        raise InputError(
            f"{path} has a RescaleSlope or RescaleIntercept that is no number, so its values mean nothing; export the "
            "CT again."
        ) from None
    try:
        stored = slice_.pixel_array
        # Not as stored where nothing is rescaled: unsigned pixels can't be held against a number below 0.
        values = stored.astype(np.int32) if (slope, intercept) == (1.0, 0.0) else stored * np.float64(slope) + intercept
    except Exception:  # noqa: BLE001 - pydicom's decoders fail in many ways; the image library knows more compressions
        values = _by_image_library(path)
    if values.shape != (int(slice_.Rows), int(slice_.Columns)):
        raise InputError(f"{path} holds {values.shape} pixels instead of one grey-value slice; export it again.")
    values = np.maximum(values, LOWEST_HU)
    whole = slope == int(slope) and intercept == int(intercept) and np.abs(values).max() < 2**15
    return np.rint(values).astype(np.int16) if whole else values.astype(np.float32)


def _by_image_library(path: Path) -> np.ndarray:
    import SimpleITK as sitk

    try:
        return sitk.GetArrayFromImage(read_by_library(path))[0]
    except RuntimeError as error:
        raise InputError(
            f"The pixels of {path} cannot be read, they are truncated or compressed in an unknown way; export the CT "
            "again, uncompressed."
        ) from error


def _numbers(dataset: Dataset, keyword: str, count: int, path: Path) -> np.ndarray:
    try:
        values = np.array([float(value) for value in dataset[keyword].value])
    except Exception:  # noqa: BLE001 - as above
        values = np.zeros(0)
    if len(values) != count or not np.isfinite(values).all():
        raise InputError(f"{path} has no usable {keyword} ({count} numbers); export the CT again.")
    return values


def _unit(vector: np.ndarray) -> np.ndarray:
    length = float(np.linalg.norm(vector))
    return vector / length if length else vector
