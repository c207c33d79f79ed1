"""Files and folders that are there, but that the system doesn't let the user read."""

from __future__ import annotations

import os
from pathlib import Path

from DosePredictionLib.errors import InputError

#: Folders at the top of drives that are nobody's patients, whoever may read them.
_OF_THE_SYSTEM = {"lost+found", "system volume information", "$recycle.bin"}


def check_opens(path: str | Path) -> None:
    """Check that a file or folder can be opened.

    Raises:
        InputError: the system refuses; the sentence says why.
    """
    try:
        if os.path.isdir(path):
            with os.scandir(path):
                pass
        else:
            with open(path, "rb"):
                pass
    except OSError as error:
        reason = error.strerror or str(error)
        raise InputError(f"{path} cannot be read ({reason}); ask for the right to read it, or take it away.") from error


def is_of_the_system(folder_name: str) -> bool:
    """Whether a folder is one that a drive's system keeps for itself."""
    return folder_name.lower() in _OF_THE_SYSTEM
