"""The module uses no name of `qt`, `ctk` or `slicer` that Slicer does not have; and the lint would see it."""

from __future__ import annotations

from pathlib import Path

import pytest
from lint_api import check_python, findings, module_files


def test_the_module_uses_slicers_names() -> None:
    files = module_files()
    assert any(path.name == "DosePrediction.py" for path in files)
    found = findings(files)
    assert not found, "\n".join(map(str, found))


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("qt.QLable('dose')", "no qt.QLable"),
        ("qt.Signal(int)", "no qt.Signal"),
        ("qt.Qt.AlignTopp", "no qt.Qt.AlignTopp"),
        ("qt.Qt.AlignmentFlag.AlignTop", "flat"),
        ("ctk.ctkSlider()", "no ctk.ctkSlider"),
        ("slicer.qMRMLNodeCombobox()", "no slicer.qMRMLNodeCombobox"),
        ("slicer.vtkMRMLDoseNode()", "no slicer.vtkMRMLDoseNode"),
        ("slicer.mrmlScene.AddNodeByClass('x')", "no slicer.mrmlScene.AddNodeByClass"),
        ("slicer.util.loadDose('x')", "no slicer.util.loadDose"),
        ("slicer.app.mainWidget()", "no slicer.app.mainWidget"),
        ("slicer.modules.volume.logic()", "no slicer.modules.volume"),
        ("slicer.packaging.pip_sure('torch')", "no slicer.packaging.pip_sure"),
        ("from slicer.util import loadDose", "no loadDose"),
        ("from slicer.ScriptedLoadableModule import ScriptedModule", "no ScriptedModule"),
        ("label = qt.QLabel('x'); label.text()", "property, not a method"),
        ("label = qt.QLabel('x'); label.setTxet('y')", "no setTxet"),
        ("label = qt.QLabel('x'); label.setText = 'y'", "can't be assigned"),
        ("label = qt.QLabel(text='x')", "no keyword arguments"),
        ("rows = qt.QFormLayout(); rows.setRowVisible(0, True)", "no setRowVisible"),
        ("button = qt.QPushButton(); button.connect('clickd(bool)', f)", "no signal clickd"),
        ("slider = ctk.ctkSliderWidget(); slider.setMaximum(70)", "no setMaximum"),
        ("box = slicer.qMRMLNodeComboBox(); box.connect('currentNodeChanged(int)', f)", "no signal"),
        (
            "class A:\n  def f(self): self.box = slicer.qMRMLNodeComboBox()\n  def g(self): self.box.noneEnable = True",
            "no noneEnable",
        ),
        ("_(f'dose {x}')", "f-string"),
        ("def f(self):\n  label = qt.QLabel()\n  label.txet\ndef g(self, label):\n  label.txet", "no txet"),
        ("t = qt.QTableWidget(1, 1); t.horizontalHeader().setStretch(0)", "QHeaderView has no setStretch"),
    ],
)
def test_a_mistake_is_found(line: str, told: str) -> None:
    found = check_python(line, "panel.py")
    assert len(found) == 1 and told in found[0].text, found


@pytest.mark.parametrize(
    "line",
    [
        "qt.QMessageBox.Ok | qt.QMessageBox.Cancel",
        "qt.QSizePolicy(qt.QSizePolicy.Expanding, qt.QSizePolicy.Fixed)",
        "box = qt.QMessageBox(); box.text = 'x'; box.exec_(); box.name = 'y'",
        "table = qt.QTableWidget(2, 2); table.item(0, 0).text(); table.rowCount = 3",
        "timer = qt.QTimer(); timer.connect('timeout()', f); qt.QTimer.singleShot(0, f)",
        "button = ctk.ctkCollapsibleButton(); button.collapsed = True; button.connect('toggled(bool)', f)",
        "box = slicer.qMRMLNodeComboBox(); box.connect('currentNodeChanged(vtkMRMLNode *)', f); box.setToolTip('x')",
        "slicer.app.layoutManager().setLayout(slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpView)",
        "slicer.mrmlScene.AddObserver(slicer.mrmlScene.StartCloseEvent, f)",
        "_('dose {x}').format(x=f'{y:.1f}')",
        "for label in labels: label.text()\nlabel = qt.QLabel()",
    ],
)
def test_what_slicer_has_is_not_reported(line: str) -> None:
    assert check_python(line, "panel.py") == []


def test_a_ui_file_and_what_python_takes_from_it_are_checked(tmp_path: Path) -> None:
    ui, python = tmp_path / "panel.ui", tmp_path / "panel.py"
    ui.write_text(
        "<ui><widget class='qMRMLWidget' name='Panel'><widget class='ctkSliderWidget' name='dose'>"
        "<property name='maximun'/><property name='Own' stdset='0'/></widget>"
        "<widget class='QNothing' name='odd'/></widget>"
        "<connections><connection><sender>Panel</sender><signal>sceneChanged()</signal><receiver>dose</receiver>"
        "<slot>setMRMLScene(vtkMRMLScene*)</slot></connection></connections></ui>"
    )
    python.write_text(
        "def show(self):\n self.ui.dose.value = 3\n self.ui.dose.value()\n self.ui.does.value\n"
        " ui = self.ui\n slider = ui.dose\n slider.setMaximum(3)\n ui.does\n"
    )
    told = [finding.text for finding in findings([ui, python])]
    assert told == [
        "ctkSliderWidget.value is a property, not a method",
        "no .ui file has does",
        "ctkSliderWidget has no setMaximum",
        "no .ui file has does",
        "ctkSliderWidget has no slot setMRMLScene(vtkMRMLScene*)",
        "dose: ctkSliderWidget has no property maximun",
        "odd: Slicer has no widget QNothing",
        "qMRMLWidget has no signal sceneChanged()",
    ]
