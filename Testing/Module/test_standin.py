"""The stand-in follows PythonQt's rules: what works in Slicer works here, what fails in Slicer fails here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from standin.session import Standin

pytestmark = pytest.mark.usefixtures("standin")


@pytest.fixture
def qt(standin: Standin) -> Any:
    import qt

    return qt


# Attributes


def test_qt_properties_are_attributes_and_their_setters_stay(qt: Any) -> None:
    label = qt.QLabel("dose")
    assert label.text == "dose"
    label.text = "DVH"
    assert label.text == "DVH"
    label.setText("goals")
    assert label.text == "goals"
    with pytest.raises(TypeError):
        label.text()  # 'str' object is not callable, as in Slicer
    button = qt.QPushButton()
    button.checkable = True
    assert button.isCheckable() and not button.checked, "getters that are no property are called"


def test_properties_of_objects_made_by_qt_itself_are_attributes_too(qt: Any) -> None:
    table = qt.QTableWidget(3, 2)
    assert (table.rowCount, table.columnCount) == (3, 2)
    assert table.horizontalHeader().stretchLastSection is False
    assert table.item(0, 0) is None, "no property of this name: a method"


def test_an_inherited_property_wins_over_a_getter_of_the_class(qt: Any) -> None:
    assert isinstance(qt.QVBoxLayout().spacing, int)


@pytest.mark.parametrize(
    ("widget", "name", "given", "kept"),
    [
        ("QPushButton", "enabled", None, False),
        ("QPushButton", "text", 5, "5"),
        ("QSpinBox", "value", 7.9, 7),
        ("QDoubleSpinBox", "value", 7, 7.0),
        ("QCheckBox", "checked", [1], True),
    ],
)
def test_assigned_values_are_converted_as_pythonqt_does(qt: Any, widget: str, name: str, given: Any, kept: Any) -> None:
    made = getattr(qt, widget)()
    setattr(made, name, given)
    assert getattr(made, name) == kept
    assert type(getattr(made, name)) is type(kept)


@pytest.mark.parametrize(
    ("widget", "name", "value"),
    [
        ("QSpinBox", "value", "seventy"),
        ("QProgressBar", "maximum", None),
        ("QWidget", "width", 3),
        ("QLabel", "setText", 1),
    ],
)
def test_what_pythonqt_refuses_to_assign_is_refused(qt: Any, widget: str, name: str, value: Any) -> None:
    with pytest.raises(AttributeError, match=name):
        setattr(getattr(qt, widget)(), name, value)


def test_unknown_attributes_are_neither_read_nor_made(qt: Any) -> None:
    label = qt.QLabel()
    with pytest.raises(AttributeError, match="no attribute named 'txet'"):
        _ = label.txet
    with pytest.raises(AttributeError, match="creating new attributes on C"):
        label.txet = "dose"
    assert not hasattr(label, "txet")


def test_classes_in_python_have_attributes_of_their_own_but_not_over_slots(qt: Any) -> None:
    class Panel(qt.QWidget):
        def __init__(self) -> None:
            super().__init__()
            self.patient = "P-1"

    panel = Panel()
    assert panel.patient == "P-1"
    with pytest.raises(AttributeError, match="Slot 'layout' can not be overwritten"):
        panel.layout = qt.QVBoxLayout()


def test_name_is_the_object_name_and_children_are_found_by_it(qt: Any) -> None:
    parent = qt.QWidget()
    child = qt.QLabel("inside", parent)
    child.name = "doseLabel"
    assert child.objectName == "doseLabel"
    assert parent.doseLabel is child
    assert parent.findChild("QLabel", "doseLabel") is child
    assert parent.findChildren(qt.QLabel) == [child] == parent.findChildren("QWidget")
    assert child.className() == "QLabel"


def test_dynamic_properties_are_attributes(qt: Any) -> None:
    label = qt.QLabel()
    label.setProperty("SlicerParameterName", "ct")
    assert label.SlicerParameterName == "ct"
    label.SlicerParameterName = "dose"
    assert label.property("SlicerParameterName") == "dose"


@pytest.mark.parametrize(
    ("owner", "name"),
    [
        ("QFormLayout", "setRowVisible"),
        ("QColor", "toTuple"),
        ("QFont", "setFeature"),
        ("QComboBox", "labelDrawingMode"),
    ],
)
def test_what_only_pyside_or_only_qt_6_has_is_hidden(qt: Any, owner: str, name: str) -> None:
    assert not hasattr(getattr(qt, owner)(), name)


def test_names_of_the_kits_are_slicers(qt: Any) -> None:
    import ctk
    import slicer

    for kit, name in ((qt, "Signal"), (qt, "QRhi"), (ctk, "ctkNothing"), (slicer, "qMRMLNothing"), (slicer, "nothing")):
        with pytest.raises(AttributeError):
            getattr(kit, name)
    for kit, name in ((qt, "QOpenGLWidget"), (ctk, "ctkCoordinatesWidget"), (slicer, "qMRMLTreeView")):
        with pytest.raises(NotImplementedError, match=name):
            getattr(kit, name)


def test_enums_are_flat_and_ints(qt: Any) -> None:
    assert qt.QMessageBox.Ok == 0x400
    assert qt.Qt.AlignLeft | qt.Qt.AlignTop == 0x21
    assert isinstance(qt.QLabel().alignment, int)
    item = qt.QTableWidgetItem("PTV70")
    item.setFlags(item.flags() & ~qt.Qt.ItemIsEditable)
    assert not item.flags() & qt.Qt.ItemIsEditable


def test_keywords_of_python_get_an_underscore(qt: Any) -> None:
    assert callable(qt.QDialog.exec_)
    assert callable(qt.QWidget.raise_)


# Signals


def test_signals_connect_in_both_ways_and_slots_get_what_they_take(qt: Any) -> None:
    button, got = qt.QPushButton(), []
    button.checkable = True

    def none() -> None:
        got.append("none")

    def one(checked: bool) -> None:
        got.append(checked)

    def any_number(*arguments: Any) -> None:
        got.append(arguments)

    assert button.connect("clicked(bool)", none)
    assert button.clicked.connect(one)
    button.connect("clicked(bool)", any_number)
    button.connect("clicked()", any_number)
    button.connect("toggled(bool)", button.setFlat)
    button.click()
    assert got == ["none", True, (True,), ()]
    assert button.flat


def test_slots_of_objects_in_python_are_methods_too(qt: Any) -> None:
    class Counter:
        clicks = 0

        def count(self) -> None:
            self.clicks += 1

    counter, button = Counter(), qt.QPushButton()
    button.connect("clicked(bool)", counter.count)
    button.click()
    assert button.disconnect("clicked(bool)", counter.count)
    button.click()
    assert counter.clicks == 1
    assert not button.disconnect("clicked(bool)", counter.count), "there was none"


@pytest.mark.parametrize("made", ["QLabel.clear", "ctkPathLineEdit.browse"])
def test_slots_of_qt_and_ctk_get_all_arguments(standin: Standin, qt: Any, made: str) -> None:
    import ctk

    name, slot = made.split(".")
    widget, button = getattr(ctk if name.startswith("ctk") else qt, name)(), qt.QPushButton()
    button.connect("clicked(bool)", getattr(widget, slot))  # takes no argument, gets one
    button.click()
    assert len(standin.failures.exceptions) == 1 and isinstance(standin.failures.exceptions[0], TypeError)
    standin.failures.clear()


def test_a_signal_is_connected_to_a_slot_by_signature(qt: Any) -> None:
    box, label = qt.QSpinBox(), qt.QLabel()
    box.connect("valueChanged(int)", label, "setNum(int)")
    box.value = 70
    assert label.text == "70"


def test_connecting_to_a_signal_that_does_not_exist_raises(qt: Any) -> None:
    with pytest.raises(RuntimeError, match=r"clickd\(bool\)' does not exist on QPushButton"):
        qt.QPushButton().connect("clickd(bool)", print)
    with pytest.raises(RuntimeError, match="valueChanged"):
        qt.QDoubleSpinBox().connect("valueChanged(int)", print)
    with pytest.raises(AttributeError):
        qt.QPushButton().clickd.connect(print)
    with pytest.raises(TypeError, match="can't be called"):
        qt.QPushButton().clicked.connect(None)


def test_blocked_signals_are_not_delivered(qt: Any) -> None:
    import ctk

    got: list[float] = []
    for box, signal in ((qt.QDoubleSpinBox(), "valueChanged(double)"), (ctk.ctkSliderWidget(), "valueChanged(double)")):
        box.connect(signal, got.append)
        box.blockSignals(True)
        box.value = 5.0
        box.blockSignals(False)
        box.value = 6.0
    assert got == [6.0, 6.0]


def test_timers(standin: Standin, qt: Any) -> None:
    rung: list[str] = []
    timer = qt.QTimer()
    timer.setSingleShot(True)
    timer.setInterval(0)
    timer.connect("timeout()", lambda: rung.append("timer"))
    timer.start()
    qt.QTimer.singleShot(0, lambda: rung.append("shot"))
    standin.process_events(lambda: len(rung) == 2)
    assert sorted(rung) == ["shot", "timer"] and not timer.active
    with pytest.raises(AttributeError):
        timer.singleShot = True  # the static method, in PythonQt


# What is swallowed elsewhere


def test_an_exception_in_a_slot_is_collected(standin: Standin, qt: Any) -> None:
    import ctk
    import vtk

    def fail(*_: Any) -> None:
        raise ValueError("in a slot")

    button, slider, node = qt.QPushButton(), ctk.ctkSliderWidget(), vtk.vtkObject()
    button.connect("clicked(bool)", fail)
    slider.connect("valueChanged(double)", fail)
    node.AddObserver("ModifiedEvent", fail)
    qt.QTimer.singleShot(0, fail)
    button.click()
    slider.value = 3
    node.Modified()
    standin.process_events(lambda: len(standin.failures.exceptions) == 4)
    assert "in a slot" in standin.failures.report()
    standin.failures.clear()


# .ui files

UI = """<ui version="4.0"><class>Panel</class>
<widget class="qMRMLWidget" name="Panel"><layout class="QFormLayout" name="form">
<item row="0" column="1"><widget class="qMRMLNodeComboBox" name="ctSelector">
 <property name="nodeTypes"><stringlist><string>vtkMRMLScalarVolumeNode</string></stringlist></property>
 <property name="noneEnabled"><bool>true</bool></property>
 <property name="toolTip"><string>The planning CT</string></property>
 <property name="SlicerParameterName" stdset="0"><string>ct</string></property></widget></item>
<item row="1" column="1"><widget class="ctkSliderWidget" name="doseSlider">
 <property name="maximum"><double>80.0</double></property><property name="value"><double>70.0</double></property>
 <property name="suffix"><string> Gy</string></property></widget></item>
<item row="2" column="1"><widget class="ctkPathLineEdit" name="goalsPath">
 <property name="filters"><set>ctkPathLineEdit::Files|ctkPathLineEdit::Readable</set></property></widget></item>
<item row="3" column="1"><widget class="ctkCollapsibleButton" name="section">
 <property name="text"><string>Results</string></property><property name="collapsed"><bool>true</bool></property>
 <layout class="QVBoxLayout" name="inner"><item><widget class="QCheckBox" name="overlayCheckBox"/></item></layout>
</widget></item></layout></widget>
<connections><connection><sender>Panel</sender><signal>mrmlSceneChanged(vtkMRMLScene*)</signal>
<receiver>ctSelector</receiver><slot>setMRMLScene(vtkMRMLScene*)</slot></connection></connections></ui>"""


def load_ui(folder: Path, text: str) -> Any:
    import slicer

    path = folder / "panel.ui"
    path.write_text(text, encoding="utf-8")
    return slicer.util.loadUI(str(path))


def test_a_ui_file_is_loaded_with_slicers_widgets(tmp_path: Path) -> None:
    import slicer

    panel = load_ui(tmp_path, UI)
    ui = slicer.util.childWidgetVariables(panel)
    assert ui.ctSelector.nodeTypes == ["vtkMRMLScalarVolumeNode"] and ui.ctSelector.noneEnabled
    assert ui.ctSelector.toolTip == "The planning CT" and ui.ctSelector.SlicerParameterName == "ct"
    assert (ui.doseSlider.value, ui.doseSlider.suffix) == (70.0, " Gy")
    assert ui.goalsPath.filters == 0x12
    assert ui.section.collapsed and ui.overlayCheckBox.parent() is ui.section
    panel.setMRMLScene(slicer.mrmlScene)
    assert ui.ctSelector.mrmlScene() is slicer.mrmlScene, "the connection of the .ui file"


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('"ctkSliderWidget"', '"ctkNothing"', "ctkNothing"),
        ('name="suffix"', 'name="sufix"', "no property sufix"),
        ("mrmlSceneChanged(vtkMRMLScene*)", "sceneChanged()", "sceneChanged"),
        ("setMRMLScene(vtkMRMLScene*)", "setScene(vtkMRMLScene*)", "setScene"),
    ],
)
def test_a_mistake_in_a_ui_file_raises(tmp_path: Path, old: str, new: str, told: str) -> None:
    with pytest.raises((ValueError, RuntimeError, AttributeError), match=told):
        load_ui(tmp_path, UI.replace(old, new))
