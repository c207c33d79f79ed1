"""Structures: a table of what each segment is to the prediction, in which every cell can be corrected."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import qt
import slicer
from DosePredictionScene.segment_choices import (
    PRESCRIPTION_TAG,
    ROLE_TAG,
    STANDARD_NAME_TAG,
    SegmentChoice,
    store_choice,
)
from slicer.i18n import tr as _

from DosePredictionLib.errors import InputError
from DosePredictionLib.patient.structure import StructureRole
from DosePredictionPanel.column_widths import fix_widths
from DosePredictionPanel.files_to_write import ask_file
from DosePredictionPanel.name_presets import NamePresets, fitting, preset_of
from DosePredictionPanel.section import Section
from DosePredictionPanel.structure_rows import (
    StructureRow,
    edited_prescription,
    edited_role,
    edited_standard_name,
    missing_organs,
    structure_rows,
)

NAME, ROLE, STANDARD, DOSE, MATCH = range(5)
PROBLEM_COLOUR, REMARK_COLOUR = (0.85, 0.20, 0.15), (0.90, 0.60, 0.05)
ROW_HEIGHT = 24
WIDTHS = {ROLE: 98, DOSE: 58, MATCH: 58}
#: Beside Slicer's settings.
PRESETS_FOLDER = "DosePredictionStructureNames"
WARNING = "\N{WARNING SIGN}"


def role_texts() -> dict[StructureRole, str]:
    """Roles as the table shows them."""
    return {
        StructureRole.TARGET: _("target"),
        StructureRole.OAR: _("OAR"),
        StructureRole.EXTERNAL: _("body"),
        StructureRole.OTHER: _("measured"),
        StructureRole.DOSE_REGION: _("dose region"),
        StructureRole.IGNORED: _("ignored"),
    }


class StructuresSection(Section):
    """The structures of the chosen segmentation.

    Args:
        changed: called when what a structure is has changed.
        tell: shows a sentence to the user.
    """

    def __init__(self, changed: Callable[[], None], tell: Callable[[str], None]) -> None:
        super().__init__("Structures")
        self.rows: list[StructureRow] = []
        self._changed, self._tell = changed, tell
        self._node: Any = None
        self._organs: Sequence[str] = ()
        self._filling = False
        self._role_boxes: list[Any] = []
        table = self.ui.structuresTable
        table.verticalHeader().setVisible(False)
        table.verticalHeader().setDefaultSectionSize(ROW_HEIGHT)
        fix_widths(table, WIDTHS)  # what is left goes to the names
        table.connect("cellChanged(int,int)", self._on_cell_changed)
        self.ui.guessAgainButton.connect("clicked(bool)", self._on_guess_again)
        self.ui.applyPresetButton.connect("clicked(bool)", self._on_apply_preset)
        self.ui.savePresetButton.connect("clicked(bool)", self._on_save_preset)
        self.ui.deletePresetButton.connect("clicked(bool)", self._on_delete_preset)
        self.ui.importPresetButton.connect("clicked(bool)", self._on_import_preset)
        self.ui.exportPresetButton.connect("clicked(bool)", self._on_export_preset)
        self._list_presets()

    def show(self, segmentation_node: Any, organs: Sequence[str]) -> None:
        """Show the structures of a segmentation, or none, and which of the model's organs (TG-263) are missing."""
        self._node, self._organs = segmentation_node, organs
        rows = structure_rows(None if segmentation_node is None else segmentation_node.GetSegmentation())
        if rows != self.rows:
            same_segments = [row.segment_id for row in rows] == [row.segment_id for row in self.rows]
            self.rows = rows
            self._fill(same_segments)
        self.ui.savePresetButton.enabled = self.ui.guessAgainButton.enabled = bool(rows)
        self._tell_note()

    def _fill(self, same_segments: bool) -> None:
        table = self.ui.structuresTable
        self._filling = True
        if not same_segments:
            table.clearContents()
            table.setRowCount(len(self.rows))
            self._role_boxes = [self._role_box(row) for row in range(len(self.rows))]
            for before, box in zip([table, *self._role_boxes], self._role_boxes, strict=False):
                qt.QWidget.setTabOrder(before, box)
        for number, row in enumerate(self.rows):
            self._fill_row(number, row)
        self._filling = False

    def _role_box(self, number: int) -> Any:
        box = qt.QComboBox()
        box.setFocusPolicy(qt.Qt.StrongFocus)
        for role, text in role_texts().items():
            box.addItem(text, role.value)
        self.ui.structuresTable.setCellWidget(number, ROLE, box)
        box.connect("activated(int)", lambda *_: self._on_role(number))
        return box

    def _fill_row(self, number: int, row: StructureRow) -> None:
        choice = row.choice
        dose = "" if choice.prescription_gy is None else f"{choice.prescription_gy:g}"
        name = self._cell(number, NAME, row.name, editable=False)
        square = qt.QPixmap(12, 12)
        square.fill(qt.QColor.fromRgbF(*row.colour))
        name.setIcon(qt.QIcon(square))
        self._role_boxes[number].setCurrentIndex(list(role_texts()).index(choice.role))
        standard = self._cell(number, STANDARD, choice.standard_name or "", editable=True)
        self._cell(number, DOSE, dose, editable=choice.role is StructureRole.TARGET)
        marked = row.problem or row.remark
        match = self._cell(number, MATCH, f"{WARNING} {row.match}" if marked else row.match, editable=False)
        colour = PROBLEM_COLOUR if row.problem else REMARK_COLOUR if row.remark else None
        brush = qt.QBrush() if colour is None else qt.QBrush(qt.QColor.fromRgbF(*colour))
        match.setForeground(brush)
        standard.setToolTip(choice.standard_name or "")
        name.setToolTip("\n".join(part for part in (row.name, marked or choice.reason) if part))
        match.setToolTip(marked or choice.reason)

    def _cell(self, row: int, column: int, text: str, editable: bool) -> Any:
        table = self.ui.structuresTable
        item = table.item(row, column)
        if item is None:
            item = qt.QTableWidgetItem()
            table.setItem(row, column, item)
        if item.text() != text:
            item.setText(text)
        flags = qt.Qt.ItemIsSelectable | qt.Qt.ItemIsEnabled
        item.setFlags(flags | qt.Qt.ItemIsEditable if editable else flags)
        return item

    def _tell_note(self) -> None:
        problems = [row for row in self.rows if row.problem]
        unsure = [row for row in self.rows if row.remark and not row.problem]
        if not self.rows:
            note = _("Choose the structures above.")
        elif problems:
            note = f"{WARNING} {problems[0].problem}"
        elif unsure:
            note = _("Please check: {names}").format(names=", ".join(row.name for row in unsure))
        else:
            note = _("All structures were understood.")
        missing = missing_organs(self.rows, self._organs)
        if self.rows and not problems and missing:
            note += "\n" + _("Missing organs that the model looks for: {organs}.").format(organs=", ".join(missing))
        self.ui.structuresNote.text = note

    def _on_role(self, number: int) -> None:
        role = StructureRole(self._role_boxes[number].itemData(self._role_boxes[number].currentIndex))
        if role is not self.rows[number].choice.role:
            self._store(number, edited_role(self.rows[number].choice, role))

    def _on_cell_changed(self, number: int, column: int) -> None:
        if self._filling or column not in (STANDARD, DOSE):
            return
        text, choice = self.ui.structuresTable.item(number, column).text(), self.rows[number].choice
        try:
            edited = edited_standard_name(choice, text) if column == STANDARD else edited_prescription(choice, text)
        except InputError as error:
            self._tell(str(error))
            self._filling = True
            self._fill_row(number, self.rows[number])
            self._filling = False
            return
        if edited != choice:
            self._store(number, edited)

    def _store(self, number: int, choice: SegmentChoice) -> None:
        segment = self._node.GetSegmentation().GetSegment(self.rows[number].segment_id)
        if segment is not None:  # it may be gone since the table was filled
            store_choice(segment, choice)
        self._refresh()

    def _refresh(self) -> None:
        self.show(self._node, self._organs)
        self._changed()

    def _on_guess_again(self, *_arguments: Any) -> None:
        for row in self.rows:
            segment = self._node.GetSegmentation().GetSegment(row.segment_id)
            for tag in (ROLE_TAG, STANDARD_NAME_TAG, PRESCRIPTION_TAG):
                segment.RemoveTag(tag)
        self._refresh()

    @property
    def _presets(self) -> NamePresets:
        return NamePresets(Path(slicer.app.slicerUserSettingsFilePath).parent / PRESETS_FOLDER)

    def _list_presets(self, chosen: str = "") -> None:
        ui, names = self.ui, self._presets.names()
        selector = ui.presetSelector
        selector.clear()
        selector.addItems(names or [_("none remembered yet")])
        selector.setCurrentIndex(max(selector.findText(chosen), 0))
        for widget in (selector, ui.applyPresetButton, ui.exportPresetButton, ui.deletePresetButton):
            widget.enabled = bool(names)

    def _on_apply_preset(self, *_arguments: Any) -> None:
        preset = self._presets.read(self.ui.presetSelector.currentText)
        found = 0
        for row in self.rows:
            choice = fitting(preset, row.name)
            if choice is not None:
                store_choice(self._node.GetSegmentation().GetSegment(row.segment_id), choice)
                found += 1
        self._tell(_("{found} of {all} names are in the preset.").format(found=found, all=len(self.rows)))
        self._refresh()

    def _on_save_preset(self, *_arguments: Any) -> None:
        name = qt.QInputDialog.getText(
            self.widget, _("Remember names"), _("Name of the preset, such as your institution's:")
        )
        name = str(name or "").strip()
        if name and self._do(lambda: self._presets.save(name, preset_of(self.rows))):
            self._list_presets(name)
            self._tell(_("{count} names are remembered as {name}.").format(count=len(self.rows), name=name))

    def _on_delete_preset(self, *_arguments: Any) -> None:
        self._presets.delete(self.ui.presetSelector.currentText)
        self._list_presets()

    def _on_import_preset(self, *_arguments: Any) -> None:
        path = qt.QFileDialog.getOpenFileName(self.widget, _("Import structure names"), "", _("Names (*.json)"))
        imported: list[str] = []
        if path and self._do(lambda: imported.append(self._presets.import_file(str(path)))):
            self._list_presets(imported[0])
            self._tell(_("{name} was imported; Apply uses it.").format(name=imported[0]))

    def _on_export_preset(self, *_arguments: Any) -> None:
        name = self.ui.presetSelector.currentText
        path = ask_file(self.widget, _("Export structure names"), f"{name}.json", _("Names (*.json)"))
        if path and self._do(lambda: self._presets.export_file(name, path)):
            self._tell(_("Written: {where}").format(where=path))

    def _do(self, action: Callable[[], Any]) -> bool:
        """Do something with files; whether it could be done. What went wrong is told."""
        try:
            action()
        except (InputError, OSError) as error:
            self._tell(str(error))
            return False
        return True
