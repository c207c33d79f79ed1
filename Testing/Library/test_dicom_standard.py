"""What is written as DICOM against the standard's own tables (PS3.3), as highdicom carries them.

Each attribute lies in a module of the object's information object definition, those that a module requires are there,
and every value is one that its value representation and multiplicity allow (PS3.5, PS3.6).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pydicom
import pytest
from dicom_phantom import Study, circle, write_ct, write_structures
from highdicom._standard_utils import get_iod_module_map, get_module_attribute_map, get_sop_class_iod_map
from phantom import ball_patient
from pydicom import Dataset, config
from pydicom.datadict import dictionary_VM, dictionary_VR

from DosePredictionLib.patient.dicom_reference import DicomReference
from DosePredictionLib.patient.geometry import Geometry
from DosePredictionLib.patient.volume import Volume
from DosePredictionLib.patient.writer_dicom_dose import write_rtdose
from DosePredictionLib.patient.writer_dicom_isodose import write_isodose_contours

GRID = Geometry((6, 14, 16), (3.0, 2.5, 4.0), (-37.5, -28.75, -18.0))
#: The modules that RT Dose must have when its dose is a grid of several frames (PS3.3 A.18.3).
OF_A_GRID = {"general-image", "image-plane", "image-pixel", "multi-frame"}
Where = tuple[str, ...]


class Attribute(NamedTuple):
    """A line of a module's table: the sequences around an attribute, and its type "1", "1C", "2", "2C" or "3"."""

    inside: Where
    keyword: str
    kind: str


def attributes_of(sop_class_uid: str) -> tuple[list[Attribute], list[Attribute]]:
    """Every attribute of an object's modules, and those of the modules that it can't be without."""
    every, needed = [], []
    for module in get_iod_module_map()[get_sop_class_iod_map()[sop_class_uid]]:
        lines = [Attribute(tuple(line["path"]), line["keyword"], line["type"])
                 for line in get_module_attribute_map()[module["key"]]]  # fmt: skip
        every += lines
        if module["usage"] == "M" or module["key"] in OF_A_GRID:
            needed += lines
    return every, needed


def deviations(one: Dataset) -> list[str]:
    """Where an object differs from the standard's tables."""
    every, needed = attributes_of(one.SOPClassUID)
    known = {(line.inside, line.keyword) for line in every}
    filled = {(line.inside, line.keyword) for line in every if line.kind in ("1", "1C")}
    items = list(items_of(one))
    found = []
    for inside, item in items:
        at = "/".join(inside)
        for element in item:
            if (inside, element.keyword) not in known:
                found.append(f"{at}/{element.keyword} is in none of its modules")
            elif element.is_empty and (inside, element.keyword) in filled:
                found.append(f"{at}/{element.keyword} is empty")
            found += [f"{at}/{element.keyword} {wrong}" for wrong in misfits(element)]
        found += [f"{at}/{line.keyword} is missing" for line in needed
                  if line.inside == inside and line.kind in ("1", "2") and line.keyword not in item]  # fmt: skip
    return found


def items_of(one: Dataset, inside: Where = ()) -> Iterator[tuple[Where, Dataset]]:
    """The object and all items of its sequences, with the keywords of the sequences around them."""
    yield inside, one
    for element in one:
        if element.VR == "SQ":
            for item in element.value:
                yield from items_of(item, (*inside, element.keyword))


def misfits(element: pydicom.DataElement) -> list[str]:
    """What is wrong with an element's value representation or the number of its values (PS3.6)."""
    wrong = []
    if element.VR not in dictionary_VR(element.tag).split(" or "):
        wrong.append(f"is {element.VR}")
    least, _, most = dictionary_VM(element.tag).partition("-")
    step = int(most.rstrip("n") or 1) if most.endswith("n") else 1
    many = element.VM
    if element.VR != "SQ" and many and (many < int(least) or many % step or (not most and many != int(least))
                                        or (most.isdigit() and many > int(most))):  # fmt: skip
        wrong.append(f"has {many} values")
    return wrong


@pytest.fixture
def strict(monkeypatch) -> None:
    """Values that a value representation doesn't allow are errors when they are read."""
    monkeypatch.setattr(config.settings, "reading_validation_mode", config.RAISE)


@pytest.fixture
def study() -> Study:
    return Study()


def reference_of(folder: Path, study: Study, *, structures: bool, **changes: str) -> DicomReference:
    files = write_ct(folder / "ct", Volume(np.zeros(GRID.shape, np.int16), GRID), study, **changes)
    contours = {"PTV70": [circle(GRID, index, (22.0, 16.0), 9.0) for index in range(1, 5)]}
    return DicomReference.of_ct_files(
        files, write_structures(folder / "rs.dcm", contours, study) if structures else None
    )


def bell() -> Volume:
    z, y, x = np.indices(GRID.shape) - (np.array(GRID.shape).reshape(3, 1, 1, 1) - 1.0) / 2.0
    return Volume((70.3 * np.exp(-(z**2 + y**2 + x**2) / 20.0)).astype(np.float32), GRID)


def written(folder: Path, reference: DicomReference) -> list[Dataset]:
    write_rtdose(bell(), reference, folder / "dose.dcm", patient=ball_patient())
    write_isodose_contours(bell(), [60.0, 30.0, 100.0 / 7.0], reference, folder / "isodoses.dcm")
    return [pydicom.dcmread(folder / name) for name in ("dose.dcm", "isodoses.dcm")]


@pytest.mark.usefixtures("strict")
@pytest.mark.parametrize("structures", [True, False], ids=["structure set", "no structure set"])
def test_dose_and_isodoses_are_as_the_standard_has_them(tmp_path, study, structures):
    dose, isodoses = written(tmp_path, reference_of(tmp_path, study, structures=structures))
    assert deviations(dose) == []
    assert deviations(isodoses) == []
    assert dose.BitsAllocated == 32
    (overview,) = dose.PlanOverviewSequence
    assert overview.NumberOfFractionsIncluded == 35
    assert [(item.EntityLongLabel, item.TotalPrescriptionDose) for item in overview.PrescriptionOverviewSequence] == [
        ("PTV70", 70.0), ("PTV56", 56.0)
    ]  # fmt: skip


@pytest.mark.usefixtures("strict")
def test_they_are_so_for_a_patient_of_whom_little_is_known(tmp_path, study):
    nothing = dict.fromkeys(("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime",
                             "ReferringPhysicianName", "StudyID", "AccessionNumber", "StudyDescription",
                             "DeidentificationMethod", "PatientIdentityRemoved"), "")  # fmt: skip
    for one in written(tmp_path, reference_of(tmp_path, study, structures=True, **nothing)):
        assert deviations(one) == []
        assert one.PatientID == ""


def test_values_that_break_a_rule_are_kept_and_not_quoted(tmp_path, study, recwarn):
    with config.disable_value_validation():
        reference_of(tmp_path, study, structures=True, PatientBirthDate="2.1.1970", StudyID="S" * 20)
    recwarn.clear()
    objects = written(tmp_path, DicomReference.of_ct_files(sorted((tmp_path / "ct").iterdir())))
    assert not recwarn.list
    with config.disable_value_validation():
        for one in objects:
            assert (one.PatientBirthDate, one.StudyID) == ("2.1.1970", "S" * 20)


def test_the_check_finds_what_is_wrong(tmp_path, study):
    dose, isodoses = written(tmp_path, reference_of(tmp_path, study, structures=True))
    del dose.DoseUnits
    dose.RTPlanLabel = "plan"  # of RT General Plan
    dose.DoseGridScaling = None
    dose.PixelSpacing = ["2.5", "2.5", "3"]
    del dose.PlanOverviewSequence[0].PlanOverviewIndex
    del isodoses.ROIContourSequence[1].ContourSequence[0].ContourGeometricType
    isodoses.ROIContourSequence[0].ContourSequence[0].ContourData.append("1.0")
    assert sorted(deviations(dose)) == [
        "/DoseGridScaling is empty", "/DoseUnits is missing", "/PixelSpacing has 3 values",
        "/RTPlanLabel is in none of its modules", "PlanOverviewSequence/PlanOverviewIndex is missing",
    ]  # fmt: skip
    found = deviations(isodoses)
    assert "ROIContourSequence/ContourSequence/ContourGeometricType is missing" in found
    assert len(found) == 2 and "ContourData has" in " ".join(found)
