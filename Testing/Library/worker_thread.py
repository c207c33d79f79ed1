"""The prediction process as a thread, for tests of what commands make of its doses and its words.

Requests, events and the files between are those of the process; what is saved is a Python that imports torch for each
command, two seconds of a processor. The process itself is tested in test_worker.py and test_worker_life.py.
"""

from __future__ import annotations

import io
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, TextIO

import pytest

from DosePredictionLib.worker import client
from DosePredictionLib.worker.process import WorkerProcess, prediction_process

#: A prediction that is given up ends with its next step.
ENDS_WITHIN_S = 60.0


class WorkerThread:
    """Stands for the `subprocess.Popen` of the prediction process.

    Args:
        options: that the process is started with.
    """

    pid = os.getpid()

    def __init__(self, options: list[str]) -> None:
        requests, self.stdin = _pipe()
        self.stdout, events = _pipe()
        self.stderr = io.StringIO()  # what it says to people shows beside what the command says
        self._code: int | None = None
        process = prediction_process(options, requests, events)
        self._thread = threading.Thread(target=self._serve, args=(process, events), daemon=True)
        self._thread.start()

    def _serve(self, process: WorkerProcess, events: TextIO) -> None:
        with events:
            self._code = process.serve()

    def poll(self) -> int | None:
        return self._code

    def wait(self, timeout: float = ENDS_WITHIN_S) -> int | None:
        self._thread.join(timeout)
        if self._thread.is_alive():
            raise subprocess.TimeoutExpired("the prediction thread", timeout)
        return self._code


def _pipe() -> tuple[TextIO, TextIO]:
    """What is read from the first was written to the second."""
    reads, writes = os.pipe()
    return os.fdopen(reads, encoding="utf-8"), os.fdopen(writes, "w", encoding="utf-8")


def _popen(command: list[str], **settings: Any) -> Any:
    """A thread instead of this very Python; another Python starts, or is not there."""
    return WorkerThread(command[2:]) if command[0] == sys.executable else subprocess.Popen(command, **settings)


@pytest.fixture(scope="module")
def worker_thread() -> Iterator[None]:
    """Commands predict in a thread of the test's own process."""
    stand_in = SimpleNamespace(Popen=_popen, PIPE=subprocess.PIPE, TimeoutExpired=subprocess.TimeoutExpired)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(client, "subprocess", stand_in)
        patch.setattr(client, "_kill_group", lambda process: process.wait())
        yield
