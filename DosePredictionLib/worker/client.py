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
from dataclasses import asdict
from pathlib import Path
from typing import Any

from DosePredictionLib.errors import InputError
from DosePredictionLib.inference.options import PredictionOptions
from DosePredictionLib.inference.progress import Progress
from DosePredictionLib.patient.patient import Patient
from DosePredictionLib.worker.events import FINAL_EVENTS, Advanced, Event, Failed, Finished, Ready, Stopped, Told
from DosePredictionLib.worker.exchange import read_dose, write_patient

ENTRY_SCRIPT = Path(__file__).resolve().with_name("process.py")
#: After this long a cancelled prediction that hasn't stopped by itself is stopped by ending the process.
CANCEL_GRACE_S = 1.5
CLOSE_GRACE_S = 2.0
#: A process group of its own and no console window; the names exist on Windows only.
_WINDOWS_FLAGS = getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0) | getattr(subprocess, "CREATE_NO_WINDOW", 0)


def python_executable() -> str:
    """The Python that runs the process: this one, or PythonSlicer inside Slicer."""
    given = os.environ.get("DOSE_PREDICTION_PYTHON")
    if given:
        return given
    if "python" in Path(sys.executable or "").name.lower():
        return sys.executable
    found = shutil.which("PythonSlicer")
    if found is None:
        raise InputError("Found no Python to predict with; set DOSE_PREDICTION_PYTHON to a Python that has torch.")
    return found


class WorkerClient:
    """One prediction at a time in a process that stays warm; a dead process is started anew by the next request.

    All methods return at once (but for `close`, which waits up to two seconds). Events are collected with `poll` from
    the thread that owns the client, or awaited with `wait`.

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
        self._events: queue.Queue[Event] = queue.Queue()
        self._process: subprocess.Popen[str] | None = None
        self._log: deque[str] = deque(maxlen=200)
        self._request = 0
        self._pending: int | None = None
        self._folder: Path | None = None
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
            environment = {**os.environ, "PYTHONUNBUFFERED": "1", "PYTHONIOENCODING": "utf-8"}
            groups: dict[str, Any] = (
                {"creationflags": _WINDOWS_FLAGS} if sys.platform == "win32" else {"start_new_session": True}
            )
            try:
                process = subprocess.Popen(
                    self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                    encoding="utf-8", errors="replace", env=environment, **groups,
                )  # fmt: skip
            except OSError as error:
                raise InputError(
                    f"{self._command[0]} cannot be started ({error.strerror or error}); check the Python that predicts "
                    "(the environment variable DOSE_PREDICTION_PYTHON, where it is set)."
                ) from error
            self._process = process
            logger = threading.Thread(target=self._collect_log, args=(process,), daemon=True)
            logger.start()
            threading.Thread(target=self._listen, args=(process, logger), daemon=True).start()

    def submit(self, patient: Patient, options: PredictionOptions) -> None:
        """Begin a prediction; its events follow, the last of them one of `FINAL_EVENTS`.

        Raises:
            RuntimeError: one is already under way.
        """
        with self._lock:
            if self._pending is not None:
                raise RuntimeError("a prediction is already under way")
            self._request += 1
            number = self._pending = self._request
            self._folder = Path(tempfile.mkdtemp(prefix="dose-prediction-"))
        threading.Thread(target=self._send_patient, args=(number, self._folder, patient, options), daemon=True).start()

    def cancel(self) -> None:
        """Stop the prediction under way: by message, or after a grace by ending the process."""
        with self._lock:
            number = self._pending
        if number is None:
            return
        self._send({"type": "cancel", "id": number})
        timer = threading.Timer(CANCEL_GRACE_S, self._end_cancelled, args=(number,))
        timer.daemon = True
        timer.start()

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
        """End the process and remove what it left."""
        with self._lock:
            process, self._process = self._process, None
            self._pending = None
        if process is not None and process.poll() is None:
            self._send({"type": "stop"}, process)
            try:
                process.wait(CLOSE_GRACE_S)
            except subprocess.TimeoutExpired:
                _kill_group(process)
                process.wait()
        self._remove_folder()

    def _send_patient(self, number: int, folder: Path, patient: Patient, options: PredictionOptions) -> None:
        try:
            write_patient(patient, folder / "patient.npz")
            if self._pending != number:  # cancelled while its patient was written
                return
            self.start()
            self._send({
                "type": "predict", "id": number, "patient": str(folder / "patient.npz"),
                "result": str(folder / "dose.npz"), "options": asdict(options),
            })  # fmt: skip
        except Exception as error:  # a full disk, a missing interpreter: the request must end with an event
            self._finish(number, Failed(f"The prediction could not be started: {error}", by_input=False))

    def _send(self, message: dict[str, Any], process: subprocess.Popen[str] | None = None) -> None:
        process = process or self._process
        if process is None or process.stdin is None:
            return
        try:
            with self._lock:
                process.stdin.write(json.dumps(message) + "\n")
                process.stdin.flush()
        except (OSError, ValueError):
            pass  # the process is gone; its listener reports that

    def _collect_log(self, process: subprocess.Popen[str]) -> None:
        assert process.stderr is not None
        for line in process.stderr:
            self._log.append(line.rstrip())

    def _listen(self, process: subprocess.Popen[str], logger: threading.Thread) -> None:
        assert process.stdout is not None
        unusable: Failed | None = None
        for line in process.stdout:
            message = json.loads(line)
            kind, number = message["type"], message.get("id")
            if kind == "ready":
                self._events.put(Ready(message["device"]))
            elif kind == "message":
                self._events.put(Told(message["text"]))
            elif kind == "progress" and number == self._pending:
                self._events.put(Advanced(Progress(
                    message["stage"], message["step"], message["total"], message["seconds_left"]
                )))  # fmt: skip
            elif kind == "result":
                self._take_result(number)
            elif kind == "cancelled":
                self._finish(number, Stopped())
            elif kind == "error":
                self._finish(number, Failed(message["text"], message["kind"] == "input"))
            elif kind == "unusable":
                unusable = Failed(message["text"], message["kind"] == "input")
        code = process.wait()
        logger.join(1.0)
        with self._lock:
            if self._process is process:
                self._process = None
            number = self._pending
        if number is not None:
            last = next((line for line in reversed(self._log) if line.strip()), "it said nothing")
            text = f"The prediction process ended unexpectedly (exit code {code}: {last}); predict again to restart it."
            self._finish(number, unusable or Failed(text, by_input=False))

    def _take_result(self, number: int) -> None:
        folder = self._folder
        if folder is None or number != self._pending:
            return
        try:
            dose, dose_std, provenance, uncalibrated = read_dose(folder / "dose.npz")
        except (OSError, ValueError, KeyError) as error:
            self._finish(number, Failed(f"The predicted dose could not be read back: {error}", by_input=False))
            return
        self._finish(number, Finished(dose, dose_std, provenance, uncalibrated))

    def _end_cancelled(self, number: int) -> None:
        with self._lock:
            if self._pending != number:
                return
            process, self._process = self._process, None
        if process is not None:
            _kill_group(process)
        self._finish(number, Stopped())

    def _finish(self, number: int, event: Event) -> None:
        assert isinstance(event, FINAL_EVENTS)
        with self._lock:
            if self._pending != number:
                return
            self._pending = None
        self._remove_folder()
        self._events.put(event)

    def _remove_folder(self) -> None:
        with self._lock:
            folder, self._folder = self._folder, None
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)


def _kill_group(process: subprocess.Popen[str]) -> None:
    """End a process and its children: a launcher such as PythonSlicer leaves its child behind otherwise."""
    try:
        if sys.platform == "win32":
            subprocess.run(["taskkill", "/F", "/T", "/PID", str(process.pid)], capture_output=True, check=False)
        else:
            os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
