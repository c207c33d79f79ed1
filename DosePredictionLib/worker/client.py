"""The client of the prediction process: starts it, feeds it, listens, and ends it. No Qt, no torch."""

from __future__ import annotations

import json
import os
import queue
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections import deque
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from DosePredictionLib.errors import InputError
from DosePredictionLib.inference.options import PredictionOptions
from DosePredictionLib.inference.progress import Progress
from DosePredictionLib.patient.patient import Patient
from DosePredictionLib.worker.events import FINAL_EVENTS, Advanced, Event, Failed, Finished, Ready, Stopped, Told
from DosePredictionLib.worker.exchange import read_dose, write_patient
from DosePredictionLib.worker.process_environment import GIVEN_PYTHON, process_environment

ENTRY_SCRIPT = Path(__file__).resolve().with_name("process.py")
#: After this long a cancelled prediction that hasn't stopped by itself is stopped by ending the process.
CANCEL_GRACE_S = 1.5
CLOSE_GRACE_S = 2.0
#: Of a process that the system ended (SIGKILL), as Linux does with the largest one when the memory is full.
_KILLED = -9
#: No console window, and a process group of its own; the names exist on Windows only.
_NO_WINDOW = getattr(subprocess, "CREATE_NO_WINDOW", 0)
_WINDOWS_FLAGS = getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0) | _NO_WINDOW


def python_executable() -> str:
    """The Python that runs the process: this one, or PythonSlicer inside Slicer."""
    given = os.environ.get(GIVEN_PYTHON)
    if given:
        return given
    if "python" in Path(sys.executable or "").name.lower():
        return sys.executable
    found = shutil.which("PythonSlicer")
    if found is None:
        raise InputError(f"Found no Python to predict with; set {GIVEN_PYTHON} to a Python that has torch.")
    return found


@dataclass(eq=False)
class _Request:
    """A prediction under way.

    Attributes:
        number: that its events carry.
        folder: where its patient and its dose lie on their way; nothing else does.
        writer: the thread that writes its patient.
        process: that it was sent to; None at first.
        cancelled: whether it ends as `Stopped`, whatever comes of it.
    """

    number: int
    folder: Path
    writer: threading.Thread | None = None
    process: subprocess.Popen[str] | None = None
    cancelled: bool = False


class WorkerClient:
    """One prediction at a time in a process that stays warm; a dead process is started anew by the next request.

    All methods return at once (but for `close` and `abandon`, which wait up to two seconds). Events are collected with
    `poll` from the thread that owns the client, or awaited with `wait`.

    Args:
        system, weights, device, calibrate: of the process; see `PredictionEngine`.
        python: interpreter; None chooses.
        entry_script: what the interpreter runs; tests replace it.
    """

    def __init__(
        self, system: str = "default", weights: str | Path | None = None, device: str = "auto",
        python: str | None = None, entry_script: Path = ENTRY_SCRIPT, calibrate: bool | str | Path = False,
    ) -> None:  # fmt: skip
        options = ["--system", system, "--device", device]
        if weights is not None:
            options += ["--weights", str(Path(weights).absolute())]
        if calibrate:
            options += ["--calibrate"] if calibrate is True else ["--calibrate", str(Path(calibrate).absolute())]
        self._command = [python or python_executable(), str(entry_script), *options]
        self._events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self._process: subprocess.Popen[str] | None = None
        self._log: deque[str] = deque(maxlen=200)
        #: What the process wrote for people since the latest request; since its start before the second one.
        self._words: deque[str] = deque(maxlen=1)
        self._served: subprocess.Popen[str] | None = None
        self._requests = 0
        self._pending: _Request | None = None
        self._lock = threading.RLock()

    @property
    def busy(self) -> bool:
        """Whether a prediction is under way."""
        return self._pending is not None

    @property
    def process_id(self) -> int | None:
        """Of the running process, or None."""
        return self._process.pid if self._process is not None and self._process.poll() is None else None

    @property
    def log(self) -> str:
        """The last lines that the process wrote for people."""
        return "\n".join(self._log)

    def start(self) -> None:
        """Start the process if it isn't running, so that the first prediction finds it warm."""
        with self._lock:
            if self.process_id is not None:
                return
            groups: dict[str, Any] = (
                {"creationflags": _WINDOWS_FLAGS} if sys.platform == "win32" else {"start_new_session": True}
            )
            try:
                process = subprocess.Popen(
                    self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                    encoding="utf-8", errors="replace", env=process_environment(os.environ), **groups,
                )  # fmt: skip
            except OSError as error:
                raise InputError(
                    f"{self._command[0]} cannot be started ({error.strerror or error}); check the Python that predicts "
                    f"(the environment variable {GIVEN_PYTHON}, where it is set)."
                ) from error
            self._process = process
            words = self._words = deque(maxlen=1)
            logger = threading.Thread(target=_collect_log, args=(process, self._log, words), daemon=True)
            logger.start()
            threading.Thread(target=self._listen, args=(process, logger, words), daemon=True).start()

    def submit(self, patient: Patient, options: PredictionOptions) -> int:
        """Begin a prediction; its events follow, the last of them one of `FINAL_EVENTS`.

        Returns:
            The number that its events carry.

        Raises:
            RuntimeError: one is already under way.
        """
        with self._lock:
            if self._pending is not None:
                raise RuntimeError("a prediction is already under way")
            self._requests += 1
            request = _Request(self._requests, Path(tempfile.mkdtemp(prefix="dose-prediction-")))
            request.writer = threading.Thread(target=self._send_patient, args=(request, patient, options), daemon=True)
            request.writer.start()
            self._pending = request
            return request.number

    def cancel(self) -> None:
        """Stop the prediction under way: by message, or after a grace by ending the process."""
        with self._lock:
            request = self._pending
            if request is None:
                return
            request.cancelled = True
            if request.process is not None:
                self._send({"type": "cancel", "id": request.number}, request.process)
        timer = threading.Timer(CANCEL_GRACE_S, self._end_cancelled, args=(request,))
        timer.daemon = True
        timer.start()

    def abandon(self, number: int) -> None:
        """Cancel a prediction, wait until it is over and drop its events, so that the next one can begin at once.

        An interrupt meanwhile ends the process instead of waiting for it. Nothing happens to a prediction that is over.
        """
        request = self._pending
        if request is None or request.number != number:
            return
        try:
            self.cancel()
            while self._pending is request:
                self.wait(0.05)
        except BaseException:
            self._end_cancelled(request)
            raise
        self.poll()

    def poll(self) -> list[Event]:
        """The events since the last call."""
        events = []
        while True:
            try:
                events.append(self._events.get_nowait())
            except queue.Empty:
                return events

    def wait(self, timeout_s: float | None = None) -> Event | None:
        """The next event; None when ``timeout_s`` pass without one."""
        try:
            return self._events.get(timeout=timeout_s)
        except queue.Empty:
            return None

    def close(self) -> None:
        """End the process and remove what it left; a prediction under way ends as `Stopped`."""
        with self._lock:
            process, self._process = self._process, None
            request, self._pending = self._pending, None
        try:
            if process is not None and process.poll() is None:
                self._send({"type": "stop"}, process)
                process.wait(CLOSE_GRACE_S)
            if request is not None and request.writer is not None:
                request.writer.join(CLOSE_GRACE_S)
        except subprocess.TimeoutExpired:
            pass
        finally:  # also when a second Ctrl-C interrupts the waiting
            try:
                if process is not None:
                    _kill_group(process)
            finally:
                if request is not None:
                    shutil.rmtree(request.folder, ignore_errors=True)
                    self._events.put(Stopped(request=request.number))

    def _send_patient(self, request: _Request, patient: Patient, options: PredictionOptions) -> None:
        paths = {"patient": str(request.folder / "patient.npz"), "result": str(request.folder / "dose.npz")}
        try:
            # First, so that the process removes it in any case where this one is killed.
            if not self._pass_on(request, {"type": "folder", "path": str(request.folder)}):
                return
            write_patient(patient, Path(paths["patient"]))
            self._pass_on(request, {"type": "predict", "id": request.number, **paths, "options": asdict(options)})
        except Exception as error:  # a full disk, a missing interpreter: the request must end with an event
            text = f"The prediction could not be started: {error}"
            self._finish(request, Failed(text, by_input=False, request=request.number))
        finally:
            if self._pending is not request:  # it ended, and its folder went, while its patient was written
                shutil.rmtree(request.folder, ignore_errors=True)

    def _pass_on(self, request: _Request, message: dict[str, Any]) -> bool:
        """Send a message to the request's process, which starts if need be; False where the request is over."""
        with self._lock:
            if request.cancelled:
                self._finish(request, Stopped(request=request.number))
            if self._pending is not request:
                return False
            if request.process is None:
                self.start()
                request.process = self._process
                if self._served is self._process:
                    self._words.clear()  # of an earlier request: no reason for this one's end
                self._served = self._process
            assert request.process is not None
            self._send(message, request.process)
            return True

    def _send(self, message: dict[str, Any], process: subprocess.Popen[str]) -> None:
        assert process.stdin is not None
        try:
            with self._lock:
                process.stdin.write(json.dumps(message) + "\n")
                process.stdin.flush()
        except (OSError, ValueError):
            pass  # the process is gone; its listener reports that

    def _listen(self, process: subprocess.Popen[str], logger: threading.Thread, words: deque[str]) -> None:
        assert process.stdout is not None
        unusable: Failed | None = None
        for line in process.stdout:
            try:
                message = json.loads(line)
            except ValueError:  # cut off: the process was killed while it wrote
                continue
            kind, number = message["type"], message.get("id")
            request = self._pending
            if kind == "ready":
                self._events.put(Ready(message["device"]))
            elif kind == "message":
                self._events.put(Told(message["text"], request=number))
            elif kind == "unusable":
                unusable = Failed(message["text"], message["kind"] == "input", for_all=True)
            elif request is None or request.number != number:
                continue  # of a prediction that is over
            elif kind == "progress":
                self._events.put(Advanced(
                    Progress(message["stage"], message["step"], message["total"], message["seconds_left"]),
                    request=number,
                ))  # fmt: skip
            elif kind == "result":
                self._take_result(request)
            elif kind == "cancelled":
                self._finish(request, Stopped(request=number))
            elif kind == "error":
                self._finish(request, Failed(message["text"], message["kind"] == "input", request=number))
        code = process.wait()
        logger.join(1.0)
        with self._lock:
            if self._process is process:
                self._process = None
            request = self._pending
        # A prediction that another process has by now is none of this one's.
        if request is not None and request.process is process:
            why = f"exit code {code}: {words[-1] if words else 'it said nothing'}"
            if code == _KILLED:
                why = "killed, probably for want of memory"
            text = f"The prediction process ended unexpectedly ({why}); predict again to restart it."
            self._finish(request, replace(unusable or Failed(text, by_input=False), request=request.number))

    def _take_result(self, request: _Request) -> None:
        try:
            dose, dose_std, provenance, uncalibrated = read_dose(request.folder / "dose.npz")
        except Exception as error:  # whatever a damaged file brings: the request must end with an event
            text = f"The predicted dose could not be read back: {error}"
            self._finish(request, Failed(text, by_input=False, request=request.number))
            return
        self._finish(request, Finished(dose, dose_std, provenance, uncalibrated, request=request.number))

    def _end_cancelled(self, request: _Request) -> None:
        with self._lock:
            if self._pending is not request:
                return
            request.cancelled = True
            if self._process is request.process:
                self._process = None
        if request.process is not None:
            _kill_group(request.process)
        self._finish(request, Stopped(request=request.number))

    def _finish(self, request: _Request, event: Event) -> None:
        assert isinstance(event, FINAL_EVENTS)
        with self._lock:
            if self._pending is not request:
                return
            shutil.rmtree(request.folder, ignore_errors=True)
            self._pending = None
            self._events.put(Stopped(request=request.number) if request.cancelled else event)


def _collect_log(process: subprocess.Popen[str], log: deque[str], words: deque[str]) -> None:
    assert process.stderr is not None
    for line in process.stderr:
        log.append(line.rstrip())
        if line.strip():
            words.append(line.rstrip())


def _kill_group(process: subprocess.Popen[str]) -> None:
    """End a process and its children: a launcher such as PythonSlicer leaves its child behind otherwise."""
    if process.poll() is not None:
        return
    try:
        if sys.platform == "win32":
            command = ["taskkill", "/F", "/T", "/PID", str(process.pid)]
            subprocess.run(command, capture_output=True, check=False, creationflags=_NO_WINDOW)
        else:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(CLOSE_GRACE_S)  # until then it may write, and on Windows its files can't be removed
    except (OSError, subprocess.TimeoutExpired):
        pass
