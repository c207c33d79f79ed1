"""Writer of predicted doses as RTDOSE (PS3.3 A.18.3): what planning systems and SlicerRT open.

The object lies in a new series of the CT's study, in its frame of reference. It says in series description, dose
comment and plan label that the dose was predicted. It refers to no RT plan: a prediction belongs to none, and a dose
that named the clinical plan could be taken for that plan's. The standard's summation type for a dose without a plan is
PLAN_OVERVIEW; the Plan Overview Sequence holds the structure set, and the prescriptions and fractions that the dose was
predicted for (PS3.3 C.8.8.3).

The voxels are whole numbers that DoseGridScaling turns into Gy, as in every RTDOSE. SimpleITK and ITK read the whole
numbers and leave the scaling to the caller (metadata ``3004|000e``); pydicom's ``pixel_array`` does so too.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from DosePredictionLib.errors import InputError
from DosePredictionLib.patient.dicom_instance import PREDICTED, decimal, new_instance, write_instance
from DosePredictionLib.patient.dicom_reference import DicomReference
from DosePredictionLib.patient.geometry import Geometry, vector3
from DosePredictionLib.patient.volume import Volume

if TYPE_CHECKING:
    from pydicom import Dataset

    from DosePredictionLib.patient.patient import Patient

RT_DOSE_STORAGE = "1.2.840.10008.5.1.4.1.1.481.2"
PLAN_LABEL = "Predicted dose"
_LARGEST = 2**32 - 1
#: Frames of one spacing only; a grid this skew would be misread.
_SKEW = 1e-4


def write_rtdose(
    dose: Volume,
    reference: DicomReference,
    path: str | Path,
    *,
    patient: Patient | None = None,
    description: str = PREDICTED,
) -> str:
    """Write a predicted dose as an RTDOSE file of 32 bit a voxel.

    Every voxel is written on its own position; the values come back within half of DoseGridScaling, that is the highest
    dose divided by 2^33 (1e-8 Gy for 70 Gy). Negative values become 0.

    Args:
        dose: Gy, on any grid of the CT's frame of reference (oblique and left-handed ones too).
        reference: patient, study, frame of reference and structure set.
        path: the file, ``.dcm`` by custom. It appears whole or not at all.
        patient: whose prescriptions and number of fractions the dose was predicted for; None leaves them out.
        description: of the series and the dose, at most 64 characters.

    Returns:
        The new object's SOP Instance UID.

    Raises:
        InputError: the dose is not a number somewhere, or the file can't be written.
        ValueError: the description is too long, or the grid's axes aren't at right angles.
    """
    from pydicom.dataset import Dataset

    if len(description) > 64:
        raise ValueError(f"the description has {len(description)} characters, 64 are allowed")
    if not np.isfinite(dose.array).all():
        raise InputError("The dose holds voxels that are not numbers, so it was not written; predict it again.")
    volume = _right_handed(dose)
    geometry = volume.geometry
    axes = np.asarray(geometry.direction, dtype=float).reshape(3, 3).T
    if np.abs(axes @ axes.T - np.eye(3)).max() > _SKEW:
        raise ValueError("the grid's axes are not at right angles")
    depth, rows, columns = volume.array.shape
    scaling = _scaling(float(volume.array.max(initial=0.0)))

    dataset = new_instance(RT_DOSE_STORAGE, "RTDOSE", description, reference)
    dataset.ImageType = ["DERIVED", "SECONDARY"]
    dataset.ContentDate, dataset.ContentTime = dataset.InstanceCreationDate, dataset.InstanceCreationTime
    dataset.PixelSpacing = [decimal(geometry.spacing_mm[1]), decimal(geometry.spacing_mm[0])]
    dataset.ImageOrientationPatient = [decimal(value) for value in (*axes[0], *axes[1])]
    dataset.ImagePositionPatient = [decimal(value) for value in geometry.origin_mm]
    dataset.SliceThickness = decimal(geometry.spacing_mm[2])
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.NumberOfFrames = depth
    dataset.FrameIncrementPointer = 0x3004000C
    dataset.Rows, dataset.Columns = rows, columns
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 32, 32, 31
    dataset.PixelRepresentation = 0
    dataset.DoseUnits = "GY"
    dataset.DoseType = "PHYSICAL"
    dataset.DoseComment = description
    dataset.DoseSummationType = "PLAN_OVERVIEW"
    dataset.GridFrameOffsetVector = [decimal(geometry.spacing_mm[2] * index) for index in range(depth)]
    dataset.DoseGridScaling = scaling
    overview = Dataset()
    overview.PlanOverviewIndex = 1
    overview.RTPlanLabel = PLAN_LABEL
    overview.TreatmentSite = None
    overview.TreatmentSiteCodeSequence = []
    overview.PrescriptionOverviewSequence = _prescriptions(patient) if patient is not None else []
    if patient is not None and patient.fractions:
        overview.NumberOfFractionsIncluded = patient.fractions
    if reference.structure_set is not None:
        # Not at the top level: there the sequence belongs to the RT DVH module, which then were to be whole.
        overview.ReferencedStructureSetSequence = [reference.structure_set.item()]
    dataset.PlanOverviewSequence = [overview]
    dataset.PixelData = _stored(volume.array, float(scaling))
    write_instance(dataset, path)
    return str(dataset.SOPInstanceUID)


def _prescriptions(patient: Patient) -> list[Dataset]:
    from pydicom.dataset import Dataset

    items = []
    for target in patient.targets:
        if target.prescription_gy:
            item = Dataset()
            item.TotalPrescriptionDose = float(target.prescription_gy)
            # The backslash parts values, and LO ends at 64 characters.
            item.EntityLongLabel = target.name.replace("\\", "/")[:64]
            items.append(item)
    return items


def _scaling(highest_gy: float) -> str:
    """DoseGridScaling as written: rounded up, so that the highest dose still fits into 32 bit."""
    if highest_gy <= 0.0:
        return "1e-06"
    text = f"{highest_gy / _LARGEST * (1.0 + 1e-9):.9e}"
    return text if float(text) * _LARGEST >= highest_gy else f"{float(text) * (1.0 + 2e-9):.9e}"


def _stored(array: np.ndarray, scaling: float) -> bytes:
    """The stored values, little endian; slice by slice, because float64 of a whole CT grid is large."""
    stored = np.empty(array.shape, dtype="<u4")
    for index, plane in enumerate(array):
        stored[index] = np.clip(np.rint(plane.astype(np.float64) / scaling), 0, _LARGEST)
    return stored.tobytes()


def _right_handed(dose: Volume) -> Volume:
    """The same dose with frames that follow each other along the cross product of rows and columns."""
    direction = np.asarray(dose.geometry.direction, dtype=float).reshape(3, 3)
    if np.linalg.det(direction) > 0:
        return dose
    last = dose.geometry.lps_of_index(np.array([dose.array.shape[0] - 1.0, 0.0, 0.0]))
    direction = direction * np.array([1.0, 1.0, -1.0])
    geometry = Geometry(dose.geometry.shape, dose.geometry.spacing_mm, vector3(last), tuple(direction.ravel()))
    return Volume(dose.array[::-1], geometry)
