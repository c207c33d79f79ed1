"""A file that appears whole or not at all, also where another program has it open (as Excel does on Windows)."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from phantom import ball_patient

from DosePredictionLib import whole_file as module
from DosePredictionLib.errors import InputError
from DosePredictionLib.patient.reading import read_patient
from DosePredictionLib.patient.writer_folder import write_patient_folder
from DosePredictionLib.whole_file import check_replaceable, move_onto, remove_file, whole_file
from DosePredictionLib.worker.exchange import read_patient_exchange, write_patient


@pytest.fixture
def held(tmp_path, monkeypatch) -> dict[Path, int]:
    """Files that Windows refuses to replace, rename and remove, and how often yet; anyone may write to them."""
    times: dict[Path, int] = {}
    changes = {"replace": os.replace, "rename": os.rename, "unlink": os.unlink}

    def refusing(change):
        def refused(*paths, **options):
            path = Path(paths[-1])
            if times.get(path, 0) > 0:
                times[path] -= 1
                raise PermissionError(13, "Access is denied", str(path))
            if change == "replace" and path.is_dir():
                raise PermissionError(13, "Access is denied", str(path))
            return changes[change](*paths, **options)

        return refused

    for change in changes:
        monkeypatch.setattr(os, change, refusing(change))
    monkeypatch.setattr(module, "_WINDOWS", True)
    return times


def write(path: Path, text: str) -> None:
    with whole_file(path) as temporary:
        temporary.write_text(text)


def test_a_file_held_for_a_moment_is_replaced(held, tmp_path):
    table = tmp_path / "goals.csv"
    table.write_text("earlier")
    held[table] = 3
    write(table, "new")
    assert table.read_text() == "new" and os.listdir(tmp_path) == ["goals.csv"]


def test_a_file_that_is_open_elsewhere_stays_and_the_user_is_asked_to_close_it(held, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_HELD_FOR_S", 0.1)
    table = tmp_path / "goals.csv"
    table.write_text("earlier")
    held[table] = 1000
    with pytest.raises(InputError, match="goals.csv: Access is denied; is it open in another program"):
        write(table, "new")
    assert table.read_text() == "earlier" and os.listdir(tmp_path) == ["goals.csv"]


def test_elsewhere_an_open_file_is_never_the_reason(held, tmp_path, monkeypatch):
    """There another one's file in a folder that all may write to can't be replaced."""
    monkeypatch.setattr(module, "_WINDOWS", False)
    table = tmp_path / "goals.csv"
    table.write_text("another user's")
    held[table] = 1
    with pytest.raises(InputError, match="goals.csv: Access is denied; choose a folder that you may write to"):
        write(table, "new")
    assert table.read_text() == "another user's"


def test_a_file_that_may_be_written_but_not_replaced_is_told_before_the_work(held, tmp_path, monkeypatch):
    table = tmp_path / "dvh.csv"
    table.write_text("earlier")
    held[table] = 3  # for a moment
    check_replaceable(table)
    monkeypatch.setattr(module, "_HELD_FOR_S", 0.1)
    held[table] = 1000
    with pytest.raises(InputError, match="dvh.csv: Access is denied; is it open in another program"):
        check_replaceable(table)
    assert table.read_text() == "earlier"


def test_a_file_held_for_a_moment_is_removed(held, tmp_path, monkeypatch):
    table = tmp_path / "dvh.csv"
    table.write_text("earlier")
    held[table] = 3
    remove_file(table)
    remove_file(table)
    assert not table.exists()
    monkeypatch.setattr(module, "_HELD_FOR_S", 0.1)
    table.write_text("earlier")
    held[table] = 1000
    with pytest.raises(InputError, match="Cannot remove .*dvh.csv: Access is denied; is it open in another program"):
        remove_file(table)


def test_patients_in_files_and_folders_held_for_a_moment_are_written(held, tmp_path):
    """A virus scanner looks at what was just written: at the patient for the process that predicts, at a case."""
    held.update({tmp_path / "patient.npz": 2, tmp_path / "case": 2})
    write_patient(ball_patient(), tmp_path / "patient.npz")
    assert read_patient_exchange(tmp_path / "patient.npz").structures
    (tmp_path / "case").mkdir()  # which Windows replaces by no other
    write_patient_folder(ball_patient(), tmp_path / "case")
    assert read_patient(tmp_path / "case").structures
    assert sorted(os.listdir(tmp_path)) == ["case", "patient.npz"]
    (tmp_path / "empty").mkdir()
    with pytest.raises(OSError, match="not empty"):
        move_onto(tmp_path / "empty", tmp_path / "case")
    with pytest.raises(OSError):
        move_onto(tmp_path / "patient.npz", tmp_path / "empty")
    assert (tmp_path / "empty").is_dir()


def test_a_temporary_file_that_stays_does_not_hide_what_went_wrong(tmp_path, monkeypatch):
    def stuck(path, missing_ok=False):
        raise PermissionError(13, "The process cannot access the file")

    monkeypatch.setattr(Path, "unlink", stuck)
    with pytest.raises(InputError, match="No space left"), whole_file(tmp_path / "dose.nrrd"):
        raise OSError(28, "No space left on device")


@pytest.mark.skipif(os.name == "nt", reason="Windows has access lists instead")
@pytest.mark.parametrize("umask", [0o022, 0o077, 0o002])
def test_who_may_read_is_as_with_the_users_other_files(umask, tmp_path):
    """A hospital that keeps new files from other users, or shares them with a group, has said so in the umask."""
    before = os.umask(umask)
    try:
        with whole_file(tmp_path / "dose.nrrd") as temporary:
            assert stat.S_IMODE(temporary.stat().st_mode) == 0o666 & ~umask, "not even while it is written"
        write_patient_folder(ball_patient(), tmp_path / "case")
    finally:
        os.umask(before)
    for path in tmp_path.rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) == (0o777 if path.is_dir() else 0o666) & ~umask, path
    assert len(list(tmp_path.rglob("*.nrrd"))) == 3


def test_an_open_file_is_told_before_the_work(tmp_path, monkeypatch):
    table = tmp_path / "goals.csv"
    check_replaceable(table)
    table.write_text("earlier")
    before = table.stat().st_mtime_ns

    def locked(path, mode):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(module, "open", locked, raising=False)
    check_replaceable(table)  # open or not, it can be replaced elsewhere
    monkeypatch.setattr(module, "_WINDOWS", True)
    with pytest.raises(InputError, match="goals.csv: Permission denied; is it open in another program"):
        check_replaceable(table)
    monkeypatch.undo()
    monkeypatch.setattr(module, "_WINDOWS", True)
    check_replaceable(table)
    assert table.stat().st_mtime_ns == before and table.read_text() == "earlier"
