"""Image files in folders whose letters the image library cannot open: a Latin-1 name, or "Müller" on Windows."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from dicom_phantom import Study
from phantom import ball_dose, ball_patient
from test_dicom_case import write_study

from DosePredictionLib.errors import InputError
from DosePredictionLib.patient import image_library
from DosePredictionLib.patient.dicom_ct import _by_image_library, read_slice
from DosePredictionLib.patient.image_file import read_scalar_volume
from DosePredictionLib.patient.reading import read_patient
from DosePredictionLib.patient.writer_folder import write_patient_folder


@pytest.fixture(params=["Windows", "Latin-1"])
def folder(request, tmp_path, monkeypatch) -> Path:
    """A folder that the image library can't open, and a temporary one ("spare") that it can."""
    tell_apart = {"Windows": str.isascii, "Latin-1": lambda path: "\udcfc" not in path}[request.param]

    def checked(library_call):
        def call(*arguments, **options):
            # As on Windows; on Linux the whole process would end here.
            assert all(tell_apart(path) for path in arguments if isinstance(path, str))
            return library_call(*arguments, **options)

        return call

    monkeypatch.setattr(image_library, "_WINDOWS", request.param == "Windows")
    monkeypatch.setattr(sitk, "ReadImage", checked(sitk.ReadImage))
    monkeypatch.setattr(sitk, "WriteImage", checked(sitk.WriteImage))
    (tmp_path / "spare").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "spare"))
    made = tmp_path / ("Müller" if request.param == "Windows" else os.fsdecode(b"F\xfcr"))
    made.mkdir()
    yield made
    assert list((tmp_path / "spare").iterdir()) == [], "nothing of the patient stays in the temporary folder"


def test_a_patient_is_written_and_read(folder):
    patient = replace(ball_patient(), reference_dose=ball_dose())
    write_patient_folder(patient, folder / "case")
    again = read_patient(folder / "case")
    assert np.array_equal(again.ct.array, patient.ct.array) and again.geometry.is_close(patient.geometry)
    assert np.allclose(again.reference_dose.array, patient.reference_dose.array)
    assert {s.name: s.mask.array.sum() for s in again.structures} == {
        s.name: s.mask.array.sum() for s in patient.structures
    }
    assert not [path.name for path in (folder / "case").iterdir() if path.name.startswith(".")]


def test_a_compressed_slice_is_read(folder):
    write_study(folder / "case", Study())
    slice_ = next((folder / "case" / "CT").iterdir())
    assert np.array_equal(_by_image_library(slice_), read_slice(slice_)[0])


def test_a_damaged_file_is_named_by_its_own_path(folder):
    (folder / "ct.nrrd").write_text("NRRD? No.")
    with pytest.raises(InputError, match="(Müller|F.r).ct.nrrd cannot be read"):
        read_scalar_volume(folder / "ct.nrrd")


def test_a_file_that_cannot_be_written_is_named_and_nothing_is_left(folder, monkeypatch):
    def full(image, path, **options):
        Path(path).write_bytes(b"part")
        raise RuntimeError("the disk is full")

    monkeypatch.setattr(sitk, "WriteImage", full)
    with pytest.raises(InputError, match="ct.nrrd: the disk is full"):
        ball_patient().ct.write(folder / "ct.nrrd")
    assert list(folder.iterdir()) == []


@pytest.fixture
def users_own(folder, tmp_path, monkeypatch):
    """Users' temporary folders lie below their names on Windows; none of them can be opened."""
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    monkeypatch.delenv("PUBLIC", raising=False)
    monkeypatch.setenv("PROGRAMDATA", str(tmp_path / "spare"))
    return folder


def test_the_temporary_folder_is_one_that_can_be_opened(users_own, tmp_path, monkeypatch):
    """Those of all users stand in where Python protects what it makes there, or the cause is told."""
    ct = ball_patient().ct
    monkeypatch.setattr(image_library, "_MKDTEMP_PROTECTS", True)
    monkeypatch.setenv("PUBLIC", "/proc")  # where nobody can make a folder, whatever its rights say
    ct.write(users_own / "ct.nrrd")
    assert np.array_equal(read_scalar_volume(users_own / "ct.nrrd").array, ct.array)
    monkeypatch.setattr(image_library, "_MKDTEMP_PROTECTS", False)
    for work in (lambda: read_scalar_volume(users_own / "ct.nrrd"), lambda: ct.write(users_own / "new.nrrd")):
        with pytest.raises(InputError, match="letters that the image library cannot open.*ASCII"):
            work()
    assert [path.name for path in users_own.iterdir()] == ["ct.nrrd"]


def test_short_names_keep_a_patient_among_the_users_own_folders(users_own, tmp_path, monkeypatch):
    (tmp_path / "MLLER~1").symlink_to(users_own)
    short = {str(users_own): str(tmp_path / "MLLER~1")}
    monkeypatch.setattr(image_library, "_short_path", lambda folder: short.get(folder, folder))
    monkeypatch.setattr(image_library, "_MKDTEMP_PROTECTS", False)
    ct = ball_patient().ct
    ct.write(users_own / "ct.nrrd")
    monkeypatch.setattr(tempfile, "tempdir", "/proc")
    assert np.array_equal(read_scalar_volume(users_own / "ct.nrrd").array, ct.array), "beside the file itself"
    assert [path.name for path in users_own.iterdir()] == ["ct.nrrd"]


def test_what_a_killed_process_left_of_a_patient_goes_the_next_day(folder, tmp_path):
    old, new = (tmp_path / "spare" / f".dose-image-{name}" for name in ("old", "new"))
    for left in (old, new):
        left.mkdir()
        (left / "ct.nrrd").write_text("a patient's")
    os.utime(old, (time.time() - 90_000.0,) * 2)
    ball_patient().ct.write(folder / "ct.nrrd")
    assert not old.exists() and new.exists(), "the other may be in use"
    shutil.rmtree(new)


def test_umlauts_need_no_copy_elsewhere(tmp_path, monkeypatch):
    monkeypatch.setattr(image_library, "_folder_it_can_open", None)
    ball_patient().ct.write(tmp_path / "Müller" / "ct.nrrd")
    assert read_scalar_volume(tmp_path / "Müller" / "ct.nrrd").array.any()
