"""Which files reading a case looks at, so that what was made of it can tell when one of them changed."""

from __future__ import annotations

from pathlib import Path

from DosePredictionLib.errors import InputError
from DosePredictionLib.patient.dicom_case import choose_case
from DosePredictionLib.patient.dicom_files import is_dicom
from DosePredictionLib.patient.plan_file import PLAN_FILE
from DosePredictionLib.patient.reader_gdp_hmm import is_gdp_hmm, prescription_tables


def case_files(path: Path) -> list[Path]:
    """The files of a case, sorted.

    Args:
        path: what `read_patient` reads: a folder (all files in it and below), or a file with those that its reader
            looks for beside it: of a GDP-HMM patient the tables of prescriptions, of a DICOM file its CT, structure
            set, plan and doses, and prescription.json.
    """
    if path.is_dir():
        return sorted(file for file in path.rglob("*") if file.is_file())
    found = [path, path.parent / PLAN_FILE]
    if is_gdp_hmm(path):
        found = [path, *prescription_tables(path)]
    elif is_dicom(path):
        try:
            case = choose_case(path)
        except InputError:  # which is told when it is read
            return [path.resolve()]
        files = (*case.ct, case.structure_set, *([case.plan] if case.plan is not None else []), *case.doses)
        found += [file.path for file in files]
    return sorted({file.resolve() for file in found if file.is_file()})
