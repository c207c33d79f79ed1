"""Asking the user where to write."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import qt
import slicer
from slicer.i18n import tr as _


def ask_file(parent: Any, title: str, name: str, kinds: str) -> str:
    """The file to write; empty where the user thinks better of it.

    Args:
        parent: the widget that the dialog belongs to.
        title: of the dialog.
        name: what it suggests, perhaps with a folder.
        kinds: of files, as Qt's dialogs take them: "NRRD (*.nrrd);;NIfTI (*.nii.gz)".
    """
    typed = str(qt.QFileDialog.getSaveFileName(parent, title, name, kinds) or "")
    path = with_ending(typed, kinds)
    the_dialog_has_asked = path == typed
    if the_dialog_has_asked or not Path(path).exists() or may_replace([Path(path)], parent):
        return path
    return ""


def with_ending(path: str, kinds: str) -> str:
    """A path with the first ending of these kinds, unless it has one of theirs: on Linux the dialogs append none."""
    endings = re.findall(r"\*(\.[\w.]+)", kinds)
    if not path or not endings or path.lower().endswith(tuple(ending.lower() for ending in endings)):
        return path
    return path + str(endings[0])


def may_replace(files: Sequence[Path], parent: Any) -> bool:
    """Whether the user lets these files of one folder go."""
    question = _("Already in the folder {folder}:\n\n{names}\n\nReplace?").format(
        folder=files[0].parent, names="\n".join(file.name for file in files)
    )
    return bool(slicer.util.confirmOkCancelDisplay(question, windowTitle=_("Dose Prediction"), parent=parent))
