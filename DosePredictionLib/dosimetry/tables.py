"""DVHs and goals as tables: CSV files for programs, text for a terminal."""

from __future__ import annotations

import shutil
import textwrap
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from DosePredictionLib.csv_file import number_cell, write_csv
from DosePredictionLib.dosimetry.dvh import BIN_WIDTH_GY, Dvh
from DosePredictionLib.dosimetry.goal import Goal
from DosePredictionLib.dosimetry.goals import NOT_JUDGED, GoalResult, Verdict
from DosePredictionLib.dosimetry.structure_expression import EACH
from DosePredictionLib.intended_use import INTENDED_USE

GOALS_COLUMNS = (
    "structure", "metric", "comparator", "limit", "unit", "value", "verdict", "priority", "source",
    "tolerance", "reason", "converted",
)  # fmt: skip
#: Stands behind limits that were carried over from another fractionation.
CONVERTED = " *"
#: Sentences below a table are no wider than this many characters.
WIDEST = 100
SUMMARY_COLUMNS = (
    "structure", "volume_cc", "min_gy", "mean_gy", "max_gy", "d98_percent_gy", "d95_percent_gy", "d50_percent_gy",
    "d2_percent_gy", "d0.03cc_gy", "outside_dose_percent",
)  # fmt: skip


def write_dvh_csv(dvhs: Mapping[str, Dvh], path: str | Path) -> None:
    """Write cumulative DVHs: the column dose_gy, in steps of 0.05 Gy, then volume in % a structure, by its name.

    Args:
        dvhs: by structure name.
        path: of the CSV file; it appears whole or not at all.

    Raises:
        InputError: the file cannot be written.
    """
    highest = max((float(dvh.bin_edges_gy[-1]) for dvh in dvhs.values()), default=0.0)
    doses = np.arange(int(round(highest / BIN_WIDTH_GY)) + 1) * BIN_WIDTH_GY
    curves = [dvh.cumulative_percent(doses)[1] for dvh in dvhs.values()]
    rows = ([f"{dose:.2f}", *(number_cell(curve[i], ".4f") for curve in curves)] for i, dose in enumerate(doses))
    write_csv(path, ("dose_gy", *dvhs), rows)


def write_dvh_summary_csv(dvhs: Mapping[str, Dvh], path: str | Path) -> None:
    """Write a line a structure with volume, minimum, mean, maximum and the usual dose figures (`SUMMARY_COLUMNS`).

    Raises:
        InputError: the file cannot be written.
    """
    rows = [
        [
            name,
            number_cell(dvh.volume_cc, ".4f"),
            *(number_cell(dose, ".3f") for dose in (dvh.min_gy, dvh.mean_gy, dvh.max_gy)),
            *(number_cell(dvh.dose_at_volume_percent(percent), ".3f") for percent in (98.0, 95.0, 50.0, 2.0)),
            number_cell(dvh.dose_at_volume_cc(0.03), ".3f"),
            number_cell(dvh.outside_dose_percent, ".2f"),
        ]
        for name, dvh in dvhs.items()
    ]
    write_csv(path, SUMMARY_COLUMNS, rows)


def write_goals_csv(results: Sequence[GoalResult], path: str | Path) -> None:
    """Write a line a goal (`GOALS_COLUMNS`); the value is empty where a goal is not applicable.

    Raises:
        InputError: the file cannot be written.
    """
    rows = [
        [
            result.structure_label,
            result.goal.metric.text,
            result.goal.comparator,
            f"{result.goal.limit:g}",
            result.unit,
            number_cell(result.value, ".4f"),
            result.verdict.value,
            str(result.goal.priority),
            result.goal.source,
            "" if result.goal.tolerance is None else f"{result.goal.tolerance:g}",
            result.reason,
            "" if result.conversion is None else result.conversion.text,
        ]
        for result in results
    ]
    write_csv(path, GOALS_COLUMNS, rows)


def format_goals_table(results: Sequence[GoalResult]) -> str:
    """The goals as an aligned table for a terminal.

    Goals that don't apply are named below the table, and a last line counts the verdicts.
    """
    judged = [result for result in results if result.verdict is not Verdict.NOT_APPLICABLE]
    rows = [("Structure", "Metric", "Goal", "Tolerance", "Value", "Verdict", "Priority")]
    rows += [
        (
            result.structure_label,
            result.goal.metric.text,
            f"{result.goal.comparator} {_limit(result.goal, result.goal.limit)}"
            f"{CONVERTED if result.conversion else ''}",
            "" if result.goal.tolerance is None else _limit(result.goal, result.goal.tolerance),
            result.shown_value,
            result.verdict.value.upper() if result.verdict is Verdict.FAIL else result.verdict.value,
            str(result.goal.priority),
        )
        for result in judged
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [_aligned(row, widths) for row in rows] if judged else ["No goal applies to this patient."]
    if judged:
        lines.insert(1, "  ".join("-" * width for width in widths))
    if any(result.conversion for result in judged):
        lines += ["", *wrapped(
            f"{CONVERTED.strip()} Converted to this plan's fractions by EQD2; goals.csv says from what."
        )]  # fmt: skip
    missing = not_applicable(results)
    if missing:
        lines += ["", *wrapped(f"Not applicable: {missing}")]
    counts = Counter(result.verdict for result in results)
    lines += ["", ", ".join(f"{counts[verdict]} {verdict.value}" for verdict in Verdict) + "."]
    lines += [INTENDED_USE]
    return "\n".join(lines)


def not_applicable(results: Iterable[GoalResult]) -> str:
    """The structures of goals that don't apply, by the reason: "A, B (not there); C (the ... is not known)"."""
    by_reason: dict[str, list[str]] = {}
    for result in results:
        if result.verdict is Verdict.NOT_APPLICABLE:
            names = by_reason.setdefault(_bare_reason(result), [])
            if result.structure_label not in names:
                names.append(result.structure_label)
    return "; ".join(f"{', '.join(names)} ({reason})" for reason, names in by_reason.items())


def wrapped(text: str) -> list[str]:
    """The lines of a sentence below a table, as wide as the terminal allows but no wider than `WIDEST`."""
    columns = min(WIDEST, shutil.get_terminal_size((WIDEST, 24)).columns)
    return textwrap.wrap(text, width=columns, subsequent_indent="  ", break_long_words=False)


def _bare_reason(result: GoalResult) -> str:
    """The reason without its frame, and without the structure's name, which stands before it."""
    reason = result.reason.removeprefix(NOT_JUDGED).removesuffix(".")
    named = result.structure_label.removeprefix(EACH)
    return "not there" if reason == f"the patient has no {named}" else reason


def _limit(goal: Goal, value: float) -> str:
    return f"{value:g} {goal.unit}".strip()


def _aligned(row: Sequence[str], widths: Sequence[int]) -> str:
    # Values are set to the right so that their decimal points stand under each other.
    cells = [text.rjust(w) if i == 4 else text.ljust(w) for i, (text, w) in enumerate(zip(row, widths, strict=True))]
    return "  ".join(cells).rstrip()
