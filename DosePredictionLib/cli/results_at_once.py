"""Results that appear together, when all of them are written: until then those that were there stay."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from DosePredictionLib.cli.folder_in_use import MARK, in_use, remove_left_folders
from DosePredictionLib.cli.result_folders import OPENKBP, remove_earlier_prediction
from DosePredictionLib.errors import InputError
from DosePredictionLib.patient.made_by_model import PREDICTED_DOSES
from DosePredictionLib.whole_file import cannot_write, move_onto, partial_folder, whole_file


@contextmanager
def results_at_once(folder: Path, openkbp_table: Path | None = None) -> Iterator[Path]:
    """A temporary folder for a prediction's results, which take the place of an earlier one's when all are written.

    Until then the earlier ones stay, also when the disk is full.

    Args:
        folder: where the results go.
        openkbp_table: where the table in the challenge's layout goes, which is written to `OPENKBP` in the temporary
            folder, if it is written.

    Raises:
        InputError: something can't be written, or removed.
    """
    # The table comes after the folder's files, which say that it is their own; an earlier one is gone before.
    with _no_empty_folder_left(folder), ExitStack() as beside, moved_when_whole(folder) as new:
        yield new
        if openkbp_table is not None:
            for table in (new / OPENKBP).glob("*.csv"):
                whole = beside.enter_context(whole_file(openkbp_table))
                try:
                    # A result folder that is a link or a mount lies on another disk: nothing is moved from there.
                    shutil.copyfile(table, whole)
                except OSError as error:
                    raise cannot_write(openkbp_table, error) from error
        remove_earlier_prediction(folder, openkbp_table)


@contextmanager
def moved_when_whole(folder: Path) -> Iterator[Path]:
    """A temporary folder within one; the files that are in it at the end are moved there.

    Those that say how the others were made come first, and a predicted dose last: it is there when all is there, and
    never without its origin, by which it is told from a clinical one. Where the block fails, nothing of it is left, nor
    the folder where it was not there before; what a killed process left of its own goes.

    Raises:
        InputError: the folder can't be written to.
    """
    try:
        with _no_empty_folder_left(folder):
            folder.mkdir(parents=True, exist_ok=True)
            remove_left_folders(folder)
            with partial_folder(folder) as new, in_use(new):
                try:
                    yield new
                except InputError as error:  # of a name in a folder that is gone when the user reads it
                    raise InputError(str(error).replace(str(new), str(folder))) from error
                written = (one for one in new.iterdir() if one.is_file() and one.name != MARK)
                for path in sorted(written, key=_place):
                    move_onto(path, folder / path.name)
    except OSError as error:
        raise cannot_write(folder, error) from error


@contextmanager
def _no_empty_folder_left(folder: Path) -> Iterator[None]:
    """Remove a folder, and those above it, that were not there before and that nothing has come into."""
    missing = [place for place in (folder, *folder.parents) if not place.exists()]
    try:
        yield
    finally:
        for place in missing:
            with suppress(OSError):  # it is not empty
                place.rmdir()


def _place(result: Path) -> tuple[bool, bool]:
    """Where a file comes among those that are moved."""
    return result.name in PREDICTED_DOSES, result.suffix != ".json"
