"""Writer of isodose lines as RTSTRUCT (PS3.3 A.19.3): a structure a level, closed contours in the dose's slices."""

from __future__ import annotations

import colorsys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from DosePredictionLib.errors import InputError
from DosePredictionLib.patient.dicom_instance import PREDICTED, RESEARCH_USE, new_instance, write_instance
from DosePredictionLib.patient.dicom_isolines import isolines
from DosePredictionLib.patient.dicom_reference import DicomReference
from DosePredictionLib.patient.dicom_structures import CONTOUR_DATA
from DosePredictionLib.patient.volume import Volume

if TYPE_CHECKING:
    from pydicom import Dataset

RT_STRUCTURE_SET_STORAGE = "1.2.840.10008.5.1.4.1.1.481.3"
#: The class that RTSTRUCT still names for the study it refers to, though it is retired (PS3.3 C.8.8.5).
_STUDY_CLASS = "1.2.840.10008.3.1.2.3.1"
#: Levels in per cent of the highest prescription.
ISODOSE_PERCENT = (107.0, 105.0, 100.0, 95.0, 90.0, 80.0, 70.0, 50.0, 30.0)


def isodose_levels_gy(prescription_gy: float) -> tuple[float, ...]:
    """The levels that are drawn for a prescription, Gy."""
    return tuple(prescription_gy * percent / 100.0 for percent in ISODOSE_PERCENT)


def write_isodose_contours(
    dose: Volume, levels_gy: Sequence[float], reference: DicomReference, path: str | Path
) -> str:
    """Write isodose lines of a predicted dose as an RTSTRUCT file.

    Every contour lies in a slice of the dose and refers to the CT slice of that plane, where there is one. Regions
    inside others (holes, islands) are contours of their own, to be combined by exclusive or. Levels that the dose
    doesn't reach are left out.

    Args:
        dose: Gy, in the CT's frame of reference.
        levels_gy: the levels.
        reference: patient, study, frame of reference and CT slices.
        path: the file, ``.dcm`` by custom. It appears whole or not at all.

    Returns:
        The new object's SOP Instance UID.

    Raises:
        InputError: the dose reaches none of the levels, or the file can't be written.
    """
    from pydicom.dataset import Dataset
    from pydicom.uid import ImplicitVRLittleEndian

    reached = [level for level in levels_gy if float(dose.array.max()) >= level > 0]
    if not reached:
        raise InputError("The dose reaches none of the isodose levels, so there are no contours to write.")
    dataset = new_instance(RT_STRUCTURE_SET_STORAGE, "RTSTRUCT", PREDICTED, reference)
    # With explicit VR a contour of more than 64 kB, some 2,700 points, would have to be written as of unknown kind (UN,
    # PS3.5 6.2.2), which hardly a reader understands.
    dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
    dataset.StructureSetLabel = "PREDICTED"
    dataset.StructureSetDescription = f"Isodose lines of a predicted dose, {RESEARCH_USE}"
    dataset.StructureSetDate, dataset.StructureSetTime = dataset.InstanceCreationDate, dataset.InstanceCreationTime
    dataset.ReferencedFrameOfReferenceSequence = [_frame_of(reference)]
    dataset.StructureSetROISequence = []
    dataset.ROIContourSequence = []
    dataset.RTROIObservationsSequence = []
    for number, level in enumerate(reached, start=1):
        region = Dataset()
        region.ROINumber = number
        region.ReferencedFrameOfReferenceUID = reference.frame_of_reference_uid
        region.ROIName = f"Isodose {level:.4g} Gy"
        region.ROIGenerationAlgorithm = "AUTOMATIC"
        drawn = Dataset()
        drawn.ROIDisplayColor = _color(level / max(reached))
        drawn.ReferencedROINumber = number
        drawn.ContourSequence = _contours(dose, level, reference)
        observed = Dataset()
        observed.ObservationNumber = number
        observed.ReferencedROINumber = number
        observed.RTROIInterpretedType = "DOSE_REGION"
        observed.ROIInterpreter = None
        dataset.StructureSetROISequence.append(region)
        dataset.ROIContourSequence.append(drawn)
        dataset.RTROIObservationsSequence.append(observed)
    dataset.ApprovalStatus = "UNAPPROVED"
    write_instance(dataset, path)
    return str(dataset.SOPInstanceUID)


def _contours(dose: Volume, level: float, reference: DicomReference) -> list[Dataset]:
    from pydicom.dataelem import DataElement
    from pydicom.dataset import Dataset

    normal = np.asarray(dose.geometry.direction).reshape(3, 3)[:, 2]
    items = []
    for index, plane in enumerate(dose.array):
        lines = isolines(plane, level)
        if not lines:
            continue
        image = reference.slice_at(dose.geometry.lps_of_index(np.array([float(index), 0.0, 0.0])), normal)
        for line in lines:
            points = dose.geometry.lps_of_index(np.column_stack([np.full(len(line), float(index)), line[:, ::-1]]))
            item = Dataset()
            if image is not None:
                item.ContourImageSequence = [image.item()]
            item.ContourGeometricType = "CLOSED_PLANAR"
            item.NumberOfContourPoints = len(points)
            # As text: pydicom would check each of a million numbers by itself.
            text = "\\".join(f"{value:.3f}" for value in points.ravel())
            item.add(DataElement(CONTOUR_DATA, "DS", text, already_converted=True))
            items.append(item)
    return items


def _frame_of(reference: DicomReference) -> Dataset:
    from pydicom.dataset import Dataset

    series = Dataset()
    series.SeriesInstanceUID = reference.series_uid
    series.ContourImageSequence = [image.item() for image, _ in reference.slices]
    study = Dataset()
    study.ReferencedSOPClassUID = _STUDY_CLASS
    study.ReferencedSOPInstanceUID = reference.header.StudyInstanceUID
    study.RTReferencedSeriesSequence = [series]
    frame = Dataset()
    frame.FrameOfReferenceUID = reference.frame_of_reference_uid
    frame.RTReferencedStudySequence = [study]
    return frame


def _color(part: float) -> list[int]:
    """Red for the highest level to blue for the lowest."""
    return [round(255 * value) for value in colorsys.hsv_to_rgb(0.66 * (1.0 - min(max(part, 0.0), 1.0)), 1.0, 1.0)]
