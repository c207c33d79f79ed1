"""The dialog in which goals are edited: a line a goal, and what is wrong in each."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

from DosePredictionLib.dosimetry.goal_editing import GoalDraft, GoalLine, import_goals
from DosePredictionLib.errors import InputError
from DosePredictionPanel.files_to_write import ask_file
from DosePredictionPanel.goal_lines import FIELDS, edited, own_draft
from DosePredictionPanel.section import UI_FOLDER

PROBLEM = len(FIELDS)
#: The text's besides the background's: that of a dark theme is white.
PROBLEM_COLOUR, PROBLEM_TEXT_COLOUR = (1.0, 0.85, 0.83), (0.15, 0.0, 0.0)
ROW_HEIGHT = 24
WIDTHS = {"structure": 150, "metric": 80, "comparator": 34, "limit": 56, "unit": 48, "tolerance": 66, "priority": 56,
          "fractions": 70, "source": 190}  # fmt: skip


class GoalsEditor:
    """Edits a copy of a set of goals.

    Args:
        draft: what to begin with.
        own_folder: where sets are saved unless the user goes elsewhere; made when needed.

    Attributes:
        dialog, ui: its widgets.
    """

    def __init__(self, draft: GoalDraft, own_folder: Path) -> None:
        self._draft, self._own_folder = draft, own_folder
        self._saved: Path | None = None
        self._filling = False
        self.dialog: Any = slicer.util.loadUI(str(UI_FOLDER / "GoalsEditor.ui"))
        self.ui: Any = slicer.util.childWidgetVariables(self.dialog)
        table = self.ui.goalLinesTable
        table.verticalHeader().setDefaultSectionSize(ROW_HEIGHT)
        for column, name in enumerate(FIELDS):
            table.setColumnWidth(column, WIDTHS[name])
        table.horizontalHeader().setStretchLastSection(True)
        table.connect("cellChanged(int,int)", self._on_cell_changed)
        for button, action in (
            (self.ui.addGoalButton, self._on_add),
            (self.ui.removeGoalButton, self._on_remove),
            (self.ui.goalUpButton, lambda *_: self._move(-1)),
            (self.ui.goalDownButton, lambda *_: self._move(1)),
            (self.ui.importGoalsButton, self._on_import),
            (self.ui.saveGoalsButton, self._on_save),
            (self.ui.closeGoalsButton, lambda *_: self.dialog.reject()),
        ):
            button.connect("clicked(bool)", action)
        self.ui.goalsTitleEdit.text = draft.title
        self.ui.goalsTitleEdit.connect("textChanged(QString)", self._on_title)
        self._fill()

    def edit(self) -> Path | None:
        """Show the dialog until it is closed; the file that was saved, or None."""
        self.dialog.exec_()
        self.dialog.deleteLater()
        return self._saved

    def _fill(self, chosen: int = 0) -> None:
        table = self.ui.goalLinesTable
        self._filling = True
        table.setRowCount(len(self._draft.lines))
        for row, line in enumerate(self._draft.lines):
            for column, name in enumerate(FIELDS):
                item = qt.QTableWidgetItem(getattr(line, name))
                if name == "structure":  # its tick: whether the goal is judged
                    item.setFlags(item.flags() | qt.Qt.ItemIsUserCheckable)
                    item.setCheckState(qt.Qt.Checked if line.active else qt.Qt.Unchecked)
                table.setItem(row, column, item)
            problem = qt.QTableWidgetItem()
            problem.setFlags(qt.Qt.ItemIsEnabled | qt.Qt.ItemIsSelectable)
            table.setItem(row, PROBLEM, problem)
        self._filling = False
        if self._draft.lines:
            table.setCurrentCell(min(chosen, len(self._draft.lines) - 1), 0)
        self._show_problems()

    def _show_problems(self) -> None:
        table = self.ui.goalLinesTable
        problems = {problem.line: problem.sentence for problem in self._draft.problems()}
        self._filling = True
        for row in range(len(self._draft.lines)):
            sentence = problems.get(row, "")
            table.item(row, PROBLEM).setText(sentence)
            behind, text = (
                qt.QBrush(qt.QColor.fromRgbF(*colour)) if sentence else qt.QBrush()
                for colour in (PROBLEM_COLOUR, PROBLEM_TEXT_COLOUR)
            )
            for column in range(table.columnCount):
                table.item(row, column).setBackground(behind)
                table.item(row, column).setForeground(text)
                table.item(row, column).setToolTip(sentence or self._draft.lines[row].note)
        self._filling = False
        empty = "" if self._draft.lines else _("There is no goal yet; add one.")
        self._tell(next(iter(problems.values()), empty))
        self.ui.saveGoalsButton.enabled = not problems and bool(self._draft.lines)

    def _tell(self, text: str) -> None:
        self.ui.goalsProblemLabel.text = text

    def _row(self) -> int:
        return int(self.ui.goalLinesTable.currentRow())

    def _on_cell_changed(self, row: int, column: int) -> None:
        if self._filling or column >= PROBLEM:
            return
        item, name = self.ui.goalLinesTable.item(row, column), FIELDS[column]
        if name == "structure":
            self._draft = self._draft.with_line(row, active=item.checkState() == qt.Qt.Checked)
        self._draft = edited(self._draft, row, name, item.text())
        self._show_problems()

    def _on_title(self, *_arguments: Any) -> None:
        self._draft = replace(self._draft, title=self.ui.goalsTitleEdit.text)

    def _on_add(self, *_arguments: Any) -> None:
        place = self._row() + 1 if self._draft.lines else 0
        self._draft = self._draft.with_added([GoalLine()], place)
        self._fill(place)

    def _on_remove(self, *_arguments: Any) -> None:
        row = self._row()
        if 0 <= row < len(self._draft.lines):
            self._draft = self._draft.without(row)
            self._fill(row)

    def _move(self, by: int) -> None:
        row = self._row()
        if 0 <= row < len(self._draft.lines) and 0 <= row + by < len(self._draft.lines):
            self._draft = self._draft.moved(row, row + by)
            self._fill(row + by)

    def _on_import(self, *_arguments: Any) -> None:
        path = qt.QFileDialog.getOpenFileName(
            self.dialog, _("Import goals"), "", _("Planning goals (*.json *.csv *.tsv)")
        )
        if not path:
            return
        try:
            self._draft = import_goals(str(path))
        except InputError as error:
            self._tell(str(error))
            return
        self.ui.goalsTitleEdit.text = self._draft.title or self._draft.name
        self._fill()

    def _on_save(self, *_arguments: Any) -> None:
        self._own_folder.mkdir(parents=True, exist_ok=True)
        place = str(self._own_folder / f"{own_draft(self._draft).name}.json")
        path = ask_file(self.dialog, _("Save goals"), place, _("Planning goals (*.json)"))
        if not path:
            return
        file = Path(path)
        try:
            replace(self._draft, name=file.stem).save(file)
        except InputError as error:
            self._tell(str(error))
            return
        self._saved = file
        self.dialog.accept()
