"""What a patient on disk is called."""

from __future__ import annotations

import os
from pathlib import Path


def patient_identifier(path: Path) -> str:
    """The name of a patient's folder or packed file.

    A DICOM file stands for one of several cases in its folder: that folder's name and its own.
    """
    path = Path(os.path.abspath(path))
    if path.is_dir():
        return path.name
    return path.stem if path.suffix.lower() == ".npz" else f"{path.parent.name}_{path.stem}"
