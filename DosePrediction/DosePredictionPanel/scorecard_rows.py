"""The scorecard's table as the panel shows it. No Qt."""

from __future__ import annotations

from typing import Any

from DosePredictionScene.measured import CLINICAL, COMPARED
from DosePredictionScene.scorecard_table import NONE
from slicer.i18n import tr as _

from DosePredictionPanel.goals_rows import column_names

CLINICAL_POINTS = f"{CLINICAL} points"
COLUMNS = ("Structure", "Metric", "Value", "Points", CLINICAL_POINTS, "Maximum")


def scorecard_rows(table_node: Any) -> list[dict[str, str]]:
    """The texts of all rows by column; none for None. Another dose stands in for the clinical one."""
    names = [name.replace(COMPARED, CLINICAL) for name in column_names(table_node)]
    count = 0 if table_node is None else table_node.GetNumberOfRows()
    return [{name: table_node.GetCellText(row, column) for column, name in enumerate(names)} for row in range(count)]


def counted(rows: list[dict[str, str]]) -> list[dict[str, str]]:
    """The rows that were scored, and the total."""
    return [row for row in rows if row is rows[-1] or row["Points"] != NONE]


def total_text(rows: list[dict[str, str]], other: str) -> str:
    """The totals in a line; "" without a scorecard.

    Args:
        rows: of the table.
        other: what the dose beside it is called.
    """
    if not rows:
        return ""
    total = rows[-1]
    text = _("Predicted: {points} of {maximum} points ({percent})").format(
        points=total["Points"], maximum=total["Maximum"], percent=total["Value"]
    )
    if CLINICAL_POINTS not in total:
        return text
    return text + "\n" + _("{other}: {points} of {maximum} points ({percent})").format(
        other=other, points=total[CLINICAL_POINTS], maximum=total[f"{CLINICAL} maximum"],
        percent=total[f"{CLINICAL} value"],
    )  # fmt: skip


def remarks(rows: list[dict[str, str]]) -> list[str]:
    """What was left out and why, a line a reason, and what to mind."""
    if not rows:
        return []
    left_out: dict[str, list[str]] = {}
    for row in rows[:-1]:
        if row["Points"] == NONE:
            left_out.setdefault(row["Remark"].rstrip("."), []).append(f"{row['Structure']} {row['Metric']}")
    lines = [f"{reason}: {', '.join(metrics)}." for reason, metrics in left_out.items()]
    return [*lines, rows[-1]["Remark"]] if rows[-1]["Remark"] else lines


def tool_tip(row: dict[str, str]) -> str:
    """All that a row has to say."""
    names = ("Structure", "Metric", "Value", "Points", "Maximum", f"{CLINICAL} value", CLINICAL_POINTS)
    texts = [f"{name}: {row[name]}" for name in names if row.get(name)]
    return "\n".join([*texts, *(row[name] for name in ("Remark", "Source") if row[name])])
