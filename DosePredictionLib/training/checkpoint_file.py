"""The file of a run's checkpoint: whole or not at all, and refused in one sentence when it isn't."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import torch

from DosePredictionLib.errors import InputError
from DosePredictionLib.whole_file import whole_file

#: Without these nothing can be gone on with.
_NEEDED = {"step", "seconds", "config", "network", "average"}


def write_checkpoint(state: dict[str, Any], path: Path) -> None:
    """Write a run's state; the old file stays until the new one is whole.

    Raises:
        InputError: the folder is full or can't be written to.
    """
    # What a process that was killed while it wrote has left, as large as a checkpoint; a run's folder has one writer.
    for left in (*path.parent.glob(f".partial-*{path.suffix}"), path.with_suffix(".partial")):
        left.unlink(missing_ok=True)
    with whole_file(path) as temporary:
        try:
            torch.save(state, temporary)
        except RuntimeError as error:  # what PyTorch makes of a full disk; its text says nothing of that
            raise InputError(
                f"Cannot write the whole checkpoint {path}: there seems to be no room; make some and start the run "
                "again, which goes on from its last whole checkpoint."
            ) from error


def read_checkpoint(path: Path, device: torch.device) -> dict[str, Any]:
    """What `write_checkpoint` wrote, its tensors on ``device``.

    Raises:
        InputError: the file is cut off, damaged, or no checkpoint.
    """
    try:
        state = torch.load(path, map_location=device, weights_only=True)
    except (RuntimeError, EOFError, OSError, ValueError, KeyError, pickle.UnpicklingError) as error:
        raise InputError(
            f"The checkpoint {path} is cut off or damaged ({_reason(error)}); put a copy back, or take it away to "
            "begin the run anew."
        ) from error
    if not isinstance(state, dict) or not state.keys() >= _NEEDED:
        raise InputError(f"{path} is no checkpoint of a training run; take it away, or give another output.")
    return state


def _reason(error: Exception) -> str:
    """The first sentence of an error, without what PyTorch tells programmers after it."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0].split(". ")[0][:120].rstrip(".")
