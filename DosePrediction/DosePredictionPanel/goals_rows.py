"""The goals table's rows as the panel shows and sorts them. No Qt."""

from __future__ import annotations

import re
from typing import Any

from DosePredictionScene.measured import CLINICAL, COMPARED

COLUMNS = ("Verdict", "Structure", "Goal", "Predicted", "Clinical", "Difference")
VALUES = ("Predicted", "Clinical", "Difference")
NUMBER = re.compile(r"[+-]?\d+(\.\d+)?")
#: The end of a goal whose limit was carried over from another fractionation.
CONVERTED_UNIT = re.compile(r" (\S+ \(EQD2\))$")
#: Worst first.
VERDICTS = ("fail", "tolerance", "pass", "not applicable")
COLOURS = {"fail": (0.80, 0.10, 0.15), "tolerance": (0.75, 0.50, 0.00), "pass": (0.05, 0.55, 0.25)}


def goals_rows(table_node: Any) -> list[dict[str, str]]:
    """The texts of the goals table's rows by column; none for None. Another dose stands in for the clinical one."""
    if table_node is None:
        return []
    names = [CLINICAL if name == COMPARED else name for name in column_names(table_node)]
    return [
        {name: table_node.GetCellText(row, column) for column, name in enumerate(names)}
        for row in range(table_node.GetNumberOfRows())
    ]


def column_names(table_node: Any) -> list[str]:
    """The table's headings; none for None."""
    if table_node is None:
        return []
    return [table_node.GetColumnName(index) for index in range(table_node.GetNumberOfColumns())]


def verdict_of(row: dict[str, str]) -> str:
    """The verdict's word."""
    return next((verdict for verdict in VERDICTS if row.get("Verdict", "").endswith(verdict)), "")


def shown_text(row: dict[str, str], column: str) -> str:
    """What a cell shows: signs for comparisons, and values without the unit, which the goal has."""
    text = row.get(column, "")
    if column == "Goal":
        signs = text.replace(">=", "\N{GREATER-THAN OR EQUAL TO}").replace("<=", "\N{LESS-THAN OR EQUAL TO}")
        return CONVERTED_UNIT.sub(r"\n\1", signs)  # it would be cut off
    if column in VALUES:
        number = NUMBER.match(text)
        return number[0] if number else text
    return text


def sorted_rows(rows: list[dict[str, str]], column: str, descending: bool) -> list[dict[str, str]]:
    """Rows by a column: verdicts worst first, numbers by size, what has no number last."""
    return sorted(rows, key=lambda row: _key(row, column, descending), reverse=descending)


def _key(row: dict[str, str], column: str, descending: bool) -> Any:
    text = row.get(column, "")
    if column == "Verdict":
        return VERDICTS.index(verdict_of(row)) if verdict_of(row) else len(VERDICTS)
    if column in ("Structure", "Goal"):
        return text.lower()
    number = NUMBER.match(text)
    return ((number is None) != descending, float(number[0]) if number else 0.0)
