"""Files and folders that the user may not read are told, never taken for absent."""

from __future__ import annotations

import builtins
import os
from dataclasses import replace
from pathlib import Path

import pytest
from dicom_phantom import Study
from phantom import ball_dose, ball_patient
from test_dicom_case import write_study
from tiny import tiny_weights

from DosePredictionLib.cli.main import main
from DosePredictionLib.dosimetry.dose_file import read_dose_file
from DosePredictionLib.errors import InputError
from DosePredictionLib.patient.reading import find_cases, read_patient
from DosePredictionLib.patient.writer_folder import write_patient_folder


@pytest.fixture
def forbid(monkeypatch):
    """Forbids to open a file, or to list a folder; None allows everything again."""
    forbidden: list[Path | None] = [None]
    opened, scanned = builtins.open, os.scandir

    def check(path) -> None:
        if isinstance(path, (str, os.PathLike)) and Path(path) == forbidden[0]:
            raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(builtins, "open", lambda path, *rest, **more: (check(path), opened(path, *rest, **more))[1])
    monkeypatch.setattr(os, "scandir", lambda path=".": (check(path), scanned(path))[1])
    return lambda path: forbidden.__setitem__(0, path)


@pytest.fixture
def case(tmp_path) -> Path:
    write_study(tmp_path / "case", Study())
    return tmp_path / "case"


def refused(path: Path) -> str:
    with pytest.raises(InputError) as error:
        for found in find_cases(path):
            read_patient(found)
    return str(error.value)


@pytest.mark.parametrize("given", ["", "RS.dcm"])
@pytest.mark.parametrize("name", ["RS.dcm", "RP.dcm", "RD.dcm", "CT"])
def test_a_dicom_file_is_not_taken_for_absent(case, forbid, name, given):
    path = case / name if name != "CT" else sorted((case / "CT").iterdir())[2]
    forbid(path)
    why = "cannot be read (Permission denied); ask for the right to read it, or take it away."
    assert refused(case / given) == f"{path} {why}"
    forbid(None)  # which changes neither the file's size nor its date
    patient = read_patient(case / given)
    assert patient.beams is not None and patient.reference_dose is not None


@pytest.mark.parametrize("given", ["", "RS.dcm"])
def test_a_folder_of_dicom_files_is_not_taken_for_empty(case, forbid, given):
    forbid(case / "CT")
    assert f"{case / 'CT'} cannot be read (Permission denied)" in refused(case / given)


def test_what_lies_beside_a_case_stops_nothing(case, forbid):
    (case / "lost+found").mkdir()
    (case / "notes.txt").write_text("x" * 200)
    (case.parent / "other").mkdir()
    (case.parent / "other" / "RS.dcm").write_bytes((case / "RS.dcm").read_bytes())
    for path in (case / "lost+found", case / "notes.txt", case.parent / "other" / "RS.dcm"):
        forbid(path)
        assert read_patient(case).beams is not None
        assert read_patient(case / "RS.dcm").beams is not None


def test_an_image_and_a_dose_say_why_they_are_not_read(tmp_path, forbid):
    patient = ball_patient()
    patient.ct.write(tmp_path / "dose.nrrd")
    forbid(tmp_path / "dose.nrrd")
    with pytest.raises(InputError, match=r"dose\.nrrd cannot be read \(Permission denied\); ask for the right"):
        read_dose_file(tmp_path / "dose.nrrd", patient.geometry)


def test_a_structure_set_that_is_named_needs_no_right_to_read_its_neighbours(case, forbid):
    (case / "private").mkdir()
    (case / "private" / "RS.dcm").write_bytes((case / "RS.dcm").read_bytes())
    forbid(case / "private")
    patient = read_patient(case / "RS.dcm")
    assert patient.beams is not None and patient.reference_dose is not None
    assert f"{case / 'private'} cannot be read" in refused(case), "of a folder, anything in it may be the case's"


@pytest.mark.usefixtures("worker_thread")
@pytest.mark.parametrize("command", ["predict", "evaluate", "scorecard"])
def test_a_case_that_may_not_be_read_is_told_and_costs_the_others_nothing(command, tmp_path, forbid, capsys):
    data, doses, out = tmp_path / "data", tmp_path / "doses", tmp_path / "out"
    for name in ("a", "b"):
        write_patient_folder(replace(ball_patient(), reference_dose=ball_dose()), data / name)
        ball_dose(2.0).write(doses / name / "dose.nrrd")
    forbid(data / "b")
    weights = str(tiny_weights(tmp_path / "tiny.safetensors"))
    arguments = {
        "predict": ["-o", str(out), "--weights", weights, "--device", "cpu", "--samples", "1"],
        "evaluate": ["-o", str(out), "--predictions", str(doses)],
        "scorecard": ["-o", str(out / "scores.csv"), "--predictions", str(doses)],
    }[command]
    assert main([command, str(data), *arguments]) == 2
    told = capsys.readouterr().err
    assert f"b: {data / 'b'} cannot be read (Permission denied); ask for the right to read it" in told
    assert "1 of 2 cases could not be" in told
    assert (out / {"predict": "a/dose.nrrd"}.get(command, "scores.csv")).is_file()


def test_a_folder_of_the_system_is_no_case(tmp_path, forbid):
    write_patient_folder(ball_patient(), tmp_path / "a")
    for name in ("lost+found", "System Volume Information"):
        (tmp_path / name).mkdir()
        forbid(tmp_path / name)
        assert find_cases(tmp_path) == [tmp_path / "a"]


def test_of_dicom_a_folder_that_may_not_be_read_is_a_case_beside_others(tmp_path, forbid):
    for name in ("p1", "p2", "p3"):
        write_study(tmp_path / name, Study())
    forbid(tmp_path / "p2")
    assert [found.name for found in find_cases(tmp_path)] == ["p1", "p2", "p3"]
    assert f"{tmp_path / 'p2'} cannot be read" in refused(tmp_path)
