"""Writing a table as CSV."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Sequence
from pathlib import Path

from DosePredictionLib.whole_file import whole_file


def write_csv(path: str | Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a table; the file appears whole or not at all.

    Raises:
        InputError: the file can't be written.
    """
    with whole_file(path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(header)
        writer.writerows(rows)


def number_cell(value: float, form: str) -> str:
    """A number in a table, such as ".3f"; NaN is an empty cell."""
    return "" if math.isnan(value) else format(value, form)
