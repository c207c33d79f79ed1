"""What stands for the application: dialogs, installer, managers, and the module's panel as it is today."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cmake_lists import ROOT
from DosePredictionScene.self_test import phantom_nodes
from phantom_scene import volume_node
from standin import fixtures, gestures
from standin.dialogs import UnexpectedDialog
from standin.main_thread_watch import watched_main_thread
from standin.session import Standin

MODULE = ROOT / "DosePrediction" / "DosePrediction.py"


@pytest.fixture
def slicer(standin: Standin) -> Any:
    import slicer

    return slicer


# The fixture


def test_a_collected_exception_or_warning_fails_the_test(tmp_path: Path) -> None:
    from PySide6 import QtWidgets

    def slot() -> None:
        raise ValueError("in a slot")

    def with_exception() -> None:
        button = QtWidgets.QPushButton()
        button.connect("clicked(bool)", slot)
        button.click()

    def with_warning() -> None:
        widget = QtWidgets.QWidget()
        QtWidgets.QVBoxLayout(widget)
        QtWidgets.QVBoxLayout(widget)

    for mistake, told in ((with_exception, "ValueError: in a slot"), (with_warning, "already has a layout")):
        test: Iterator[Standin] = fixtures._standin(Standin(tmp_path))
        next(test)
        mistake()
        with pytest.raises(AssertionError, match=told):
            next(test)


def test_the_place_is_given_back(tmp_path: Path) -> None:
    import sys

    import slicer

    before, modules, qt = slicer.app, set(vars(slicer.modules)), sys.modules.get("qt")
    inner: Iterator[Standin] = fixtures._standin(Standin(tmp_path, main_window=False))
    next(inner)
    assert slicer.app.layoutManager() is None
    slicer.modules.sampleDataSources = {}
    with pytest.raises(StopIteration):
        next(inner)
    assert slicer.app is before
    assert set(vars(slicer.modules)) == modules
    assert sys.modules.get("qt") is qt


# The application


def test_the_application_has_slicers_names_and_no_others(slicer: Any) -> None:
    assert slicer.app.mrmlScene() is slicer.mrmlScene
    assert slicer.app.applicationLogic().IsA("vtkSlicerApplicationLogic")
    assert slicer.util.getModuleLogic(slicer.modules.volumes).IsA("vtkSlicerVolumesLogic")
    assert (slicer.app.majorVersion, slicer.app.testingEnabled()) == (5, False)
    with pytest.raises(AttributeError):
        slicer.app.lay_out_views()
    with pytest.raises(NotImplementedError):
        slicer.app.pythonManager()
    said: list[str] = []
    slicer.app.connect("startupCompleted()", lambda: said.append("started"))
    slicer.app.startupCompleted.emit()
    assert said == ["started"]


def test_settings_are_files_of_the_test_alone(slicer: Any, tmp_path: Path) -> None:
    import qt

    slicer.app.userSettings().setValue("DosePrediction/Samples", 4)
    qt.QSettings().setValue("DosePrediction/Steps", 8)
    assert int(slicer.app.settings().value("DosePrediction/Samples", 1)) == 4
    assert slicer.util.settingsValue("DosePrediction/Steps", 1, int) == 8
    assert slicer.app.userSettings().value("DosePrediction/Nothing") is None
    assert Path(slicer.app.userSettings().fileName()).is_relative_to(tmp_path)
    assert Path(qt.QSettings().fileName()).is_relative_to(tmp_path)


def test_without_a_main_window_there_is_no_layout_manager(standin_without_window: Standin) -> None:
    import slicer

    assert slicer.app.layoutManager() is None and slicer.util.mainWindow() is None
    slicer.util.errorDisplay("the weights are missing")
    assert standin_without_window.dialogs.shown == [], "only logged, as in Slicer"


def test_the_layout_manager_is_the_scenes_layout(slicer: Any) -> None:
    layout = slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpPlotTableView
    manager, said = slicer.app.layoutManager(), []
    manager.connect("layoutChanged(int)", said.append)
    manager.setLayout(layout)
    assert slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLLayoutNode").GetViewArrangement() == manager.layout == layout
    assert said == [layout]
    assert list(manager.sliceViewNames()) == ["Red", "Green", "Yellow"]
    red = manager.sliceWidget("Red")
    assert red.mrmlSliceNode().GetLayoutName() == "Red"
    ct = volume_node(np.zeros((4, 5, 6), np.int16))
    slicer.util.setSliceViewerLayers(background=ct, fit=True)
    assert red.sliceLogic().GetSliceCompositeNode().GetBackgroundVolumeID() == ct.GetID()
    assert slicer.util.mainWindow().moduleSelector().selectedModule == ""
    slicer.util.selectModule("Volumes")
    assert slicer.util.selectedModule() == "Volumes"


def test_nodes_are_written_and_read(slicer: Any, tmp_path: Path) -> None:
    array = np.arange(120, dtype=np.float32).reshape(4, 5, 6)
    path = tmp_path / "dose.nrrd"
    assert slicer.util.exportNode(volume_node(array, (2.0, 3.0, 4.0), name="Dose"), str(path), {})
    read = slicer.util.loadVolume(str(path), {"name": "Read"})
    assert read.GetName() == "Read" and np.array_equal(slicer.util.arrayFromVolume(read), array)
    assert read.GetSpacing() == pytest.approx((2.0, 3.0, 4.0))


# Dialogs


def test_questions_are_answered_and_kept(standin: Standin, slicer: Any) -> None:
    import qt

    standin.dialogs.answer(qt.QMessageBox.Cancel, qt.QMessageBox.Ok, None)
    assert not slicer.util.confirmOkCancelDisplay("Install 2 GB?", "Packages", detailedText="torch")
    assert slicer.util.confirmOkCancelDisplay("Install 2 GB?")
    assert not slicer.util.confirmYesNoDisplay("Restart?")
    first = standin.dialogs.shown[0]
    assert (first.title, first.text, first.details) == ("Packages", "Install 2 GB?", "torch")
    assert set(first.buttons) == {"OK", "Cancel"}


def test_messages_are_kept_and_do_not_wait(standin: Standin, slicer: Any) -> None:
    import qt

    slicer.util.errorDisplay("The weights are broken", detailedText="sha256")
    slicer.util.infoDisplay("Done")
    slicer.util.delayDisplay("Wait", 1000)
    qt.QMessageBox.warning(None, "Dose", "negative")
    assert standin.dialogs.texts == ["The weights are broken", "Done", "Wait", "negative"]


def test_a_question_without_an_answer_fails(slicer: Any) -> None:
    with pytest.raises(UnexpectedDialog, match="Install"):
        slicer.util.confirmOkCancelDisplay("Install 2 GB?")


def test_file_dialogs_give_the_path_alone_as_pythonqt_does(standin: Standin, slicer: Any) -> None:
    import qt

    standin.dialogs.answer("/data/goals.json", None, "PTV70")
    assert qt.QFileDialog.getOpenFileName(None, "Goals", "", "*.json") == "/data/goals.json"
    assert qt.QFileDialog.getSaveFileName(None, "Report") == ""
    assert qt.QInputDialog.getText(None, "Preset", "Name:") == "PTV70"


def test_a_dialog_of_our_own_is_clicked_through(standin: Standin, slicer: Any) -> None:
    import qt

    dialog = qt.QDialog()
    layout = qt.QVBoxLayout(dialog)
    line, buttons = qt.QLineEdit(), qt.QDialogButtonBox(qt.QDialogButtonBox.Ok | qt.QDialogButtonBox.Cancel)
    layout.addWidget(line)
    layout.addWidget(buttons)
    buttons.connect("accepted()", dialog.accept)

    def user(shown: Any) -> None:
        line.setText("clinic A")
        gestures.click(buttons.button(qt.QDialogButtonBox.Ok))

    standin.dialogs.answer(user)
    assert dialog.exec_() == qt.QDialog.Accepted and line.text == "clinic A"


# Installing


def test_what_is_missing_is_asked_for_and_installed(standin: Standin, slicer: Any) -> None:
    import qt

    standin.installer.missing = {"torch", "monai"}
    needed = ["torch>=2.6", "monai>=1.5", "numpy"]
    assert not slicer.packaging.pip_check(needed) and slicer.packaging.pip_check("numpy")
    standin.dialogs.answer(qt.QMessageBox.Cancel)
    with pytest.raises(RuntimeError, match="declined"):
        slicer.packaging.pip_ensure(needed, requester="Dose Prediction")
    assert standin.installer.asked == []
    standin.dialogs.answer(qt.QMessageBox.Ok)
    slicer.packaging.pip_ensure(needed, requester="Dose Prediction")
    assert standin.installer.asked == [["torch>=2.6", "monai>=1.5"]]
    assert "- torch>=2.6" in standin.dialogs.shown[-1].details and slicer.packaging.pip_check(needed)


def test_a_failed_installation_raises_or_tells(standin: Standin, slicer: Any) -> None:
    standin.installer.missing, standin.installer.fails = {"monai"}, True
    with pytest.raises(subprocess.CalledProcessError):
        slicer.packaging.pip_ensure("monai>=1.5", prompt_install=False)
    ended: list[int] = []
    slicer.packaging.pip_install("monai>=1.5", blocking=False, completedCallback=ended.append)
    assert ended == []
    standin.process_events(lambda: ended)
    assert ended == [1] and not slicer.packaging.pip_check("monai")


def test_slicer_before_its_packaging_and_without_extensions(standin: Standin, slicer: Any) -> None:
    standin.without_packaging()
    standin.without_pytorch_extension()
    assert not hasattr(slicer, "packaging") and not hasattr(slicer.modules, "pytorchutils")
    with pytest.raises(ImportError):
        import slicer.packaging  # noqa: F401
    with pytest.raises(ImportError):
        import PyTorchUtils  # noqa: F401
    slicer.util.pip_install("monai>=1.5")
    assert standin.installer.asked == [["monai>=1.5"]]


def test_torch_comes_through_the_pytorch_extension(standin: Standin, slicer: Any) -> None:
    import PyTorchUtils
    import qt

    standin.installer.missing = {"torch"}
    logic = PyTorchUtils.PyTorchUtilsLogic()
    standin.dialogs.answer(qt.QMessageBox.Cancel)
    assert not logic.torchInstalled() and logic.installTorch(askConfirmation=True) is None
    assert standin.installer.asked == []


# The module


def test_a_sample_is_registered_and_loaded(standin: Standin, slicer: Any) -> None:
    import SampleData

    for _ in range(2):
        SampleData.SampleDataLogic.registerCustomSampleDataSource(
            category="Radiotherapy",
            sampleName="Head and neck",
            uris=["file:///ct.nrrd"],
            fileNames=["ct.nrrd"],
            nodeNames=["CT"],
            customDownloader=lambda source: [source.sampleName],
        )
    assert len(slicer.modules.sampleDataSources["Radiotherapy"]) == 1, "registered once"
    logic = SampleData.SampleDataLogic()
    source = logic.sourceForSampleName("Head and neck")
    assert source.customDownloader(source) == ["Head and neck"], "as its button does"
    with pytest.raises(NotImplementedError):
        logic.downloadSamples("Head and neck")


def test_a_parameter_node_is_kept_through_a_closed_scene(slicer: Any) -> None:
    from slicer.ScriptedLoadableModule import ScriptedLoadableModuleLogic

    class DoseLogic(ScriptedLoadableModuleLogic):
        pass

    node = DoseLogic().getParameterNode()
    assert node.GetAttribute("ModuleName") == "Dose" and DoseLogic().getParameterNode() is node
    node.SetParameter("Samples", "4")
    slicer.mrmlScene.Clear(False)
    assert DoseLogic().getParameterNode().GetAttribute("ModuleName") == "Dose"


def test_translations_reach_the_module(slicer: Any) -> None:
    from PySide6 import QtCore
    from slicer.i18n import tr

    class French(QtCore.QTranslator):
        def translate(self, context: str, text: str, *_: Any) -> str | None:
            return {"Dose": "Dose absorb\u00e9e"}.get(text)

    translator = French()
    slicer.app.installTranslator(translator)
    assert tr("Dose") == "Dose absorb\u00e9e" and tr("DVH") == "DVH"
    slicer.app.removeTranslator(translator)
    assert tr("Dose") == "Dose"


def test_pauses_of_the_main_thread_are_measured(standin: Standin) -> None:
    import time

    import qt

    with watched_main_thread() as quiet:
        standin.process_events(lambda: quiet.wall_s > 0)
    done: list[bool] = []
    with watched_main_thread() as waiting:
        qt.QTimer.singleShot(10, lambda: (time.sleep(0.15), done.append(True)))
        standin.process_events(lambda: done)
    assert waiting.wall_s >= 0.15 > quiet.cpu_s
    assert waiting.cpu_s < 0.1, "the main thread slept"
    with watched_main_thread() as working:
        qt.QTimer.singleShot(10, lambda: (work(0.15), done.append(True)))
        standin.process_events(lambda: len(done) == 2)
    assert working.cpu_s >= 0.15


def work(seconds: float) -> None:
    import time

    until = time.thread_time() + seconds
    while time.thread_time() < until:
        pass


# A module in the module panel

DEMO = """
import qt, slicer
from slicer.ScriptedLoadableModule import *
from slicer.util import VTKObservationMixin

class Demo(ScriptedLoadableModule):
    def __init__(self, parent):
        super().__init__(parent)
        parent.title, parent.categories = "Demo of a dose", ["Radiotherapy"]

class DemoWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
    def __init__(self, parent=None):
        ScriptedLoadableModuleWidget.__init__(self, parent)
        VTKObservationMixin.__init__(self)
        self.told = []
    def setup(self):
        super().setup()
        self.told.append(("setup", self.parent.isEntered))
        self.selector = slicer.qMRMLNodeComboBox()
        self.selector.nodeTypes, self.selector.noneEnabled = ["vtkMRMLScalarVolumeNode"], True
        self.selector.setMRMLScene(slicer.mrmlScene)
        self.button = qt.QPushButton("Predict")
        self.button.enabled = False
        for child in (self.selector, self.button): self.layout.addWidget(child)
        self.selector.connect("currentNodeChanged(bool)", self.button.setEnabled)
        self.button.connect("clicked(bool)", lambda: self.told.append("clicked"))
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.EndCloseEvent, lambda *_: self.told.append("closed"))
    def enter(self): self.told.append("enter")
    def exit(self): self.told.append("exit")
    def cleanup(self):
        self.removeObservers()
        self.told.append("cleanup")

class DemoTest(ScriptedLoadableModuleTest):
    def runTest(self): slicer.demoHasRun = True
"""


def test_a_module_is_loaded_shown_clicked_reloaded_and_unloaded(standin: Standin, slicer: Any, tmp_path: Path) -> None:
    path = tmp_path / "Demo.py"
    path.write_text(DEMO)
    ct = volume_node(np.zeros((4, 5, 6), np.int16))
    host = standin.load_module(path)
    assert (host.module.title, host.module.categories) == ("Demo of a dose", ["Radiotherapy"])
    assert slicer.util.moduleNames() == ["Demo"] and slicer.util.modulePath("Demo") == str(path)
    widget = host.enter()
    assert widget.told == [("setup", False), "enter"], "set up before it is entered"
    assert slicer.util.getModuleWidget("Demo") is widget is slicer.modules.DemoWidget
    gestures.choose(widget.selector, ct)
    gestures.click(widget.button)
    host.leave()
    slicer.mrmlScene.Clear(False)
    assert widget.told[2:] == ["clicked", "exit", "closed"] and not widget.button.enabled
    with pytest.raises(AssertionError, match="not to be seen"):
        gestures.click(widget.button)
    host.enter()
    with pytest.raises(AssertionError, match="disabled"):
        gestures.click(widget.button)
    again = host.reload()
    assert again is not widget and widget.told[-1] == "cleanup" and again.told == [("setup", True)]
    slicer.selfTests["Demo"]()
    assert slicer.demoHasRun
    del slicer.demoHasRun
    standin.close(host)
    assert again.told[-2:] == ["exit", "cleanup"]
    assert not hasattr(slicer.modules, "demo") and slicer.util.moduleNames() == []


def test_the_modules_own_panel_opens_and_is_grabbed(standin: Standin, slicer: Any, tmp_path: Path) -> None:
    phantom_nodes()
    host = standin.load_module(MODULE)
    host.enter()
    host.leave()
    host.enter()
    host.reload()
    picture = host.grab(tmp_path / "panel.png")
    assert (tmp_path / "panel.png").read_bytes().startswith(b"\x89PNG")
    image = picture.toImage()
    colours = {image.pixel(x, y) for x in range(0, image.width(), 4) for y in range(0, image.height(), 4)}
    assert len(colours) > 20, "text and frames are to be seen"
    slicer.mrmlScene.Clear(False)
    standin.close(host)


def test_text_is_drawn_with_the_fonts_that_come_along(standin: Standin, slicer: Any) -> None:
    import qt

    label = qt.QLabel("DVH")
    assert qt.QFontInfo(label.font).family() == "DejaVu Sans"
    image = label.grab().toImage()
    dark = sum(
        qt.QColor(image.pixel(x, y)).lightness() < 100 for x in range(image.width()) for y in range(image.height())
    )
    assert dark > 20
