"""Files that the image library reads and writes, whatever letters their paths have.

On Windows it takes a path's letters for those of the system's code page, so that only ASCII ones come through.
Elsewhere a path that is no UTF-8 (a name from an old disk in Latin-1) makes it abort the whole process. Such files are
copied from and to a temporary folder that it can open.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from DosePredictionLib.errors import InputError
from DosePredictionLib.whole_file import whole_file

if TYPE_CHECKING:
    import SimpleITK

_WINDOWS = sys.platform == "win32"
#: Windows' folders for all users let everybody read what is new in them, unless `os.mkdir` is told otherwise, which it
#: understands there since this version of Python (CVE-2024-4030).
_MKDTEMP_PROTECTS = sys.version_info >= (3, 12, 4)
#: Of the temporary folders; readers of patients pass over what begins with a dot.
_PREFIX = ".dose-image-"
#: No copy takes as long.
_LEFT_OVER_AFTER_S = 86400.0


def read_by_library(path: Path) -> SimpleITK.Image:
    """Read an image file.

    Raises:
        RuntimeError: the library's own, where the file is no whole image.
        InputError: there is no folder to copy the file to for the library.
    """
    import SimpleITK as sitk

    if _can_open(path):
        return sitk.ReadImage(str(path))
    with _folder_it_can_open(path) as folder:
        copy = folder / _ascii_name(path)
        try:
            shutil.copyfile(path, copy)
        except OSError as error:
            raise InputError(
                f"{path} cannot be copied to {folder}, as the image library needs it ({error.strerror or error}); "
                "move it to a folder whose path has ASCII letters only."
            ) from error
        return sitk.ReadImage(str(copy))


def write_by_library(image: SimpleITK.Image, path: str | Path) -> None:
    """Write a compressed image file, told by the suffix, that appears whole or not at all (`whole_file`).

    Raises:
        InputError: the file can't be written.
    """
    import SimpleITK as sitk

    with whole_file(path) as temporary:
        try:
            if _can_open(temporary):
                sitk.WriteImage(image, str(temporary), useCompression=True)
                return
            with _folder_it_can_open(Path(path)) as folder:
                copy = folder / _ascii_name(temporary)
                sitk.WriteImage(image, str(copy), useCompression=True)
                shutil.copyfile(copy, temporary)
        except RuntimeError as error:
            raise OSError(str(error).strip().splitlines()[-1]) from error


def _can_open(path: str | Path) -> bool:
    """Whether the library, which gets the path in UTF-8, opens the file that Python opens."""
    if _WINDOWS:
        return str(path).isascii()
    try:
        return str(path).encode() == os.fsencode(path)
    except UnicodeEncodeError:
        return False


def _ascii_name(path: Path) -> str:
    return "".join(letter if letter.isascii() else "_" for letter in path.name)


@contextmanager
def _folder_it_can_open(path: Path) -> Iterator[Path]:
    """A temporary folder for the copy of a file, which is a patient's: it goes at the end.

    What a process left that was killed meanwhile goes at the next use after a day.

    Raises:
        InputError: there is none; the message names ``path``.
    """
    for place in filter(_can_open, _places(path)):
        try:
            folder = tempfile.mkdtemp(prefix=_PREFIX, dir=place)
        except OSError:
            continue
        _remove_left_over(Path(place))
        try:
            yield Path(folder)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        return
    raise InputError(
        f"The path {path} holds letters that the image library cannot open, and no folder for temporary files is there "
        f"that it can ({tempfile.gettempdir()}); move it to a folder whose path has ASCII letters only."
    )


def _places(path: Path) -> Iterator[str]:
    """Where a temporary folder may lie, the user's own places first."""
    usual = tempfile.gettempdir()
    yield usual
    yield _short_path(usual)  # on Windows the usual one lies below the user's own name
    yield _short_path(str(path.resolve().parent))
    if _MKDTEMP_PROTECTS:
        yield from (os.environ[name] for name in ("PUBLIC", "PROGRAMDATA") if os.environ.get(name))


def _remove_left_over(place: Path) -> None:
    yesterday = time.time() - _LEFT_OVER_AFTER_S
    for folder in place.glob(f"{_PREFIX}*"):
        with suppress(OSError):
            if folder.lstat().st_mtime < yesterday:
                shutil.rmtree(folder, ignore_errors=True)


def _short_path(folder: str) -> str:
    """The path in Windows' short names ("MLLER~1" for "Müller"), which are ASCII; elsewhere the path itself."""
    if sys.platform != "win32":
        return folder
    import ctypes

    buffer = ctypes.create_unicode_buffer(1024)
    length = ctypes.windll.kernel32.GetShortPathNameW(folder, buffer, len(buffer))
    return buffer.value if 0 < length < len(buffer) else folder
