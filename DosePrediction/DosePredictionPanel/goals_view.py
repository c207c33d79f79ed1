"""The goals in the panel: coloured verdicts, sorted by a click on a heading, a click on a row goes to the structure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import qt
from DosePredictionScene.goals_table import TABLE_ROLE
from DosePredictionScene.hottest_point import hottest_point_in_pieces, judged_segment, jump_slices_to
from DosePredictionScene.measured import CLINICAL, COMPARED
from slicer.i18n import tr as _

from DosePredictionPanel.column_widths import fix_widths
from DosePredictionPanel.goals_rows import (
    COLOURS,
    COLUMNS,
    VALUES,
    column_names,
    goals_rows,
    shown_text,
    sorted_rows,
    verdict_of,
)
from DosePredictionPanel.jobs import Jobs

ROW_HEIGHT, TWO_LINES = 24, 36
WIDTHS = {"Verdict": 40, "Structure": 74, "Predicted": 48, "Clinical": 48, "Difference": 54}
CLINICAL_COLUMNS = (COLUMNS.index(CLINICAL), COLUMNS.index("Difference"))


def verdict_texts() -> dict[str, str]:
    """Verdicts as the table shows them: short, for it is narrow."""
    return {"pass": _("pass"), "tolerance": _("tol."), "fail": _("fail"), "not applicable": _("n/a")}


def heading_tips() -> tuple[str, ...]:
    """What the columns are, in their order."""
    return (
        _("Whether the goal is met: pass, within tolerance (tol.), fail, or not applicable (n/a)"),
        _("Structure"),
        _("Goal"),
        _("Predicted dose, in the unit of the goal"),
        _("Clinical dose, in the unit of the goal"),
        _("Predicted - clinical, in the unit of the goal"),
    )


def tool_tip(row: dict[str, str]) -> str:
    """All that a row has to say."""
    values = (f"{name}: {row[name]}" for name in ("Structure", "Goal", *VALUES, "Tolerance") if row.get(name))
    return "\n".join([*values, *(row[name] for name in ("Reason", "Source") if row.get(name))])


class GoalsView:
    """Shows the goals table of a dose.

    Args:
        table: QTableWidget.
        jobs: does what takes longer.
        tell: shows a sentence to the user.
    """

    def __init__(self, table: Any, jobs: Jobs, tell: Callable[[str], None]) -> None:
        self._table, self._jobs, self._tell = table, jobs, tell
        self._rows: list[dict[str, str]] = []
        self._dose: Any = None
        self._segmentation: Any = None
        self._sorted_by: tuple[int, bool] | None = None
        header = table.horizontalHeader()
        fix_widths(table, {COLUMNS.index(name): width for name, width in WIDTHS.items()})
        header.setSectionsClickable(True)
        for column, tip in enumerate(heading_tips()):
            table.horizontalHeaderItem(column).setToolTip(tip)
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
        self._name_comparison(COMPARED in column_names(node))
        self._fill()

    def _name_comparison(self, other: bool) -> None:
        value, difference = (self._table.horizontalHeaderItem(column) for column in CLINICAL_COLUMNS)
        value.setText(_("Comp.") if other else _("Clin."))
        value.setToolTip(_("Compared dose, in the unit of the goal") if other else heading_tips()[CLINICAL_COLUMNS[0]])
        tip = _("Predicted - compared, in the unit of the goal") if other else heading_tips()[CLINICAL_COLUMNS[1]]
        difference.setToolTip(tip)

    def _fill(self) -> None:
        if self._sorted_by is not None:
            column, descending = self._sorted_by
            self._rows = sorted_rows(self._rows, COLUMNS[column], descending)
        self._table.setRowCount(len(self._rows))
        texts = verdict_texts()
        for number, row in enumerate(self._rows):
            tip = tool_tip(row)
            self._table.setRowHeight(number, TWO_LINES if "\n" in shown_text(row, "Goal") else ROW_HEIGHT)
            for column, name in enumerate(COLUMNS):
                verdict = verdict_of(row)
                item = qt.QTableWidgetItem(texts.get(verdict, "") if name == "Verdict" else shown_text(row, name))
                if name in VALUES:
                    item.setTextAlignment(qt.Qt.AlignRight | qt.Qt.AlignVCenter)
                colour = COLOURS.get(verdict)
                if name == "Verdict" and colour is not None:
                    item.setBackground(qt.QBrush(qt.QColor.fromRgbF(*colour)))
                    item.setForeground(qt.QBrush(qt.QColor("white")))
                item.setToolTip(tip)
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
        name = judged_segment(self._segmentation, self._rows[number].get("Structure", ""))
        self._jobs.add(
            hottest_point_in_pieces(self._dose, self._segmentation, name), lambda point: self._go_to(name, point)
        )

    def _go_to(self, name: str, point: tuple[float, float, float] | None) -> None:
        if point is None:
            self._tell(_("{name} is not in the structures, so there is nowhere to go.").format(name=name))
            return
        jump_slices_to(point)
        self._tell(_("The slices show the highest dose in {name}.").format(name=name))
