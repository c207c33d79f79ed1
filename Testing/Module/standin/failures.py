"""Exceptions that Qt and VTK swallow, and Qt's warnings: collected, so that a test can fail for them."""

from __future__ import annotations

import sys
import threading
import traceback
from types import TracebackType
from typing import Any

from PySide6 import QtCore

#: What the offscreen platform says of itself.
HARMLESS = ("propagateSizeHints", "does not support", "Could not load the Qt platform", "XDG_RUNTIME_DIR")


class Failures:
    """What went wrong since `begin`."""

    def __init__(self) -> None:
        self.exceptions: list[BaseException] = []
        self.warnings: list[str] = []
        self._before: tuple[Any, Any, Any] | None = None

    def begin(self) -> None:
        """Collect from now on."""
        self.clear()
        self._before = (sys.excepthook, threading.excepthook, QtCore.qInstallMessageHandler(self._on_message))
        sys.excepthook = self._on_exception
        threading.excepthook = self._on_thread_exception

    def end(self) -> None:
        """Collect no longer."""
        if self._before is not None:
            sys.excepthook, threading.excepthook, handler = self._before
            QtCore.qInstallMessageHandler(handler)
            self._before = None

    def clear(self) -> None:
        """Forget what was collected: the test has looked at it."""
        self.exceptions.clear()
        self.warnings.clear()

    def report(self) -> str:
        """All of it, empty where nothing went wrong."""
        told = ["".join(traceback.format_exception(type(e), e, e.__traceback__)) for e in self.exceptions]
        return "\n".join([*told, *(f"Qt: {warning}" for warning in self.warnings)])

    def _on_exception(self, kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        self.exceptions.append(error.with_traceback(trace))

    def _on_thread_exception(self, told: Any) -> None:
        if told.exc_value is not None:
            self.exceptions.append(told.exc_value)

    def _on_message(self, kind: Any, context: Any, text: str) -> None:
        if kind != QtCore.QtMsgType.QtDebugMsg and not any(harmless in text for harmless in HARMLESS):
            self.warnings.append(text)
