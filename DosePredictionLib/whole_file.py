"""Writing a file so that it appears whole or not at all, also where another program looks at it on Windows."""

from __future__ import annotations

import errno
import os
import re
import secrets
import shutil
import stat
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from DosePredictionLib.errors import InputError

#: Where a file that another program has open can't be replaced or removed, nor a folder with such a file be moved.
_WINDOWS = sys.platform == "win32"
_UNUSED_NAME = re.compile(r"\.partial-[0-9a-f]{16}")
#: So long a virus scanner or a preview may hold a file.
_HELD_FOR_S = 1.0


@contextmanager
def whole_file(path: str | Path) -> Iterator[Path]:
    """A temporary path beside ``path`` with the same suffix; what was written there is moved to ``path`` at the end.

    A device, a pipe or a stream (``/dev/stdout``) is not replaced: what was written is passed on into it. When the
    block fails, nothing is left and a file that was there stays. Who may read the file is as with the user's other new
    files: the module ``tempfile`` would keep it to the user.

    Raises:
        InputError: the folder or the file can't be written to.
    """
    path = Path(path)
    suffix = ".nii.gz" if path.name.lower().endswith(".nii.gz") else path.suffix
    temporary = None
    try:
        if is_stream(path):
            # Elsewhere: nobody's files belong into /dev. Its folder is the user's alone.
            with tempfile.TemporaryDirectory() as folder:
                beside = _unused_name(Path(folder), suffix)
                beside.touch()
                yield beside
                _pass_on(beside, path)
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        new = _unused_name(path.parent, suffix)
        new.touch(exist_ok=False)
        temporary = new
        yield temporary
        move_onto(temporary, path)
        temporary = None
    except OSError as error:
        raise cannot_write(path, error) from error
    finally:
        if temporary is not None:
            with suppress(OSError):  # what went wrong before is what the user is to know
                temporary.unlink(missing_ok=True)


def cannot_write(path: Path, error: OSError) -> InputError:
    """What to tell of a file or folder that the system would not write."""
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    advice = "make room there, or choose a folder on another disk" if full else "choose a folder that you may write to"
    return InputError(f"Cannot write {path}: {error.strerror or error}; {advice}.")


def is_stream(path: Path) -> bool:
    """Whether what is there is written into rather than replaced: a device, a pipe, or a stream that is open already.

    ``/dev/stdout`` leads to such a stream also where it goes into a file, which may hold more than is written here.
    """
    try:
        kind = path.stat().st_mode
    except OSError:
        return False
    return not (stat.S_ISREG(kind) or stat.S_ISDIR(kind)) or _open_stream(path) is not None


def _open_stream(path: Path) -> int | None:
    """The number of the stream of this process that links lead to, as those of ``/dev/stdout`` do on Linux."""
    while path.is_symlink():
        if os.path.realpath(path.parent) == os.path.realpath("/proc/self/fd"):
            return int(path.name)
        path = path.parent / os.readlink(path)
    return None


def _pass_on(source: Path, stream: Path) -> None:
    if sys.stdout is not None:
        sys.stdout.flush()  # what was said before stands before it
    number = _open_stream(stream)
    # Opened anew, a file would be written from its beginning on, and over what is said later.
    target = os.open(stream, os.O_WRONLY) if number is None else os.dup(number)
    with open(source, "rb") as written, open(target, "wb") as into:
        shutil.copyfileobj(written, into)


@contextmanager
def partial_folder(parent: Path) -> Iterator[Path]:
    """A temporary folder in ``parent`` for what is moved from there when it is whole; what is left in it goes.

    What is moved keeps on Windows who may read it: anybody who may read new files there, which a folder of the module
    ``tempfile`` would not allow.

    Raises:
        OSError: ``parent`` can't be written to.
    """
    folder = _unused_name(parent)
    folder.mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def is_partial_folder(path: Path) -> bool:
    """Whether it is a folder of `partial_folder`: still in use, or left when its process was killed."""
    return _UNUSED_NAME.fullmatch(path.name) is not None and path.is_dir() and not path.is_symlink()


def _unused_name(parent: Path, suffix: str = "") -> Path:
    return parent / f".partial-{secrets.token_hex(8)}{suffix}"


def check_replaceable(path: Path) -> None:
    """Fail before the work rather than after it when a file is there that another program has open.

    What is held for a moment is awaited.

    Raises:
        InputError: it has.
    """
    if not _WINDOWS or not path.is_file():
        return

    def probe() -> None:
        with open(path, "r+b"):
            pass
        os.rename(path, path)  # a program may let others write to the file, but neither replace nor remove it

    _when_let_go(probe, "write", path)


def move_onto(source: str | Path, path: Path) -> None:
    """Move a file to where one may be, or a folder to where an empty one may be; what is held for a moment is awaited.

    Raises:
        InputError: another program has the file open.
        OSError: another reason.
    """
    if _WINDOWS and Path(source).is_dir() and path.is_dir():
        path.rmdir()  # there no folder replaces another, not even an empty one
    _when_let_go(lambda: os.replace(source, path), "write", path)


def remove_file(path: Path) -> None:
    """Remove a file if it is there; one that is held for a moment is awaited.

    Raises:
        InputError: another program has it open.
        OSError: another reason.
    """
    _when_let_go(lambda: path.unlink(missing_ok=True), "remove", path)


def _when_let_go(change: Callable[[], None], word: str, path: Path) -> None:
    until = time.monotonic() + _HELD_FOR_S
    while True:
        try:
            return change()
        except PermissionError as error:
            if not _WINDOWS:
                raise
            if time.monotonic() >= until:
                if path.is_file():
                    raise _held(word, path, error) from error
                raise
        time.sleep(0.05)


def _held(word: str, path: Path, error: PermissionError) -> InputError:
    return InputError(
        f"Cannot {word} {path}: {error.strerror or error}; is it open in another program? Close it there, or choose "
        "another folder."
    )
