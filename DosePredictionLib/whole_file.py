"""Writing a file so that it appears whole or not at all."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from DosePredictionLib.errors import InputError

#: Where a file that another program has open can't be replaced.
_WINDOWS = sys.platform == "win32"
#: So long a virus scanner or a preview may hold a file.
_HELD_FOR_S = 1.0


@contextmanager
def whole_file(path: str | Path) -> Iterator[Path]:
    """A temporary path beside ``path`` with the same suffix; what was written there is moved to ``path`` at the end.

    When the block fails, nothing is left and a file that was there stays.

    Raises:
        InputError: the folder or the file can't be written to.
    """
    path = Path(path)
    suffix = ".nii.gz" if path.name.endswith(".nii.gz") else path.suffix
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(suffix=suffix, prefix=".partial-", dir=path.parent)
        os.close(handle)
        yield Path(temporary)
        os.chmod(temporary, 0o644)
        _replace(temporary, path)
        temporary = None
    except OSError as error:
        reason = error.strerror or str(error)
        raise InputError(f"Cannot write {path}: {reason}; choose a folder that you may write to.") from error
    finally:
        if temporary is not None:
            with suppress(OSError):  # what went wrong before is what the user is to know
                Path(temporary).unlink(missing_ok=True)


def check_replaceable(path: Path) -> None:
    """Fail before the work rather than after it when a file is there that another program has open.

    Raises:
        InputError: it has.
    """
    if not _WINDOWS or not path.is_file():
        return
    try:
        with open(path, "r+b"):
            pass
    except PermissionError as error:
        raise _held(path, error) from error


def _replace(temporary: str, path: Path) -> None:
    until = time.monotonic() + (_HELD_FOR_S if _WINDOWS else 0.0)
    while True:
        try:
            os.replace(temporary, path)
            return
        except PermissionError as error:
            if time.monotonic() >= until:
                if path.is_file():
                    raise _held(path, error) from error
                raise
        time.sleep(0.05)


def _held(path: Path, error: PermissionError) -> InputError:
    return InputError(
        f"Cannot write {path}: {error.strerror or error}; is it open in another program? Close it there, or choose "
        "another folder."
    )
