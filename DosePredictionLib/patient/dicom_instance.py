"""A new DICOM object of a patient: what every object that this library writes has in common.

Unique identifiers are made under the root ``2.25`` from random UUIDs (PS3.5 B.2), which needs no registration and
collides with nobody's.
"""

from __future__ import annotations

from datetime import datetime
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING

from DosePredictionLib.patient.dicom_maker import MANUFACTURER
from DosePredictionLib.whole_file import whole_file

if TYPE_CHECKING:
    from pydicom import Dataset

    from DosePredictionLib.patient.dicom_reference import DicomReference

#: The root of all unique identifiers made here: UUIDs as PS3.5 B.2 has them.
UID_ROOT = "2.25."
#: Names this writer in the files' meta information; made once from a UUID.
IMPLEMENTATION_CLASS_UID = "2.25.229417265410137722385430167938120645713"
RESEARCH_USE = "research use, not for clinical decisions"
#: At most 64 characters, as the value representation LO allows.
PREDICTED = f"Predicted dose, {RESEARCH_USE}"


def new_uid() -> str:
    """A new unique identifier under `UID_ROOT`."""
    from pydicom.uid import generate_uid

    return str(generate_uid(prefix=None))


def new_instance(sop_class_uid: str, modality: str, description: str, reference: DicomReference) -> Dataset:
    """A DICOM object in a new series of the reference's study: patient, study, series, frame, equipment, SOP common.

    Args:
        sop_class_uid: what kind of object.
        modality: "RTDOSE", "RTSTRUCT".
        description: of the series, at most 64 characters.
        reference: whose object it is.
    """
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import UID, ExplicitVRLittleEndian

    now = datetime.now()
    date, time = now.strftime("%Y%m%d"), now.strftime("%H%M%S")
    dataset = Dataset()
    dataset.update(reference.header)
    # Names of structures may need letters that the CT's character set doesn't have; UTF-8 has all of the CT's, too.
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.SOPClassUID = sop_class_uid
    dataset.SOPInstanceUID = new_uid()
    dataset.InstanceCreationDate, dataset.InstanceCreationTime = date, time
    dataset.Modality = modality
    dataset.SeriesInstanceUID = new_uid()
    dataset.SeriesNumber = 1
    dataset.SeriesDate, dataset.SeriesTime = date, time
    dataset.SeriesDescription = description
    dataset.OperatorsName = None
    dataset.Manufacturer = MANUFACTURER
    dataset.ManufacturerModelName = MANUFACTURER
    dataset.SoftwareVersions = MANUFACTURER
    dataset.FrameOfReferenceUID = reference.frame_of_reference_uid
    dataset.PositionReferenceIndicator = reference.position_reference_indicator
    dataset.InstanceNumber = 1
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.MediaStorageSOPClassUID = UID(sop_class_uid)
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.ImplementationClassUID = UID(IMPLEMENTATION_CLASS_UID)
    dataset.file_meta.ImplementationVersionName = "DOSEPREDICTION"
    return dataset


def write_instance(dataset: Dataset, path: str | Path) -> None:
    """Write an object of `new_instance` as a DICOM file; it appears whole or not at all.

    Raises:
        InputError: the file can't be written.
    """
    syntax = dataset.file_meta.TransferSyntaxUID
    with whole_file(path) as temporary:
        if "enforce_file_format" in signature(dataset.save_as).parameters:
            dataset.save_as(temporary, enforce_file_format=True)
        else:  # pydicom before 3.0, which Slicer 5.10 has
            dataset.is_little_endian, dataset.is_implicit_VR = syntax.is_little_endian, syntax.is_implicit_VR
            dataset.save_as(temporary, write_like_original=False)


def decimal(value: float) -> str:
    """A number as a decimal string of at most 16 characters, as exact as that allows (PS3.5 6.2, DS)."""
    from pydicom.valuerep import format_number_as_ds

    return format_number_as_ds(float(value))
