"""The stand-in, put in place of the application for a test and taken away again."""

from __future__ import annotations

import ctypes
import os
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any
from unittest.mock import patch

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

from standin.pythonqt.kits import make_ctk, make_qt, missing, slicer_names  # noqa: E402

qt = make_qt()

import slicer  # noqa: E402
from DosePredictionScene.headless_application import start_headless_application  # noqa: E402
from PySide6 import QtCore, QtGui, QtWidgets  # noqa: E402

from standin import ctk_widgets, mrml_widgets  # noqa: E402, F401
from standin.application.packaging import Installer, make_packaging, make_pytorch_utils  # noqa: E402
from standin.application.sample_data import make_sample_data  # noqa: E402
from standin.application.scripted_module import make_i18n, make_scripted_loadable_module  # noqa: E402
from standin.application.slicer_application import delete_what_is_to_be_deleted, qSlicerApplication  # noqa: E402
from standin.dialogs import Dialogs, answer_all  # noqa: E402
from standin.event_loop import sleep_as_slicer  # noqa: E402
from standin.failures import Failures  # noqa: E402
from standin.module_host import ModuleHost  # noqa: E402
from standin.pythonqt.classes import forget_single_shots  # noqa: E402
from standin.pythonqt.described import stand_ins  # noqa: E402

_ABSENT = ModuleType("absent")
if sys.version_info < (3, 12):
    # PySide6 gives None back once too often for each call that returns nothing. From Python 3.12 on None is immortal;
    # before, it is gone after some ten thousand calls, and Python ends with it.
    ctypes.c_ssize_t.from_address(id(None)).value += 1 << 40
FONT = "DejaVu Sans"
WAIT_S = 30.0


class Standin:
    """What a test has in hand: dialogs, installer, failures, modules.

    Args:
        folder: for settings and temporary files.
        main_window: False as with --no-main-window: no layout manager, no main window.
    """

    def __init__(self, folder: Path, *, main_window: bool = True) -> None:
        self.dialogs, self.failures, self.installer = _dialogs, Failures(), _installer
        self._folder, self._main_window = folder, main_window
        self._hosts: list[ModuleHost] = []
        self._undo = ExitStack()

    def begin(self) -> None:
        """Take the application's place."""
        start_headless_application()
        self.dialogs.clear()
        self.installer.reset()
        (self._folder / "Slicer").mkdir(parents=True, exist_ok=True)
        application._set_up(slicer.app.applicationLogic(), self._folder, self._main_window)
        self._undo.callback(application._tear_down)
        QtCore.QSettings.setPath(QtCore.QSettings.Format.IniFormat, QtCore.QSettings.Scope.UserScope, str(self._folder))
        self._undo.enter_context(patch.dict(vars(slicer.modules), pytorchutils=SimpleNamespace(name="PyTorchUtils")))
        names = {name: cls for name, cls in stand_ins.items() if name.startswith("q")}
        self._put(slicer, app=application, moduleNames=SimpleNamespace(), **names)
        for name, module in _modules.items():
            self._put_module(name, module)
        self._put(slicer, __getattr__=_missing_in_slicer)
        self.failures.begin()
        self._undo.callback(self.failures.end)

    def end(self) -> None:
        """Close what is open, and give the place back."""
        for host in list(self._hosts):
            self.close(host)
        forget_single_shots()
        for widget in QtWidgets.QApplication.topLevelWidgets():
            widget.hide()
        application.processEvents()
        self._undo.close()

    def _put(self, where: Any, **attributes: Any) -> None:
        for name, value in attributes.items():
            self._undo.enter_context(patch.object(where, name, value, create=True))

    def _put_module(self, name: str, module: ModuleType | None) -> None:
        """Let ``import name`` give a module; None: raise ImportError."""
        before = sys.modules.get(name, _ABSENT)
        sys.modules[name] = module
        if before is _ABSENT:
            self._undo.callback(sys.modules.pop, name, None)
        else:
            self._undo.callback(sys.modules.__setitem__, name, before)
        if name.startswith("slicer.") and module is not None:
            self._put(slicer, **{name.partition(".")[2]: module})

    def load_module(self, path: str | Path) -> ModuleHost:
        """Load a scripted module: as when Slicer starts."""
        host = ModuleHost(path)
        self._hosts.append(host)
        return host

    def close(self, host: ModuleHost) -> None:
        """Unload a module: as when Slicer ends."""
        self._hosts.remove(host)
        name = host.module.name
        host.close()
        sys.modules.pop(name, None)

    def without_packaging(self) -> None:
        """As Slicer was before 5.11: slicer.util.pip_install is all there is."""
        self._put_module("slicer.packaging", None)
        self._undo.enter_context(patch.object(slicer, "packaging"))
        del slicer.packaging
        self._put(slicer.util, pip_install=_modules["slicer.packaging"].pip_install)

    def without_pytorch_extension(self) -> None:
        """As where Slicer's PyTorch extension is not installed."""
        self._put_module("PyTorchUtils", None)
        del slicer.modules.pytorchutils

    def process_events(self, until: Callable[[], Any] = lambda: True, seconds: float = WAIT_S) -> None:
        """Let the application run until something is so.

        Raises:
            TimeoutError: it is not so in time.
        """
        end = time.monotonic() + seconds
        while True:
            application.processEvents()
            delete_what_is_to_be_deleted()
            if until():
                return
            if time.monotonic() > end:
                raise TimeoutError(f"after {seconds} s it is still not so")
            sleep_as_slicer(0.002)


def _start() -> qSlicerApplication:
    """The one application of the process, looking the same everywhere."""
    started = qSlicerApplication(["Slicer"])
    started.setApplicationName("Slicer")
    started.setOrganizationName("slicer.org")
    QtCore.QSettings.setDefaultFormat(QtCore.QSettings.Format.IniFormat)
    started.setStyle(QtWidgets.QStyleFactory.create("Fusion"))
    for path in _matplotlib_fonts():
        QtGui.QFontDatabase.addApplicationFont(str(path))
    started.setFont(QtGui.QFont(FONT, 9))
    return started


def _matplotlib_fonts() -> list[Path]:
    """DejaVu comes with matplotlib, which the tests need anyway: so text shows where the system has no fonts."""
    import matplotlib

    return sorted((Path(matplotlib.get_data_path()) / "fonts" / "ttf").glob("DejaVuSans*.ttf"))


def _missing_in_slicer(name: str) -> Any:
    return missing("slicer", name, slicer_names())


# One of each for the process, for modules keep what they import.
application = _start()
_dialogs, _installer = Dialogs(), Installer()
answer_all(_dialogs)
_modules = {
    "qt": qt,
    "ctk": make_ctk(),
    "slicer.i18n": make_i18n(),
    "slicer.ScriptedLoadableModule": make_scripted_loadable_module(),
    "slicer.packaging": make_packaging(_installer),
    "SampleData": make_sample_data(),
    "PyTorchUtils": make_pytorch_utils(_installer),
}
