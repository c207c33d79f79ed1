"""A file that a command is to write is none of those that it reads."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from DosePredictionLib.errors import InputError
from DosePredictionLib.patient.case_files import case_files
from DosePredictionLib.patient.reader_openkbp_csv import is_openkbp_table

#: What a case may hold that no reader takes anything from: a page that an earlier run left is written anew.
_PAGES = (".html", ".htm")


def check_keeps_inputs(output: Path, case: Path | None, read: Iterable[Path | None] = ()) -> None:
    """Refuse to overwrite what a command reads, before any work.

    Args:
        output: the file that is to be written.
        case: whose files are read, if one is; of a folder all count that are in it and below, but pages and tables that
            no patient is read from.
        read: files that are read besides.

    Raises:
        InputError: ``output`` is one of them.
    """
    if not output.is_file():
        return
    ending = output.suffix.lower()
    left_by_us = ending in _PAGES or ending == ".csv" and not is_openkbp_table(output)
    of_case = [] if case is None or not case.exists() or case.is_dir() and left_by_us else case_files(case)
    for path in (*of_case, *(path for path in read if path is not None)):
        if path.exists() and os.path.samefile(output, path):
            raise InputError(
                f"{output} is a file that is read here and would be overwritten; name another one with -o."
            )
