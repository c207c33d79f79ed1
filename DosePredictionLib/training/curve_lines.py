"""The lines of a run's curves: one JSON object each, none twice, even when the run was killed between."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from DosePredictionLib.errors import InputError
from DosePredictionLib.whole_file import whole_file

CURVES = "curves.jsonl"


def curve_records(path: Path) -> list[dict[str, Any]]:
    """The records of a file of curves, in the order of their steps.

    A line that was cut off is passed over. Where steps begin again, because a run went on from a checkpoint before
    them, what they say the second time counts. The training's and the validation's records share a step.

    Raises:
        InputError: the file can't be read.
    """
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError as error:
        raise InputError(f"Cannot read the curves {path} ({error.strerror}); take the file away.") from error
    kept: list[dict[str, Any]] = []
    for line in lines:
        try:
            record = json.loads(line)
        except ValueError:
            continue
        if not isinstance(record, dict) or not isinstance(record.get("step"), int) or "hours" not in record:
            continue
        if kept and kept[-1]["step"] > record["step"]:
            kept = [one for one in kept if one["step"] < record["step"]]
        kept.append(record)
    return kept


def trim_curves(path: Path, step: int) -> None:
    """Leave the whole lines up to a step, from where the run goes on, in a file of curves.

    Args:
        path: of the file; nothing happens where there is none.
        step: of the checkpoint; -1 where the run begins anew and none of the lines is its own.

    Raises:
        InputError: the file can't be read or written.
    """
    if not path.exists():
        return
    text = "".join(_line(record) for record in curve_records(path) if record["step"] <= step)
    if text.encode() != path.read_bytes():
        with whole_file(path) as temporary:
            temporary.write_text(text, encoding="utf-8", newline="\n")


def add_to_curves(path: Path, record: dict[str, Any]) -> None:
    """Add one line.

    Raises:
        InputError: the folder is full or can't be written to.
    """
    try:
        with open(path, "a", encoding="utf-8", newline="\n") as curves:
            curves.write(_line(record))
    except OSError as error:
        raise InputError(
            f"Cannot write the curves {path} ({error.strerror}); make room there and start the run again, which goes "
            "on from its last checkpoint."
        ) from error


def _line(record: dict[str, Any]) -> str:
    """One line; what is not a number (the mean of no steps, an infinite error) is null, as JSON has it."""
    told = {name: None if isinstance(value, float) and not math.isfinite(value) else value
            for name, value in record.items()}  # fmt: skip
    return json.dumps(told, allow_nan=False) + "\n"
