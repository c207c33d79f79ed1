"""`slicer.app`: qSlicerApplication."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import Any

import slicer
from PySide6 import QtCore, QtWidgets

from standin.application.io_manager import qSlicerIOManager
from standin.application.layout_manager import qSlicerLayoutManager
from standin.application.main_window import qSlicerMainWindow
from standin.application.modules import qSlicerModuleManager
from standin.pythonqt.described import stand_in

VERSION = (5, 13)


def delete_what_is_to_be_deleted() -> None:
    """What deleteLater was called for: Qt waits for a running event loop, which a test has not."""
    QtCore.QCoreApplication.sendPostedEvents(None, QtCore.QEvent.Type.DeferredDelete)


CORE_NEVER_EMITS = (
    "invokeEventRequested(unsignedint,void*,unsignedlong,void*) mrmlSceneChanged(vtkMRMLScene*) urlReceived(QString)"
    " usageEventLogged(QString,QString)"
)


@stand_in()
class qSlicerCoreCommandOptions(QtCore.QObject):
    """What the application was started with."""

    testingEnabled = property(lambda self: False)


@stand_in()
class qSlicerCommandOptions(qSlicerCoreCommandOptions):
    """What the application was started with."""

    noMainWindow = property(lambda self: slicer.app.layoutManager() is None)


@stand_in(silent=CORE_NEVER_EMITS)
class qSlicerCoreApplication(QtWidgets.QApplication):
    """The application without its windows."""

    def __init__(self, arguments: list[str]) -> None:
        super().__init__(arguments)
        self._logic: Any = None
        self._folder = Path()
        self._module_manager = qSlicerModuleManager(self)
        self._io_manager = qSlicerIOManager(self)

    slicerHome = property(lambda self: str(self._folder / "Slicer"))
    temporaryPath = property(
        lambda self: self._logic.GetTemporaryPath(), lambda self, path: self._logic.SetTemporaryPath(path)
    )
    cachePath = property(lambda self: str(self._folder / "cache"))
    startupWorkingPath = property(lambda self: str(Path.cwd()))
    slicerUserSettingsFilePath = property(lambda self: str(self._folder / "Slicer.ini"))
    slicerRevisionUserSettingsFilePath = property(lambda self: str(self._folder / "Slicer-31053.ini"))
    majorVersion = property(lambda self: VERSION[0])
    minorVersion = property(lambda self: VERSION[1])
    mainApplicationMajorVersion = property(lambda self: VERSION[0])
    mainApplicationMinorVersion = property(lambda self: VERSION[1])
    mainApplicationName = property(lambda self: "Slicer")
    mainApplicationDisplayName = property(lambda self: "Slicer")
    revision = property(lambda self: "31053")
    isInstalled = property(lambda self: True)
    isCustomMainApplication = property(lambda self: False)
    os = property(lambda self: {"Darwin": "macosx", "Windows": "win"}.get(platform.system(), "linux"))
    arch = property(lambda self: "amd64" if platform.machine() in ("x86_64", "AMD64") else platform.machine())
    platform = property(lambda self: f"{self.os}-{self.arch}")
    applicationLocaleName = property(lambda self: "en_US")
    documentationBaseUrl = property(lambda self: "https://slicer.readthedocs.io/en/latest/")
    documentationVersion = property(lambda self: "latest")
    documentationLanguage = property(lambda self: "en")

    def mrmlScene(self) -> Any:
        return slicer.mrmlScene

    def applicationLogic(self) -> Any:
        return self._logic

    def moduleLogic(self, name: str) -> Any:
        return self._logic.GetModuleLogic(name)

    def moduleManager(self) -> Any:
        return self._module_manager

    def coreIOManager(self) -> Any:
        return self._io_manager

    def testingEnabled(self) -> bool:
        """False: a test wants to see the dialogs, and answers them."""
        return False

    def settings(self) -> Any:
        return self.userSettings()

    def userSettings(self) -> Any:
        return QtCore.QSettings(self.slicerUserSettingsFilePath, QtCore.QSettings.Format.IniFormat)

    def revisionUserSettings(self) -> Any:
        return QtCore.QSettings(self.slicerRevisionUserSettingsFilePath, QtCore.QSettings.Format.IniFormat)

    def startupEnvironment(self) -> Any:
        return QtCore.QProcessEnvironment.systemEnvironment()

    def environment(self) -> Any:
        return QtCore.QProcessEnvironment.systemEnvironment()

    def setEnvironmentVariable(self, name: str, value: str) -> None:
        os.environ[name] = value

    def moduleDocumentationUrl(self, module_name: str) -> str:
        return f"{self.documentationBaseUrl}user_guide/modules/{module_name.lower()}.html"

    def setRenderPaused(self, paused: bool) -> None:
        """There are no renderers to pause."""

    def pauseRender(self) -> None:
        self.setRenderPaused(True)

    def resumeRender(self) -> None:
        self.setRenderPaused(False)


@stand_in(silent="renderPaused(bool)")
class qSlicerApplication(qSlicerCoreApplication):
    """The application."""

    def __init__(self, arguments: list[str]) -> None:
        super().__init__(arguments)
        self._main_window: Any = None
        self._layout_manager: Any = None
        self._command_options = qSlicerCommandOptions(self)

    def commandOptions(self) -> Any:
        return self._command_options

    def ioManager(self) -> Any:
        return self._io_manager

    def layoutManager(self) -> Any:
        """None where Slicer runs with --no-main-window."""
        return self._layout_manager

    def _set_up(self, logic: Any, folder: Path, main_window: bool) -> None:
        self._logic, self._folder = logic, folder
        if main_window:
            self._main_window, self._layout_manager = qSlicerMainWindow(), qSlicerLayoutManager(self)

    def _tear_down(self) -> None:
        if self._main_window is not None:
            self._main_window.deleteLater()
            self._layout_manager.deleteLater()
        self._main_window = self._layout_manager = None
        delete_what_is_to_be_deleted()
