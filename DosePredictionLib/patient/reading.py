"""Reading patients, whatever the format: it is told apart by content."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from DosePredictionLib.errors import InputError
from DosePredictionLib.patient.checks import check_units
from DosePredictionLib.patient.dicom_files import check_all_open
from DosePredictionLib.patient.patient import Patient
from DosePredictionLib.patient.readable import check_opens, is_of_the_system
from DosePredictionLib.patient.reader_dicom import find_dicom_cases, holds_dicom_case, is_dicom, read_dicom
from DosePredictionLib.patient.reader_folder import (
    holds_ct_image,
    is_patient_folder,
    read_patient_folder,
    structure_images,
)
from DosePredictionLib.patient.reader_gdp_hmm import is_gdp_hmm, read_gdp_hmm
from DosePredictionLib.patient.reader_openkbp_csv import is_openkbp_csv, read_openkbp_csv
from DosePredictionLib.patient.reader_openkbp_packed import is_openkbp_packed, read_openkbp_packed


@dataclass(frozen=True)
class PatientFormat:
    """A format: how to tell that a path holds a patient in it (cheaply), and how to read one."""

    name: str
    detect: Callable[[Path], bool]
    read: Callable[[Path], Patient]


def _is_image_case(path: Path) -> bool:
    """Whether a folder is a patient of image files; without a CT among them, not when it holds a DICOM case.

    A segmentation or a sampled CT that was saved beside the DICOM files must not cost the patient CT, plan and dose. A
    lone RTDOSE or RTPLAN beside image files is no patient.
    """
    return is_patient_folder(path) and (holds_ct_image(path, sampled=False) or not holds_dicom_case(path))


#: In the order in which they are tried. A new format is a file of its own with these two functions.
_FLAT_FORMATS = (
    PatientFormat("GDP-HMM", is_gdp_hmm, read_gdp_hmm),
    PatientFormat("OpenKBP, packed", is_openkbp_packed, read_openkbp_packed),
    PatientFormat("OpenKBP, CSV folder", is_openkbp_csv, read_openkbp_csv),
    PatientFormat("folder of NRRD or NIfTI files", _is_image_case, read_patient_folder),
)
#: DICOM comes last: it is looked for in all folders below, whatever else there is.
FORMATS = (*_FLAT_FORMATS, PatientFormat("DICOM RT", is_dicom, read_dicom))
_EXPECTED = (
    "a folder with ct.nrrd (or ct.nii.gz) and a .seg.nrrd file or a mask file for each structure, a folder of DICOM "
    "files (CT, RTSTRUCT, RTPLAN, RTDOSE), an OpenKBP folder of CSV files, or a packed OpenKBP or GDP-HMM .npz file"
)


def read_patient(path: str | Path) -> Patient:
    """Read a patient from a folder or a file.

    Formats: a folder of NRRD or NIfTI files (see `reader_folder`), DICOM RT (see `reader_dicom`), the OpenKBP
    challenge's CSV folder, a packed OpenKBP file, a file of the GDP-HMM challenge (see `reader_gdp_hmm`).

    Raises:
        InputError: nothing is there, the format isn't known, the data are broken, or the reference dose or a
            prescription is not in Gy.
    """
    path = Path(path)
    known = _format_of(path)
    patient = known.read(path)
    if known.read is read_dicom and path.is_dir():
        patient = replace(patient, warnings=(*patient.warnings, *_passed_over(path)))
    check_units(patient)
    return patient


def find_cases(path: str | Path) -> list[Path]:
    """The path itself when it is a patient, or else all patients right inside the folder (pt_2 before pt_10).

    DICOM is searched for in all folders below; a case there is a folder or, where one folder holds several, a file.
    A folder beside the patients that the user may not read counts as one.

    Raises:
        InputError: there is none.
    """
    path = Path(path)
    try:
        return _found(path)
    except PermissionError as error:
        raise InputError(f"{error.filename or path} may not be read; ask for the right to read it.") from error


def _found(path: Path) -> list[Path]:
    if path.exists() and _is_flat(path):
        return [path]
    if path.is_dir():
        entries = [entry for entry in path.iterdir() if not entry.name.startswith(".")]
        cases = [entry for entry in entries if _may_be_read(entry) and _is_flat(entry)]
        # Beside patients in other formats each folder is searched by itself: theirs may hold the DICOM they came from.
        places = [entry for entry in entries if entry not in cases and _may_be_read(entry) and entry.is_dir()]
        places = places if cases else [path]
        cases.extend(case for place in places if is_dicom(place) for case in find_dicom_cases(place))
        if cases == [path]:
            return cases
        if cases:
            # Reading one says why that can't be, and costs the others nothing.
            cases.extend(entry for entry in entries if _is_kept_from_the_user(entry))
            return sorted(cases, key=_natural)
    elif path.exists() and is_dicom(path):
        return [path]
    _format_of(path, " itself or right inside it")
    raise AssertionError("a path without patients has no format")


def is_read_as_dicom(path: str | Path) -> bool:
    """Whether `read_patient` reads the patient from DICOM, so that DICOM objects can be written for it.

    Raises:
        InputError: there is no patient.
    """
    return _format_of(Path(path)).read is read_dicom


def _is_kept_from_the_user(entry: Path) -> bool:
    """Whether a folder may hold a patient, but not for this user's eyes."""
    return not _may_be_read(entry) and not is_of_the_system(entry.name)


def _may_be_read(entry: Path) -> bool:
    """Whether the user may look into an entry of a folder: lost+found or System Volume Information are not theirs."""
    try:
        if entry.is_dir():
            with os.scandir(entry) as inside:
                next(inside, None)
        return True
    except PermissionError:
        return False


def _passed_over(path: Path) -> list[str]:
    """What to tell of image files beside DICOM files, which aren't read."""
    names = [image.name for image in structure_images(path)]
    if not names:
        return []
    several = f"{', '.join(names[:5])}{f' and {len(names) - 5} others' if len(names) > 5 else ''}"
    return [
        f"The patient was read from the DICOM files; passed over beside them: {several}. To read image files instead, "
        "put them with ct.nrrd into a folder of their own."
    ]


def _is_flat(path: Path) -> bool:
    return any(known.detect(path) for known in _FLAT_FORMATS)


def _natural(case: Path) -> list[int | str]:
    return [int(part) if part.isdecimal() else part for part in re.split(r"(\d+)", case.name)]


def _format_of(path: Path, where: str = "") -> PatientFormat:
    if not path.exists():
        raise InputError(f"There is no {path}; check the path.")
    if path.is_dir():
        check_opens(path)
    for known in FORMATS:
        if known.detect(path):
            return known
    check_all_open(path)  # or else this would be why nothing was found
    raise InputError(f"{path} holds no patient that can be read{where}; expected is {_EXPECTED}.")
