"""Temporary folders of results: which of them a process writes to, and which one that was killed has left."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path

from DosePredictionLib.whole_file import is_partial_folder

#: In a temporary folder: held by the process that writes there, and left when that was killed.
MARK = ".in-use"


def remove_left_folders(folder: Path) -> None:
    """Remove the temporary folders in a folder of results whose process was killed.

    Not those of one that writes there now, as where a patient's dose and CT are sampled at the same time.
    """
    for left in filter(is_partial_folder, folder.iterdir()):
        with suppress(OSError), in_use(left, new=False):
            shutil.rmtree(left, ignore_errors=True)


@contextmanager
def in_use(partial: Path, *, new: bool = True) -> Iterator[None]:
    """Hold a temporary folder's mark, which the system lets go when the process ends, however it does.

    Args:
        partial: the folder.
        new: whether it is this process's own. There are disks on which no file can be locked: it is used all the same.

    Raises:
        OSError: another process holds the mark, or there is none.
    """
    mark = partial / MARK
    if sys.platform == "win32":
        if not new:
            mark.unlink()  # which open files can't be
            yield
            return
        with mark.open("wb"):
            yield
        return
    import fcntl

    with mark.open("wb" if new else "r+b") as held:
        with suppress(OSError) if new else nullcontext():
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
