"""The regions of interest of an RTSTRUCT, before they become masks."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from DosePredictionLib.patient.dicom_files import read_whole, told_as_damaged

if TYPE_CHECKING:
    from pydicom import Dataset

#: The tag of a contour's points.
CONTOUR_DATA = 0x30060050
_EXCLUSIVE = "CLOSEDPLANAR_XOR"
_CLOSED = ("CLOSED_PLANAR", _EXCLUSIVE)


@dataclass(frozen=True)
class RegionOfInterest:
    """One ROI.

    Attributes:
        number: ROI number, by which plans refer to it.
        name: as the clinic wrote it; made different from all others.
        kind: RTROIInterpretedType ("PTV", "ORGAN", "EXTERNAL", ...), "" when it has none.
        color: display colour, 0..1.
        frame_uid: frame of reference of its contours.
        contours: closed contours, vertices (n, 3) in LPS mm.
        others: how many points and open contours were passed over.
        exclusive: whether the contours of a plane combine by exclusive or wherever they lie (CLOSEDPLANAR_XOR).
    """

    number: int
    name: str
    kind: str
    color: tuple[float, float, float] | None
    frame_uid: str
    contours: tuple[np.ndarray, ...]
    others: int
    exclusive: bool = False

    @property
    def written_name(self) -> str:
        """Without the number that told it from another of the same name, which is no dose of it."""
        return self.name.removesuffix(f" (ROI {self.number})")


def read_structure_set(path: Path) -> list[RegionOfInterest]:
    """Read the ROIs of an RTSTRUCT in the order of the file.

    Raises:
        InputError: the file is damaged.
    """
    with told_as_damaged(path, "a structure set"):
        return _regions(read_whole(path))


def _regions(dataset: Dataset) -> list[RegionOfInterest]:
    if dataset.get("Modality") != "RTSTRUCT" or not dataset.get("StructureSetROISequence"):
        raise ValueError("there are no structures in it")
    if not dataset.get("ROIContourSequence"):
        raise ValueError("its contours are missing")
    drawn = {int(item.ReferencedROINumber): item for item in dataset.get("ROIContourSequence") or []}
    observed = {
        int(item.ReferencedROINumber): str(item.get("RTROIInterpretedType") or "").upper()
        for item in dataset.get("RTROIObservationsSequence") or []
    }
    named = list(dataset.get("StructureSetROISequence") or [])
    names = [str(item.get("ROIName") or f"ROI {item.ROINumber}").strip() for item in named]
    regions = []
    for item, name in zip(named, names, strict=True):
        number = int(item.ROINumber)
        contours, others = _contours(drawn.get(number))
        regions.append(RegionOfInterest(
            number, name if names.count(name) == 1 else f"{name} (ROI {number})", observed.get(number, ""),
            _color(drawn.get(number)), str(item.get("ReferencedFrameOfReferenceUID") or ""), tuple(contours), others,
            _is_exclusive(drawn.get(number)),
        ))  # fmt: skip
    return regions


def _contours(item: Dataset | None) -> tuple[list[np.ndarray], int]:
    closed, others = [], 0
    for contour in (item.get("ContourSequence") if item is not None else None) or []:
        points = _points(contour)
        if str(contour.get("ContourGeometricType") or "CLOSED_PLANAR") in _CLOSED and len(points) >= 3:
            closed.append(points)
        else:
            others += 1
    return closed, others


def _is_exclusive(item: Dataset | None) -> bool:
    contours = (item.get("ContourSequence") if item is not None else None) or []
    return any(str(contour.get("ContourGeometricType")) == _EXCLUSIVE for contour in contours)


def _points(contour: Dataset) -> np.ndarray:
    """Vertices (n, 3); parsed as a whole, because number by number takes seconds for a large structure set."""
    from pydicom.dataelem import RawDataElement

    if CONTOUR_DATA not in contour:
        return np.zeros((0, 3))
    element = contour.get_item(CONTOUR_DATA)
    if isinstance(element, RawDataElement) and element.value is not None:
        text = bytes(element.value).strip(b" \0")
        values = np.array(text.split(b"\\"), dtype=np.float64) if text else np.zeros(0)
    else:
        values = np.array([float(value) for value in contour.ContourData or []])
    if values.size % 3 or not np.isfinite(values).all():
        raise ValueError(f"a contour has {values.size} coordinates, not a multiple of three, or one is no number")
    return values.reshape(-1, 3)


def _color(item: Dataset | None) -> tuple[float, float, float] | None:
    values = item.get("ROIDisplayColor") if item is not None else None
    if not values or len(values) != 3:
        return None
    red, green, blue = (min(max(float(value) / 255.0, 0.0), 1.0) for value in values)
    return red, green, blue
