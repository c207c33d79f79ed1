"""Doses from files, checked before anything is measured."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from DosePredictionLib.errors import InputError
from DosePredictionLib.patient.checks import HIGHEST_DOSE_GY, goes_below_zero
from DosePredictionLib.patient.dicom_dose import read_dose
from DosePredictionLib.patient.dicom_files import DicomFile, read_dicom_file
from DosePredictionLib.patient.geometry import Geometry
from DosePredictionLib.patient.image_file import image_stem, read_scalar_volume
from DosePredictionLib.patient.made_by_model import check_is_whole
from DosePredictionLib.patient.volume import Volume

#: Kinds of RTDOSE (DoseSummationType) that are a part of what a plan gives.
_PARTS_OF_A_PLAN = ("BEAM", "BEAM_SESSION", "BRACHY_SESSION", "CONTROL_POINT", "FRACTION_SESSION")


def read_dose_file(
    path: str | Path, patient_geometry: Geometry, frame_of_reference_uid: str | None = None,
    warnings: list[str] | None = None,
) -> Volume:  # fmt: skip
    """Read a dose in Gy from NRRD, NIfTI, MetaImage or an RTDOSE file.

    Args:
        path: the file.
        patient_geometry: of the patient whose dose it should be.
        frame_of_reference_uid: of that patient's CT; an RTDOSE file in another one is refused. None when unknown.
        warnings: what is odd about the dose is appended, one sentence each; None where nobody asks.

    Raises:
        InputError: the file is missing or broken, its prediction incomplete; it holds values that are not numbers,
            look like cGy or are negative, lies beside the patient or in another frame of reference, or is no dose of
            a whole plan.
    """
    path = Path(path)
    if image_stem(path) == "dose" and not path.exists():
        check_is_whole(path.parent)
    told: list[str] = []
    header = read_dicom_file(path)
    if header is not None:
        _check_rtdose(header, frame_of_reference_uid)
        told += _remarks(header)
        # A relative dose has nothing here that it could be scaled with, and is refused.
        volume = read_dose(path, None, told, called=f"The dose {path.name}")
    else:
        volume = read_scalar_volume(path)
    array = volume.array.astype(np.float32)
    check_is_in_gy(array, path)
    if not volume.geometry.meets(patient_geometry):
        raise InputError(f"The dose {path} lies wholly outside the patient; check that it belongs to this patient.")
    dose = Volume(array, volume.geometry)
    if is_zero(dose):
        told.append(f"The dose {path.name} is 0 everywhere; check that it was exported whole.")
    if warnings is not None:
        warnings += told
    return dose


def check_is_in_gy(array: np.ndarray, path: Path) -> None:
    """Check that a dose can be one in Gy.

    Args:
        array: the dose.
        path: where it was read, for the message.

    Raises:
        InputError: there are values that are not numbers, that look like cGy, or that are further below 0 than
            any interpolation leaves them.
    """
    if not np.isfinite(array).all():
        raise InputError(f"{path} holds {int(np.count_nonzero(~np.isfinite(array)))} voxels that are not numbers; "
                         "export the dose again.")  # fmt: skip
    highest = float(array.max())
    if highest > HIGHEST_DOSE_GY:
        raise InputError(f"{path} reaches {highest:g}, which looks like cGy; save the dose in Gy.")
    negative = goes_below_zero(array)
    if negative:
        raise InputError(f"{path} {negative}")


def is_zero(dose: Volume) -> bool:
    """Whether a dose is nowhere above 0."""
    return not float(dose.array.max(initial=0.0)) > 0.0


def _remarks(file: DicomFile) -> list[str]:
    """What an RTDOSE says of itself that a reader of its figures should know."""
    found = []
    if file.text("DoseType") == "EFFECTIVE":
        found.append(f"The dose {file.path.name} is an effective one, corrected for its biological effect (DoseType "
                     "EFFECTIVE); its figures are not those of a physical dose.")  # fmt: skip
    if file.text("DoseSummationType") == "MULTI_PLAN":
        found.append(f"The dose {file.path.name} is the sum of several plans (MULTI_PLAN).")
    return found


def _check_rtdose(file: DicomFile, frame_of_reference_uid: str | None) -> None:
    path, kind = file.path, file.text("DoseSummationType")
    if file.modality != "RTDOSE":
        raise InputError(f"{path} is of the kind {file.modality}, not a dose; give an RTDOSE file.")
    if file.text("DoseType") == "ERROR":
        raise InputError(f"{path} holds the difference of two doses (DoseType ERROR); give the dose itself.")
    if kind in _PARTS_OF_A_PLAN:
        raise InputError(f"{path} is a part of a plan's dose (of kind {kind}); export the dose of the whole plan.")
    frame = file.text("FrameOfReferenceUID")
    if frame and frame_of_reference_uid and frame != frame_of_reference_uid:
        raise InputError(
            f"The dose {path} lies in another frame of reference than the case's CT; check that it belongs to this "
            "patient and this CT."
        )
