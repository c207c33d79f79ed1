"""What a patient on disk is called."""

from __future__ import annotations

import os
import re
from pathlib import Path, PurePath


def patient_identifier(path: Path) -> str:
    """The name of a patient's folder or packed file.

    A DICOM file stands for one of several cases in its folder: that folder's name and its own.
    """
    path = Path(os.path.abspath(path))
    if path.is_dir():
        return folder_name(path)
    stem = _writable(path.stem)
    return stem if path.suffix.lower() == ".npz" else f"{folder_name(path.parent)}_{stem}"


def folder_name(path: PurePath) -> str:
    """A folder's name; of Windows' drives and network shares themselves the letter and the share's name."""
    return _writable(path.name) or re.split(r"[\\/:]+", path.anchor.rstrip("\\/:"))[-1]


def joined_name(path: PurePath) -> str:
    r"""A path's folders with underscores between them, and of its drive or share (``D:\``, ``\\server\share\``) too."""
    drive = re.sub(r"[\\/:]+", "_", path.anchor.strip("\\/:"))
    folders = path.parts[1:] if path.anchor else path.parts
    return "_".join(filter(None, (drive, *map(_writable, folders))))


def _writable(name: str) -> str:
    """A name that tables and reports, which are UTF-8, can hold: others on the disk are taken for Latin-1."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return os.fsencode(name).decode("latin-1")
    return name
