"""DICOM in and out with the pydicom that Slicer 5.10 brings."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

OLDER = Path(sys.prefix) / "slicer-5.10"  # `make venv` puts it there
#: Written by the newer pydicom, as the phantoms need it, then read and written by the older one.
WRITE = """
import sys
from pathlib import Path
from dicom_phantom import Study
from test_dicom_case import write_study
write_study(Path(sys.argv[1]), Study())
"""
#: The same without preambles, padded with zeros; a plan with a VR that doesn't exist.
WRITE_ODD = """
import sys
from pathlib import Path
import pydicom
from dicom_phantom import Study
from test_dicom_case import write_study
folder = Path(sys.argv[1])
write_study(folder / "bare", Study())
for path in (folder / "bare").rglob("*.dcm"):
    whole, bare = pydicom.dcmread(path), pydicom.Dataset()
    bare.update({element.tag: element for element in whole})
    bare.save_as(path, implicit_vr=True, little_endian=True)
    path.write_bytes(path.read_bytes() + bytes(300))
write_study(folder / "damaged", Study())
plan = folder / "damaged" / "RP.dcm"
plan.write_bytes(plan.read_bytes().replace(b"\\x0a\\x30\\xc0\\x00IS", b"\\x0a\\x30\\xc0\\x00HS"))
"""
READ_ODD = """
import sys
from pathlib import Path
from DosePredictionLib.errors import InputError
from DosePredictionLib.patient.dicom_reference import DicomReference
from DosePredictionLib.patient.reading import read_patient
folder = Path(sys.argv[1])
patient = read_patient(folder / "bare")
DicomReference.of_case(folder / "bare")
print(len(patient.structures), len(patient.beams.beams), round(float(patient.reference_dose.array.max())))
try:
    read_patient(folder / "damaged")
except InputError as error:
    print("RP.dcm cannot be read as a plan" in str(error))
"""
READ_AND_WRITE = """
import json, sys
from pathlib import Path
import pydicom
from DosePredictionLib.patient.dicom_reference import DicomReference
from DosePredictionLib.patient.reading import read_patient
from DosePredictionLib.patient.writer_dicom_dose import write_rtdose
from DosePredictionLib.patient.writer_dicom_isodose import write_isodose_contours
case, out = Path(sys.argv[1]), Path(sys.argv[2])
patient, reference = read_patient(case), DicomReference.of_case(case)
write_rtdose(patient.reference_dose, reference, out / "dose.dcm", patient=patient)
write_isodose_contours(patient.reference_dose, (20.0, 40.0), reference, out / "isodoses.dcm")
names = [structure.name for structure in patient.structures]
print(json.dumps([pydicom.__version__, names, float(patient.reference_dose.array.max())]))
"""


def run_python(program: str, *arguments: Path, first: Path | None = None) -> str:
    here = Path(__file__).parent
    places = [*([first] if first else []), here.parents[1], here]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(str(place) for place in places)}
    asked = subprocess.run(
        [sys.executable, "-W", "error::UserWarning", "-c", program, *map(str, arguments)], env=environment,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert asked.returncode == 0, asked.stderr
    return asked.stdout


@pytest.mark.skipif(not OLDER.is_dir(), reason="the older pydicom is there after `make venv` only")
def test_the_older_pydicom_reads_a_case_and_writes_what_the_newer_reads(tmp_path):
    import pydicom

    from DosePredictionLib.patient.dicom_dose import read_dose
    from DosePredictionLib.patient.reading import read_patient

    run_python(WRITE, tmp_path / "case")
    version, names, highest_gy = json.loads(run_python(READ_AND_WRITE, tmp_path / "case", tmp_path, first=OLDER))
    patient = read_patient(tmp_path / "case")
    assert version.startswith("2.4")
    assert names == [structure.name for structure in patient.structures]
    assert highest_gy == pytest.approx(float(patient.reference_dose.array.max()))
    written = read_dose(tmp_path / "dose.dcm", None, [])
    assert written.array == pytest.approx(patient.reference_dose.array, abs=1e-6)
    assert written.geometry.is_close(patient.reference_dose.geometry, 1e-3)
    one = pydicom.dcmread(tmp_path / "isodoses.dcm")
    assert [region.ROIName for region in one.StructureSetROISequence] == ["Isodose 20 Gy", "Isodose 40 Gy"]
    assert str(one.PatientName) == "Müller^Anna"


@pytest.mark.skipif(not OLDER.is_dir(), reason="the older pydicom is there after `make venv` only")
def test_the_older_pydicom_reads_bare_and_padded_files_and_names_damaged_ones(tmp_path):
    run_python(WRITE_ODD, tmp_path)
    assert run_python(READ_ODD, tmp_path, first=OLDER).splitlines() == ["3 3 66", "True"]
