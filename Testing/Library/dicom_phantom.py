"""DICOM RT data for tests: CT, structure set, plan and dose of one study, as a planning system exports them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

from DosePredictionLib.patient.dicom_instance import decimal
from DosePredictionLib.patient.dicom_isolines import isolines
from DosePredictionLib.patient.geometry import Geometry
from DosePredictionLib.patient.volume import Volume

CT, STRUCTURES, PLAN, DOSE = (
    "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.481.3", "1.2.840.10008.5.1.4.1.1.481.5",
    "1.2.840.10008.5.1.4.1.1.481.2",
)  # fmt: skip
Contours = Sequence[np.ndarray]


@dataclass
class Study:
    """The identifiers that hold a patient's objects together."""

    patient_id: str = "P1"
    patient_name: str = "Müller^Anna"
    study_uid: str = field(default_factory=generate_uid)
    frame_uid: str = field(default_factory=generate_uid)
    series_uid: str = field(default_factory=generate_uid)
    structures_uid: str = field(default_factory=generate_uid)
    plan_uid: str = field(default_factory=generate_uid)
    slice_uids: list[str] = field(default_factory=list)

    def dataset(self, sop_class: str, modality: str, instance_uid: str, series_uid: str | None = None) -> Dataset:
        one = Dataset()
        one.SpecificCharacterSet = "ISO_IR 192"
        one.PatientName, one.PatientID = self.patient_name, self.patient_id
        one.PatientBirthDate, one.PatientSex = "19700102", "F"
        one.StudyInstanceUID, one.StudyID, one.StudyDate, one.StudyTime = self.study_uid, "S1", "20240501", "101500"
        one.AccessionNumber, one.ReferringPhysicianName = "A1", "Doe^John"
        one.SOPClassUID, one.SOPInstanceUID = sop_class, instance_uid
        one.Modality, one.SeriesInstanceUID = modality, series_uid or generate_uid()
        one.FrameOfReferenceUID, one.PositionReferenceIndicator = self.frame_uid, ""
        one.file_meta = FileMetaDataset()
        one.file_meta.MediaStorageSOPClassUID, one.file_meta.MediaStorageSOPInstanceUID = sop_class, instance_uid
        one.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        return one


def save(dataset: Dataset, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    dataset.save_as(path, enforce_file_format=True)
    return path


def item(**values: Any) -> Dataset:
    one = Dataset()
    for keyword, value in values.items():
        setattr(one, keyword, value)
    return one


def contour(points_mm: np.ndarray, kind: str) -> Dataset:
    """A contour through (n, 3) LPS points."""
    one = item(ContourGeometricType=kind, NumberOfContourPoints=len(points_mm))
    # As text: pydicom would check each of thousands of numbers by itself.
    text = "\\".join(f"{value:.3f}" for value in np.asarray(points_mm, dtype=float).ravel())
    one.add(DataElement(0x30060050, "DS", text, already_converted=True))
    return one


def reference(sop_class: str, uid: str) -> Dataset:
    return item(ReferencedSOPClassUID=sop_class, ReferencedSOPInstanceUID=uid)


def write_ct(
    folder: Path, ct: Volume, study: Study, *, skip: Sequence[int] = (), shear_mm: float = 0.0,
    heights_mm: Sequence[float] | None = None, **changes: Any,
) -> list[Path]:  # fmt: skip
    """Write a CT a slice a file, in an order that has nothing to do with where the slices are.

    Args:
        folder: where to.
        ct: HU.
        study: gets the slices' identifiers.
        skip: slices to leave out.
        shear_mm: shift along y a slice, as a tilted gantry does.
        heights_mm: offsets of the slices along the normal instead of even ones.
        changes: attributes to set in every slice.
    """
    depth, rows, columns = ct.array.shape
    axes = np.asarray(ct.geometry.direction).reshape(3, 3).T
    study.slice_uids = [generate_uid() for _ in range(depth)]
    order = np.random.default_rng(0).permutation(depth)
    paths = []
    for number, index in enumerate(order):
        if index in skip:
            continue
        one = study.dataset(CT, "CT", study.slice_uids[index], study.series_uid)
        one.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
        one.Rows, one.Columns = rows, columns
        one.PixelSpacing = [decimal(ct.geometry.spacing_mm[1]), decimal(ct.geometry.spacing_mm[0])]
        height = ct.geometry.spacing_mm[2] * index if heights_mm is None else heights_mm[index]
        place = np.asarray(ct.geometry.origin_mm) + height * axes[2] + shear_mm * index * axes[1]
        one.ImagePositionPatient = [decimal(value) for value in place]
        one.ImageOrientationPatient = [decimal(value) for value in (*axes[0], *axes[1])]
        one.SliceThickness, one.InstanceNumber = decimal(ct.geometry.spacing_mm[2]), number + 1
        one.SamplesPerPixel, one.PhotometricInterpretation = 1, "MONOCHROME2"
        one.BitsAllocated = one.BitsStored = 16
        one.HighBit, one.PixelRepresentation = 15, 0
        one.RescaleSlope, one.RescaleIntercept = "1", "-1024"
        one.PixelData = (ct.array[index].astype(np.int32) + 1024).astype("<u2").tobytes()
        for keyword, value in changes.items():
            setattr(one, keyword, value)
        paths.append(save(one, folder / f"{number:04d}.dcm"))
    return paths


def write_structures(
    path: Path, structures: Mapping[str, Contours], study: Study, *, types: Mapping[str, str] | None = None,
    kinds: Mapping[str, str] | None = None, frames: Mapping[str, str] | None = None, uid: str | None = None,
) -> Path:  # fmt: skip
    """Write an RTSTRUCT of LPS contours; ``types`` are RTROIInterpretedTypes, ``kinds`` ContourGeometricTypes."""
    one = study.dataset(STRUCTURES, "RTSTRUCT", uid or study.structures_uid)
    del one.FrameOfReferenceUID
    one.StructureSetLabel, one.StructureSetDate, one.StructureSetTime = "CONTOURS", "20240502", "090000"
    series = item(SeriesInstanceUID=study.series_uid, ContourImageSequence=[reference(CT, u) for u in study.slice_uids])
    visit = item(ReferencedSOPClassUID="1.2.840.10008.3.1.2.3.1", ReferencedSOPInstanceUID=study.study_uid,
                 RTReferencedSeriesSequence=[series])  # fmt: skip
    one.ReferencedFrameOfReferenceSequence = [
        item(FrameOfReferenceUID=study.frame_uid, RTReferencedStudySequence=[visit])
    ]
    one.StructureSetROISequence, one.ROIContourSequence, one.RTROIObservationsSequence = [], [], []
    for number, (name, contours) in enumerate(structures.items(), start=1):
        one.StructureSetROISequence.append(item(
            ROINumber=number, ROIName=name, ROIGenerationAlgorithm="MANUAL",
            ReferencedFrameOfReferenceUID=(frames or {}).get(name, study.frame_uid),
        ))  # fmt: skip
        drawn = item(ReferencedROINumber=number, ROIDisplayColor=[255, 0, 51])
        if len(contours):
            drawn.ContourSequence = [contour(points, (kinds or {}).get(name, "CLOSED_PLANAR")) for points in contours]
        one.ROIContourSequence.append(drawn)
        one.RTROIObservationsSequence.append(item(
            ObservationNumber=number, ReferencedROINumber=number, ROIInterpreter="",
            RTROIInterpretedType=(types or {}).get(name, ""),
        ))  # fmt: skip
    return save(one, path)


def static_beam(
    number: int, gantry: float, isocentre: Sequence[float], couch: float = 0.0, segments: int = 3
) -> Dataset:
    """A beam of one gantry angle; with more than one segment its leaves move between them (IMRT)."""
    points = []
    for index in range(max(2, segments)):
        leaf = 10.0 + (index if segments > 1 else 0)
        devices = [item(RTBeamLimitingDeviceType="MLCX", LeafJawPositions=[-leaf, leaf])]
        points.append(item(ControlPointIndex=index, BeamLimitingDevicePositionSequence=devices))
    points[0].GantryAngle, points[0].GantryRotationDirection = gantry, "NONE"
    points[0].PatientSupportAngle = couch
    points[0].IsocenterPosition = [decimal(value) for value in isocentre]
    return item(BeamNumber=number, BeamName=f"B{number}", RadiationType="PHOTON", TreatmentDeliveryType="TREATMENT",
                BeamType="DYNAMIC" if segments > 1 else "STATIC", ControlPointSequence=points)  # fmt: skip


def arc_beam(number: int, angles: Sequence[float], direction: str, isocentre: Sequence[float]) -> Dataset:
    """An arc through the given gantry angles; only the first control point says what does not change."""
    points = [
        item(ControlPointIndex=index, GantryAngle=float(angle), GantryRotationDirection=direction,
             BeamLimitingDevicePositionSequence=[
                 item(RTBeamLimitingDeviceType="MLCX", LeafJawPositions=[-5.0 - index, 5.0])])
        for index, angle in enumerate(angles)
    ]  # fmt: skip
    points[-1].GantryRotationDirection = "NONE"
    points[0].PatientSupportAngle = 0.0
    points[0].IsocenterPosition = [decimal(value) for value in isocentre]
    return item(BeamNumber=number, BeamName=f"A{number}", RadiationType="PHOTON", TreatmentDeliveryType="TREATMENT",
                BeamType="DYNAMIC", ControlPointSequence=points)  # fmt: skip


def prescription(dose_gy: float, roi: int | None = None, name: str = "", kind: str = "") -> Dataset:
    one = item(DoseReferenceNumber=1, DoseReferenceType="TARGET", TargetPrescriptionDose=dose_gy,
               DoseReferenceStructureType=kind or ("VOLUME" if roi is not None else "SITE"))  # fmt: skip
    if roi is not None:
        one.ReferencedROINumber = roi
    if name:
        one.DoseReferenceDescription = name
    return one


def write_plan(
    path: Path, study: Study, *, beams: Sequence[Dataset] = (), prescriptions: Sequence[Dataset] = (),
    fractions: Sequence[int] = (35,), position: str = "HFS", uid: str | None = None, structures_uid: str | None = None,
    **changes: Any,
) -> Path:  # fmt: skip
    one = study.dataset(PLAN, "RTPLAN", uid or study.plan_uid)
    one.RTPlanLabel, one.RTPlanDate, one.RTPlanTime, one.RTPlanGeometry = "HN1", "20240503", "080000", "PATIENT"
    one.ReferencedStructureSetSequence = [reference(STRUCTURES, structures_uid or study.structures_uid)]
    one.DoseReferenceSequence = list(prescriptions)
    one.PatientSetupSequence = [item(PatientSetupNumber=1, PatientPosition=position)]
    used = [item(ReferencedBeamNumber=beam.BeamNumber, BeamMeterset=100.0) for beam in beams
            if beam.TreatmentDeliveryType == "TREATMENT"]  # fmt: skip
    one.FractionGroupSequence = [
        item(FractionGroupNumber=number, NumberOfFractionsPlanned=count, NumberOfBeams=len(used),
             NumberOfBrachyApplicationSetups=0, ReferencedBeamSequence=used)
        for number, count in enumerate(fractions, start=1)
    ]  # fmt: skip
    one.BeamSequence = list(beams)
    for keyword, value in changes.items():
        setattr(one, keyword, value)
    return save(one, path)


def write_dose(
    path: Path, dose: Volume, study: Study, *, absolute: bool = False, downwards: bool = False, bits: int = 32,
    plan_uid: str | None = None, heights_mm: Sequence[float] | None = None, **changes: Any,
) -> Path:  # fmt: skip
    """Write an RTDOSE; frame offsets relative or absolute, ascending or descending."""
    axes = np.asarray(dose.geometry.direction).reshape(3, 3).T
    depth = len(dose.array)
    heights = np.asarray(heights_mm if heights_mm is not None else dose.geometry.spacing_mm[2] * np.arange(depth))
    array, origin = dose.array.astype(np.float64), np.asarray(dose.geometry.origin_mm)
    if downwards:
        origin = origin + heights[-1] * axes[2]
        array, heights = array[::-1], -(heights[-1] - heights[::-1])
    offsets = heights * (np.sign(axes[2][2]) if absolute else 1.0) + (origin[2] if absolute else 0.0)
    scaling = decimal(max(float(array.max()), 1e-6) / (2**bits - 1) * (1 + 1e-9))
    one = study.dataset(DOSE, "RTDOSE", generate_uid())
    one.Rows, one.Columns, one.NumberOfFrames = array.shape[1], array.shape[2], depth
    one.FrameIncrementPointer = 0x3004000C
    one.GridFrameOffsetVector = [decimal(value) for value in offsets]
    one.PixelSpacing = [decimal(dose.geometry.spacing_mm[1]), decimal(dose.geometry.spacing_mm[0])]
    one.ImagePositionPatient = [decimal(value) for value in origin]
    one.ImageOrientationPatient = [decimal(value) for value in (*axes[0], *axes[1])]
    one.SamplesPerPixel, one.PhotometricInterpretation, one.PixelRepresentation = 1, "MONOCHROME2", 0
    one.BitsAllocated = one.BitsStored = bits
    one.HighBit = bits - 1
    one.DoseUnits, one.DoseType, one.DoseSummationType = "GY", "PHYSICAL", "PLAN"
    one.DoseGridScaling = scaling
    one.ReferencedRTPlanSequence = [reference(PLAN, plan_uid or study.plan_uid)]
    one.PixelData = np.rint(array / float(scaling)).astype(f"<u{bits // 8}").tobytes()
    for keyword, value in changes.items():
        setattr(one, keyword, value)
    return save(one, path)


def mask_contours(mask: Volume) -> list[np.ndarray]:
    """Contours (LPS) around a mask's voxels, slice by slice."""
    contours = []
    for index, plane in enumerate(mask.array):
        for line in isolines(plane.astype(float), 0.5):
            at = np.column_stack([np.full(len(line), float(index)), line[:, ::-1]])
            contours.append(mask.geometry.lps_of_index(at))
    return contours


def circle(
    geometry: Geometry, slice_index: float, centre_xy: tuple[float, float], radius_mm: float, corners: int = 120
) -> np.ndarray:
    """A circle in the plane of a slice: the centre in mm along the grid's own axes from its first voxel."""
    angle = np.linspace(0.0, 2.0 * np.pi, corners, endpoint=False)
    x = (centre_xy[0] + radius_mm * np.cos(angle)) / geometry.spacing_mm[0]
    y = (centre_xy[1] + radius_mm * np.sin(angle)) / geometry.spacing_mm[1]
    return geometry.lps_of_index(np.column_stack([np.full(corners, float(slice_index)), y, x]))
