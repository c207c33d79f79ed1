"""Reading patients, whatever the format: it is told apart by content."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from DosePredictionLib.errors import InputError
from DosePredictionLib.patient.patient import Patient
from DosePredictionLib.patient.reader_folder import is_patient_folder, read_patient_folder
from DosePredictionLib.patient.reader_openkbp_csv import is_openkbp_csv, read_openkbp_csv
from DosePredictionLib.patient.reader_openkbp_packed import is_openkbp_packed, read_openkbp_packed


@dataclass(frozen=True)
class PatientFormat:
    """A format: how to tell that a path holds a patient in it (cheaply), and how to read one."""

    name: str
    detect: Callable[[Path], bool]
    read: Callable[[Path], Patient]


#: In the order in which they are tried. A new format (DICOM RT, ...) is a file of its own with these two functions.
FORMATS = (
    PatientFormat("OpenKBP, packed", is_openkbp_packed, read_openkbp_packed),
    PatientFormat("OpenKBP, CSV folder", is_openkbp_csv, read_openkbp_csv),
    PatientFormat("folder of NRRD or NIfTI files", is_patient_folder, read_patient_folder),
)
_EXPECTED = (
    "a folder with ct.nrrd (or ct.nii.gz) and a .seg.nrrd file or a mask file for each structure, an OpenKBP folder of "
    "CSV files, or a packed OpenKBP .npz file"
)


def read_patient(path: str | Path) -> Patient:
    """Read a patient from a folder or a file.

    Formats: a folder of NRRD or NIfTI files (see `reader_folder`), the OpenKBP challenge's CSV folder, a packed OpenKBP
    file.

    Raises:
        InputError: nothing is there, the format isn't known, or the data are broken.
    """
    path = Path(path)
    return _format_of(path).read(path)


def find_cases(path: str | Path) -> list[Path]:
    """The path itself when it is a patient, or else all patients right inside the folder (pt_2 before pt_10).

    Raises:
        InputError: there is none.
    """
    path = Path(path)
    if path.exists() and any(known.detect(path) for known in FORMATS):
        return [path]
    if path.is_dir():
        entries = [entry for entry in path.iterdir() if not entry.name.startswith(".")]
        cases = [entry for entry in entries if any(known.detect(entry) for known in FORMATS)]
        if cases:
            return sorted(cases, key=lambda case: [int(p) if p.isdigit() else p for p in re.split(r"(\d+)", case.name)])
    _format_of(path, " itself or right inside it")
    raise AssertionError("a path without patients has no format")


def _format_of(path: Path, where: str = "") -> PatientFormat:
    if not path.exists():
        raise InputError(f"There is no {path}; check the path.")
    for known in FORMATS:
        if known.detect(path):
            return known
    raise InputError(f"{path} holds no patient that can be read{where}; expected is {_EXPECTED}.")
