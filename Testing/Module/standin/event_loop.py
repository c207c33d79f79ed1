"""Waiting as Slicer's event loop waits."""

from __future__ import annotations

import ctypes
import sys
import time

#: The C library, called without giving Python's interpreter lock away.
_LIBRARY = None if sys.platform == "win32" else ctypes.PyDLL(None)


def sleep_as_slicer(seconds: float) -> None:
    """Sleep without letting other Python threads run.

    Slicer starts Python on the main thread and never calls PyEval_SaveThread, nor does PythonQt (whose support of
    threads is off): while the event loop waits, the main thread keeps the interpreter lock. PySide6 gives it away.
    """
    if _LIBRARY is None:
        time.sleep(seconds)
    else:
        _LIBRARY.usleep(int(seconds * 1e6))
