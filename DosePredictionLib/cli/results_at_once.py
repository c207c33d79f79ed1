"""Results that appear together, when all of them are written: until then those that were there stay."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from DosePredictionLib.cli.result_folders import OPENKBP, remove_earlier_prediction
from DosePredictionLib.errors import InputError
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
    with moved_when_whole(folder) as new, ExitStack() as beside:
        yield new
        if openkbp_table is not None:
            for table in (new / OPENKBP).glob("*.csv"):
                # A result folder that is a link or a mount lies on another disk: nothing is moved from there.
                shutil.copyfile(table, beside.enter_context(whole_file(openkbp_table)))
        remove_earlier_prediction(folder, openkbp_table)


@contextmanager
def moved_when_whole(folder: Path) -> Iterator[Path]:
    """A temporary folder within one; the files that are in it at the end are moved there, those that say how first.

    Where the block fails, nothing of it is left, nor the folder where it was not there before.

    Raises:
        InputError: the folder can't be written to.
    """
    missing = [place for place in (folder, *folder.parents) if not place.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with partial_folder(folder) as new:
            try:
                yield new
            except InputError as error:  # of a name in a folder that is gone when the user reads it
                raise InputError(str(error).replace(str(new), str(folder))) from error
            # By the JSON a folder is known as a prediction's, and an image as a sampled one.
            for path in sorted((one for one in new.iterdir() if one.is_file()), key=lambda one: one.suffix != ".json"):
                move_onto(path, folder / path.name)
    except OSError as error:
        raise cannot_write(folder, error) from error
    finally:
        for place in missing:
            with suppress(OSError):  # it is not empty
                place.rmdir()
