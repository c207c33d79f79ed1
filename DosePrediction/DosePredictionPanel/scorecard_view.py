"""The scorecard in the panel: points a row and in all, beside those of another dose, and what was left out."""

from __future__ import annotations

from typing import Any

import qt
from DosePredictionScene.measured import COMPARED
from DosePredictionScene.scorecard_table import TABLE_ROLE
from slicer.i18n import tr as _

from DosePredictionPanel.column_widths import fix_widths
from DosePredictionPanel.goals_rows import NUMBER, column_names
from DosePredictionPanel.scorecard_rows import (
    CLINICAL_POINTS,
    COLUMNS,
    counted,
    remarks,
    scorecard_rows,
    tool_tip,
    total_text,
)

ROW_HEIGHT, HIGHEST = 24, 500
WIDTHS = {"Structure": 84, "Value": 52, "Points": 46, CLINICAL_POINTS: 46, "Maximum": 42}
CLINICAL_COLUMN = COLUMNS.index(CLINICAL_POINTS)
FIGURES = COLUMNS[2:]


def heading_tips(other: bool) -> tuple[str, ...]:
    """What the columns are, in their order.

    Args:
        other: whether the dose compared with is another than the clinical one.
    """
    return (
        _("Structure"),
        _("Metric, with the unit of its value"),
        _("Predicted dose, in the unit of the metric"),
        _("Points of the predicted dose"),
        _("Points of the compared dose") if other else _("Points of the clinical dose"),
        _("Points at most"),
    )


class ScorecardView:
    """Shows the scorecard of a dose.

    Args:
        table: QTableWidget.
        total: QLabel.
        remarks_box: QPlainTextEdit; sentences get long and many, and must not widen the panel.
    """

    def __init__(self, table: Any, total: Any, remarks_box: Any) -> None:
        self._table, self._total, self._remarks = table, total, remarks_box
        fix_widths(table, {COLUMNS.index(name): width for name, width in WIDTHS.items()})
        table.verticalHeader().setVisible(False)
        table.verticalHeader().setDefaultSectionSize(ROW_HEIGHT)
        total.setTextFormat(qt.Qt.PlainText)

    def show(self, dose: Any) -> None:
        """Show the scorecard of a dose, or none."""
        node = None if dose is None else dose.GetNodeReference(TABLE_ROLE)
        rows = scorecard_rows(node)
        names = column_names(node)
        other = any(name.startswith(COMPARED) for name in names)
        self._table.setColumnHidden(CLINICAL_COLUMN, not rows or CLINICAL_POINTS not in rows[0])
        self._table.horizontalHeaderItem(CLINICAL_COLUMN).setText(_("Comp.") if other else _("Clin."))
        for column, tip in enumerate(heading_tips(other)):
            self._table.horizontalHeaderItem(column).setToolTip(tip)
        self._fill(counted(rows))
        self._total.text = total_text(rows, _("Compared") if other else _("Clinical"))
        left_out = "\n".join(remarks(rows))
        self._remarks.plainText = left_out
        self._table.visible = self._total.visible = bool(rows)
        self._remarks.visible = bool(left_out)

    def _fill(self, rows: list[dict[str, str]]) -> None:
        self._table.setRowCount(len(rows))
        for number, row in enumerate(rows):
            total, tip = row is rows[-1], tool_tip(row)
            for column, name in enumerate(COLUMNS):
                text = row.get(name, "")
                if name == "Value" and not total:  # the metric has the unit
                    figure = NUMBER.match(text)
                    text = figure[0] if figure else text
                item = qt.QTableWidgetItem(text)
                if name in FIGURES:
                    item.setTextAlignment(qt.Qt.AlignRight | qt.Qt.AlignVCenter)
                if total:
                    font = item.font()
                    font.setBold(True)
                    item.setFont(font)
                item.setToolTip(tip)
                self._table.setItem(number, column, item)
        self._table.setFixedHeight(min(HIGHEST, ROW_HEIGHT * (len(rows) + 1) + 2))
