"""The CSV tables of a dose in a folder. No Qt."""

from __future__ import annotations

from pathlib import Path

from DosePredictionScene.measured import CLINICAL, COMPARED, Measured
from DosePredictionScene.scored import Scored
from slicer.i18n import tr as _

from DosePredictionLib.dosimetry.scorecard_table import write_scorecard_csv
from DosePredictionLib.dosimetry.tables import write_dvh_csv, write_dvh_summary_csv, write_goals_csv
from DosePredictionLib.errors import InputError
from DosePredictionLib.whole_file import check_replaceable, move_onto, partial_folder, remove_file


def _scorecard_name(compared_label: str) -> str:
    return f"scorecard-{compared_label.lower()}.csv"


TABLES = (
    "dvh.csv", "dvh-summary.csv", "goals.csv", "scorecard.csv", _scorecard_name(CLINICAL), _scorecard_name(COMPARED)
)  # fmt: skip


def earlier_tables(folder: Path) -> list[Path]:
    """The tables that an export before left in a folder."""
    return [folder / name for name in TABLES if (folder / name).is_file()]


def write_tables(folder: Path, measured: Measured, scored: Scored | None) -> None:
    """Write a dose's tables; those of an earlier export, which may be of another patient, do not stay beside them.

    Until all are written, the earlier ones stay as they are.

    Args:
        folder: where to.
        measured: the dose with what was found in it.
        scored: on a scorecard; None where none is chosen.

    Raises:
        InputError: a file can't be written.
    """
    earlier = earlier_tables(folder)
    for path in earlier:
        check_replaceable(path)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with partial_folder(folder) as partial:
            write_dvh_csv(measured.prediction.dvhs, partial / "dvh.csv")
            write_dvh_summary_csv(measured.prediction.dvhs, partial / "dvh-summary.csv")
            write_goals_csv(measured.goals, partial / "goals.csv")
            if scored is not None:
                write_scorecard_csv(scored.predicted, partial / "scorecard.csv")
                if scored.compared is not None:
                    write_scorecard_csv(scored.compared, partial / _scorecard_name(scored.compared_label))
            written = sorted(path.name for path in partial.iterdir())
            for name in written:
                move_onto(partial / name, folder / name)
        for path in earlier:
            if path.name not in written:
                remove_file(path)
    except OSError as error:
        sentence = _("Cannot write tables into {folder}: {reason}; choose a folder that you may write to.")
        raise InputError(sentence.format(folder=folder, reason=error.strerror or error)) from error
