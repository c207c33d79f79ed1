"""The panel without a mouse: the order of Tab, underlined letters, Enter and Escape; what is always in sight."""

from __future__ import annotations

import re
from types import SimpleNamespace
from typing import Any

from panel_session import Session
from PySide6 import QtCore, QtWidgets
from PySide6.QtTest import QTest
from standin.gestures import click_cell

#: Widgets beside each other differ by this many pixels at most.
SAME_LINE = 12
KEY, CONTROL = QtCore.Qt.Key, QtCore.Qt.KeyboardModifier.ControlModifier


def test_control_enter_predicts_and_escape_cancels(session: Session) -> None:
    session.phantom()
    line = session.panel.inputs.ui.sampleDataButton
    line.setFocus()
    QTest.keyClick(line, KEY.Key_Escape)
    assert not session.panel.logic.busy, "nothing to cancel"
    QTest.keyClick(line, KEY.Key_Return, CONTROL)
    session.standin.process_events(until=lambda: session.predictor.busy)
    QTest.keyClick(line, KEY.Key_Escape)
    session.standin.process_events(until=lambda: not session.panel.logic.busy)
    session.settle()
    assert session.status == "Cancelled."


def test_enter_presses_the_button_and_only_there(session: Session) -> None:
    session.phantom()
    button, box = session.panel.run.ui.predictButton, session.panel.inputs.ui.sampleDataButton
    box.setFocus()
    QTest.keyClick(box, KEY.Key_Return)
    assert not session.panel.logic.busy
    button.setFocus()
    QTest.keyClick(button, KEY.Key_Return)
    session.standin.process_events(until=lambda: session.predictor.busy)
    QTest.keyClick(button, KEY.Key_Return)  # Cancel by now
    session.standin.process_events(until=lambda: not session.panel.logic.busy)


def test_control_enter_does_nothing_while_something_is_missing(session: Session) -> None:
    line = session.panel.inputs.ui.sampleDataButton
    line.setFocus()
    QTest.keyClick(line, KEY.Key_Return, CONTROL)
    assert not session.panel.logic.busy


def test_tab_goes_down_the_panel_and_through_the_tables(session: Session) -> None:
    session.phantom()
    session.predict()
    for section in (session.panel.prescription, session.panel.model):
        section.widget.collapsed = False
    session.settle()
    contents, first = session.panel._scroll_area.widget(), session.panel.inputs.widget
    stops, widget = [], first.nextInFocusChain()
    while widget is not first:
        takes_tab = widget.focusPolicy & QtCore.Qt.FocusPolicy.TabFocus and widget.isVisible() and widget.isEnabled()
        if takes_tab and contents.isAncestorOf(widget):
            stops.append(widget)
        widget = widget.nextInFocusChain()
    places = [widget.mapTo(contents, QtCore.QPoint(0, 0)).y() for widget in stops]
    assert len(stops) > 40
    backwards = [(a, b) for a, b in zip(places, places[1:], strict=False) if b < a - SAME_LINE]
    assert not backwards, places
    for table in (session.panel.structures.ui.structuresTable, session.panel.results.ui.goalsTable):
        assert not table.tabKeyNavigation, "Tab leaves a table; the arrows move in it"


def test_underlined_letters_are_used_once_a_section(session: Session) -> None:
    session.phantom()
    panel = session.panel
    sections = (panel.inputs, panel.structures, panel.prescription, panel.model, panel.run, panel.results)
    for section in sections:
        letters = [letter for text in texts_of(section.widget) for letter in re.findall(r"&(\w)", text.lower())]
        assert letters and len(letters) == len(set(letters)), f"{section.widget.text}: {letters}"
    for label in panel.results.widget.findChildren(QtWidgets.QLabel):
        if "&" in label.text:
            assert label.buddy() is not None, f"{label.text} leads nowhere"


def test_alt_and_tab_get_to_the_node_selectors(session: Session) -> None:
    ui, window = session.panel.inputs.ui, session.host.panel
    window.activateWindow()
    session.standin.process_events(until=lambda: window.isActiveWindow)
    names = ("ctSelector", "segmentationSelector", "clinicalDoseSelector")
    boxes = [getattr(ui, name).findChild(QtWidgets.QComboBox) for name in names]
    for name, box in zip(names, boxes, strict=True):
        (letter,) = re.findall(r"&(\w)", getattr(ui, f"{name}Label").text)
        session.panel.run.ui.predictButton.setFocus()
        QTest.keyClick(window, letter, QtCore.Qt.KeyboardModifier.AltModifier)
        assert QtWidgets.QApplication.focusWidget() is box, letter
    boxes[0].setFocus()
    for box in boxes[1:]:
        QTest.keyClick(QtWidgets.QApplication.focusWidget(), KEY.Key_Tab)
        assert QtWidgets.QApplication.focusWidget() is box


def test_a_node_selector_without_a_combo_box_is_left_as_it_is(session: Session) -> None:
    from DosePredictionPanel.section import _that_takes_keys

    field = SimpleNamespace(className=lambda: "qMRMLNodeComboBox", findChild=lambda _kind: None)
    assert _that_takes_keys(field) is field


def texts_of(widget: Any) -> list[str]:
    kinds = (QtWidgets.QLabel, QtWidgets.QAbstractButton)
    return [child.text for kind in kinds for child in widget.findChildren(kind) if child.text]


def test_what_it_is_for_is_in_sight_wherever_the_panel_is_scrolled(session: Session) -> None:
    session.phantom()
    session.predict()
    notice, outer = session.panel.notice, session.host.panel
    assert "not for clinical decisions" in notice.text
    assert outer.verticalScrollBar().maximum == 0, "only the part below the notice scrolls"
    bar = session.panel._scroll_area.verticalScrollBar()
    assert bar.maximum > 200
    for value in (0, bar.maximum):
        bar.value = value
        session.standin.process_events()
        place = notice.mapTo(outer, QtCore.QPoint(0, 0))
        assert 0 <= place.y() and place.y() + notice.height <= outer.height
        assert notice.isVisible() and not notice.visibleRegion().isEmpty()


def test_what_a_narrow_dock_cuts_off_can_be_scrolled_to(session: Session) -> None:
    session.phantom()
    session.predict()
    panel, outer = session.panel, session.host.panel
    for section in (panel.inputs, panel.structures, panel.prescription, panel.model, panel.run, panel.results):
        section.widget.collapsed = False
    session.settle()
    area, bar = panel._scroll_area, panel._scroll_area.horizontalScrollBar()
    assert bar.maximum == 0, "a dock of the usual width shows all"
    outer.resize(300, outer.height)
    session.standin.process_events()
    assert bar.isVisible() and bar.maximum == area.widget().width - area.viewport().width > 0
    bar.value = bar.maximum
    button = panel.results.ui.exportDicomButton
    right = button.mapTo(area.viewport(), QtCore.QPoint(button.width, 0)).x()
    assert right <= area.viewport().width


def test_the_goals_do_not_scroll_sideways(session: Session) -> None:
    session.phantom()
    session.predict()
    table = session.panel.results.ui.goalsTable
    assert table.horizontalHeader().length() <= table.viewport().width


def test_what_is_being_typed_counts_for_ctrl_enter(session: Session) -> None:
    session.phantom()
    session.panel.prescription.widget.collapsed = False
    session.settle()
    line = session.panel.prescription.ui.beamAnglesEdit
    line.setFocus()
    QTest.keyClicks(line, "0, 72, 144")
    QTest.keyClick(line, QtCore.Qt.Key.Key_Return, QtCore.Qt.KeyboardModifier.ControlModifier)
    session.standin.process_events(until=lambda: session.predictor.busy)
    assert [beam.gantry_deg for beam in session.predictor.patient.beams.beams] == [0.0, 72.0, 144.0]
    session.predictor.finish()
    session.standin.process_events(until=lambda: not session.panel.logic.busy)
    table = session.panel.structures.ui.structuresTable
    row = next(i for i, one in enumerate(session.panel.structures.rows) if one.choice.role.value == "target")
    click_cell(table, row, 3, double=True)
    editor = table.findChild(QtWidgets.QLineEdit)
    editor.selectAll()
    QTest.keyClicks(editor, "66")
    QTest.keyClick(editor, QtCore.Qt.Key.Key_Return, QtCore.Qt.KeyboardModifier.ControlModifier)
    session.standin.process_events(until=lambda: session.predictor.busy)
    assert [target.prescription_gy for target in session.predictor.patient.targets] == [66.0]


def test_a_line_that_is_being_typed_is_not_wiped(session: Session) -> None:
    session.phantom()
    session.predict()
    line = session.panel.results.ui.levelsEdit
    line.setFocus()
    QTest.keyClicks(line, "50, 9")
    session.panel.refresh()
    assert line.text == "50, 9"
    QTest.keyClicks(line, "5")
    QTest.keyClick(line, QtCore.Qt.Key.Key_Return)
    session.settle()
    assert session.panel.parameters.isodose_levels == "50, 95"
    session.panel.parameters.isodose_levels = "20"
    session.settle()
    assert line.text == "20", "what is chosen elsewhere is shown again once the line was finished"
