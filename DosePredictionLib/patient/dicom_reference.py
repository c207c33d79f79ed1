"""What a DICOM object written for a patient takes over from the patient's own objects."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from DosePredictionLib.errors import InputError
from DosePredictionLib.patient.dicom_case import choose_case
from DosePredictionLib.patient.dicom_contours import SAME_PLANE_MM
from DosePredictionLib.patient.dicom_files import is_dicom
from DosePredictionLib.patient.geometry import Geometry, Vector3

if TYPE_CHECKING:
    from pydicom import Dataset

#: Patient and study modules (PS3.3 C.7.1.1, C.7.2.1): those of type 1 and 2, then those that tell identities apart.
_REQUIRED = (
    "PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyInstanceUID", "StudyDate", "StudyTime",
    "ReferringPhysicianName", "StudyID", "AccessionNumber",
)  # fmt: skip
_OPTIONAL = (
    "SpecificCharacterSet", "IssuerOfPatientID", "OtherPatientIDsSequence", "PatientIdentityRemoved",
    "DeidentificationMethod", "DeidentificationMethodCodeSequence", "StudyDescription",
)  # fmt: skip
_SLICE_TAGS = [
    *_REQUIRED, *_OPTIONAL, "SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID",
    "PositionReferenceIndicator", "ImagePositionPatient", "ImageOrientationPatient", "Modality",
]  # fmt: skip
#: A volume that is farther from its slices, or whose unit vectors are, was moved or turned after it was read.
MOVED_MM, TURNED = 0.5, 2e-3


@dataclass(frozen=True)
class ReferencedObject:
    """A DICOM object that another one refers to."""

    sop_class_uid: str
    sop_instance_uid: str

    @classmethod
    def of_file(cls, path: str | Path) -> ReferencedObject:
        """The object in a file.

        Raises:
            InputError: it can't be read.
        """
        header = _read(Path(path), ["SOPClassUID", "SOPInstanceUID"])
        return cls(str(header.SOPClassUID), str(header.SOPInstanceUID))

    def item(self) -> Dataset:
        """The item of a sequence that refers to the object."""
        from pydicom.dataset import Dataset

        item = Dataset()
        item.ReferencedSOPClassUID = self.sop_class_uid
        item.ReferencedSOPInstanceUID = self.sop_instance_uid
        return item


@dataclass(frozen=True)
class DicomReference:
    """Patient, study, frame of reference and images of a CT, for what is written on top of it.

    Attributes:
        header: the patient's and the study's attributes as the CT has them.
        frame_of_reference_uid: of the CT; what is written shares its coordinates.
        position_reference_indicator: of the CT, often "".
        series_uid: the CT series.
        slices: each CT slice with the position (LPS, mm) of its first pixel, as the CT has it.
        rows, columns: unit vectors (LPS) along the first slice's rows and columns.
        structure_set: the structure set that the prediction was made from; None when it is none of DICOM's.
    """

    header: Dataset
    frame_of_reference_uid: str
    position_reference_indicator: str
    series_uid: str
    slices: tuple[tuple[ReferencedObject, Vector3], ...] = field(repr=False)
    rows: Vector3 = (1.0, 0.0, 0.0)
    columns: Vector3 = (0.0, 1.0, 0.0)
    structure_set: ReferencedObject | None = None

    @classmethod
    def of_ct_files(cls, files: Iterable[str | Path], structure_set: str | Path | None = None) -> DicomReference:
        """From the files of a CT series (in Slicer, the database's files for the volume's instance UIDs).

        Args:
            files: one series, in any order.
            structure_set: the RTSTRUCT file the structures came from, if they did.

        Raises:
            InputError: there are no files, one can't be read, or they are of several series.
        """
        headers = [_read(Path(file), _SLICE_TAGS) for file in files]
        if not headers:
            raise InputError("There are no CT files to take patient and frame of reference from; name the CT's slices.")
        first = headers[0]
        for keyword in ("SeriesInstanceUID", "FrameOfReferenceUID", "StudyInstanceUID"):
            values = {str(header.get(keyword) or "") for header in headers}
            if values == {""}:
                raise InputError(
                    f"The CT slices have no {keyword}, without which nothing can refer to them; export the CT with it."
                )
            if len(values) > 1:
                raise InputError(
                    f"The CT slices have {len(values)} values of {keyword} where one is needed; give the files of one "
                    "CT series."
                )
        return cls(
            _patient_and_study(first), str(first.FrameOfReferenceUID),
            str(first.get("PositionReferenceIndicator") or ""), str(first.SeriesInstanceUID),
            tuple(_slice(header) for header in headers), *_orientation(first),
            ReferencedObject.of_file(structure_set) if structure_set is not None else None,
        )  # fmt: skip

    @classmethod
    def of_case(cls, path: str | Path) -> DicomReference:
        """From a case that `read_patient` reads as DICOM.

        Raises:
            InputError: it is no DICOM case, or can't be read.
        """
        path = Path(path)
        if not path.exists() or not is_dicom(path):
            raise InputError(
                f"{path} is not a DICOM case, so there is no patient and frame of reference for an RTDOSE file; choose "
                "the format nrrd or nifti."
            )
        case = choose_case(path)
        return cls.of_ct_files([file.path for file in case.ct], case.structure_set.path)

    def lies_like(self, geometry: Geometry) -> bool:
        """Whether a volume made of the CT lies where its slices do, so that a dose on it is in their coordinates.

        Only slices that are stacked evenly along their normal tell: others are resampled to make a volume, which then
        may lie anywhere. Of these True is returned.

        Args:
            geometry: of the volume, whose first voxel is the first pixel of one of the outermost slices.
        """
        positions = np.array([position for _, position in self.slices])
        normal = np.cross(self.rows, self.columns)
        heights = positions @ normal
        beside = positions - heights[:, None] * normal
        steps = np.diff(np.sort(heights))
        if np.ptp(beside, axis=0).max() > SAME_PLANE_MM or (len(steps) and np.ptp(steps) > SAME_PLANE_MM):
            return True
        away = geometry.index_of_lps(positions) * geometry.spacing_mm[::-1]
        ends = np.array([away[:, 0].min(), away[:, 0].max() - (geometry.shape[0] - 1) * geometry.spacing_mm[2]])
        turned = np.asarray(geometry.direction).reshape(3, 3)[:, :2] - np.array([self.rows, self.columns]).T
        return bool(max(np.abs(away[:, 1:]).max(), np.abs(ends).max()) <= MOVED_MM and np.abs(turned).max() <= TURNED)

    def slice_at(self, position_mm: np.ndarray, normal: np.ndarray) -> ReferencedObject | None:
        """The CT slice in whose plane a point lies, within `SAME_PLANE_MM`, or None.

        Args:
            position_mm: the point, LPS.
            normal: the slices' unit normal.
        """
        heights = np.array([position for _, position in self.slices]) @ normal - float(np.dot(position_mm, normal))
        nearest = int(np.argmin(np.abs(heights)))
        return self.slices[nearest][0] if abs(heights[nearest]) <= SAME_PLANE_MM else None


def _orientation(header: Dataset) -> tuple[Vector3, Vector3]:
    try:
        a, b, c, d, e, f = (float(value) for value in header.ImageOrientationPatient)
        return (a, b, c), (d, e, f)
    except (AttributeError, TypeError, ValueError):
        raise InputError("A CT slice has no orientation (ImageOrientationPatient); export the CT again.") from None


def _slice(header: Dataset) -> tuple[ReferencedObject, Vector3]:
    try:
        x, y, z = (float(value) for value in header.ImagePositionPatient)
    except (AttributeError, TypeError, ValueError):
        raise InputError("A CT slice has no position (ImagePositionPatient); export the CT again.") from None
    return ReferencedObject(str(header.SOPClassUID), str(header.SOPInstanceUID)), (x, y, z)


def _patient_and_study(header: Dataset) -> Dataset:
    from pydicom.config import disable_value_validation
    from pydicom.dataset import Dataset

    taken = Dataset()
    # As the CT has them, for they tell whose object it is; pydicom's warnings would quote those that break a rule.
    with disable_value_validation():
        for keyword in _REQUIRED:
            setattr(taken, keyword, header.get(keyword))
        for keyword in _OPTIONAL:
            if keyword in header and not header[keyword].is_empty:
                setattr(taken, keyword, header.get(keyword))
    return taken


def _read(path: Path, tags: list[str]) -> Dataset:
    import pydicom
    from pydicom.config import disable_value_validation

    try:
        with disable_value_validation():
            # Old exports lack the preamble; an identifier tells that they are DICOM nevertheless.
            header = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=list(tags), force=True)
            for _ in header.iterall():
                pass  # pydicom reads values when they are asked for
        known = bool(header.get("SOPInstanceUID") and header.get("SOPClassUID"))
    except Exception as error:  # pydicom fails in many ways
        raise InputError(f"{path} cannot be read as DICOM; export it again.") from error
    if not known:
        raise InputError(f"{path} cannot be read as DICOM, it has no identifier; export it again.")
    return header
