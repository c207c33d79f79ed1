"""A file that appears whole or not at all, also where another program has it open (as Excel does on Windows)."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from DosePredictionLib import whole_file as module
from DosePredictionLib.errors import InputError
from DosePredictionLib.whole_file import check_replaceable, whole_file


@pytest.fixture
def held(tmp_path, monkeypatch) -> dict[Path, int]:
    """Files that Windows refuses to replace, and how often yet."""
    times: dict[Path, int] = {}
    replace = os.replace

    def refused(source, target):
        if times.get(Path(target), 0) > 0:
            times[Path(target)] -= 1
            raise PermissionError(13, "Access is denied", source, None, target)
        replace(source, target)

    monkeypatch.setattr(os, "replace", refused)
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


def test_a_temporary_file_that_stays_does_not_hide_what_went_wrong(tmp_path, monkeypatch):
    def stuck(path, missing_ok=False):
        raise PermissionError(13, "The process cannot access the file")

    monkeypatch.setattr(Path, "unlink", stuck)
    with pytest.raises(InputError, match="No space left"), whole_file(tmp_path / "dose.nrrd"):
        raise OSError(28, "No space left on device")


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
