"""The goals in the panel: coloured verdicts, sorted by a click on a heading, a click on a row goes to the structure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import qt
from DosePredictionScene.goals_table import TABLE_ROLE
from DosePredictionScene.hottest_point import hottest_point, jump_slices_to
from slicer.i18n import tr as _

from DosePredictionPanel.goals_rows import COLOURS, COLUMNS, goals_rows, sorted_rows, verdict_of

ROW_HEIGHT = 24
CLINICAL_COLUMNS = (COLUMNS.index("Clinical"), COLUMNS.index("Difference"))


class GoalsView:
    """Shows the goals table of a dose.

    Args:
        table: QTableWidget.
        tell: shows a sentence to the user.
    """

    def __init__(self, table: Any, tell: Callable[[str], None]) -> None:
        self._table, self._tell = table, tell
        self._rows: list[dict[str, str]] = []
        self._dose: Any = None
        self._segmentation: Any = None
        self._sorted_by: tuple[int, bool] | None = None
        header = table.horizontalHeader()
        header.setSectionResizeMode(qt.QHeaderView.ResizeToContents)
        header.setSectionsClickable(True)
        table.verticalHeader().setVisible(False)
        table.verticalHeader().setDefaultSectionSize(ROW_HEIGHT)
        header.connect("sectionClicked(int)", self._on_heading)
        table.connect("cellClicked(int,int)", self._on_row)
        table.connect("cellActivated(int,int)", self._on_row)

    def show(self, dose: Any, segmentation: Any) -> None:
        """Show the goals of a dose, or none."""
        self._dose, self._segmentation = dose, segmentation
        node = None if dose is None else dose.GetNodeReference(TABLE_ROLE)
        self._rows = goals_rows(node)
        compared = bool(self._rows) and "Clinical" in self._rows[0]
        for column in CLINICAL_COLUMNS:
            self._table.setColumnHidden(column, not compared)
        self._fill()

    def _fill(self) -> None:
        if self._sorted_by is not None:
            column, descending = self._sorted_by
            self._rows = sorted_rows(self._rows, COLUMNS[column], descending)
        self._table.setRowCount(len(self._rows))
        for number, row in enumerate(self._rows):
            for column, name in enumerate(COLUMNS):
                text = verdict_of(row) if name == "Verdict" else row.get(name, "")
                item = qt.QTableWidgetItem(text)
                colour = COLOURS.get(verdict_of(row))
                if name == "Verdict" and colour is not None:
                    item.setBackground(qt.QBrush(qt.QColor.fromRgbF(*colour)))
                    item.setForeground(qt.QBrush(qt.QColor("white")))
                item.setToolTip("\n".join(part for part in (row.get("Reason"), row.get("Source")) if part))
                self._table.setItem(number, column, item)

    def _on_heading(self, column: int) -> None:
        descending = self._sorted_by == (column, False)
        self._sorted_by = (column, descending)
        header = self._table.horizontalHeader()
        header.setSortIndicatorShown(True)
        header.setSortIndicator(column, qt.Qt.DescendingOrder if descending else qt.Qt.AscendingOrder)
        self._fill()

    def _on_row(self, number: int, _column: int) -> None:
        if self._dose is None or self._segmentation is None or not 0 <= number < len(self._rows):
            return
        name = self._rows[number].get("Structure", "")
        point = hottest_point(self._dose, self._segmentation, name)
        if point is None:
            self._tell(_("{name} is not in the structures, so there is nowhere to go.").format(name=name))
            return
        jump_slices_to(point)
        self._tell(_("The slices show the highest dose in {name}.").format(name=name))
