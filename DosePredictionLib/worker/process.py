"""The prediction process: requests come in and events go out as lines of JSON on its standard streams.

Requests: ``{"type": "predict", "id", "patient", "result", "options"}``, ``{"type": "cancel", "id"}``,
``{"type": "folder", "path"}``, ``{"type": "stop"}``. Events: ``ready``, ``progress``, ``message``, ``result``,
``cancelled``, ``error`` (with ``kind`` "input" for what the user can mend) and ``unusable`` when the process can't
start at all. It ends when its standard input closes, so it never outlives its client; nor does the folder that the
client last named, where the next patient will lie.

Run by path (``python .../DosePredictionLib/worker/process.py --system default``), because inside Slicer the library
need not be installed.
"""

from __future__ import annotations

import argparse
import json
import os
import queue
import shutil
import sys
import threading
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TextIO

if __package__ in (None, ""):
    # Run by path: the folder of this script must not shadow the standard library, and the library must be found.
    sys.path[0] = str(Path(__file__).resolve().parents[2])

from DosePredictionLib.errors import InputError
from DosePredictionLib.inference.options import PredictionOptions
from DosePredictionLib.inference.progress import Cancelled, Progress
from DosePredictionLib.worker.exchange import read_patient_exchange, write_dose


class WorkerProcess:
    """Serves requests until its input closes.

    Args:
        requests: lines of JSON.
        events: where events are written.
        make_engine: builds the engine; called once, with the function that tells the user something.
    """

    def __init__(self, requests: TextIO, events: TextIO, make_engine: Any) -> None:
        self._requests, self._events = requests, events
        self._make_engine = make_engine
        self._jobs: queue.Queue[dict[str, Any] | None] = queue.Queue()
        self._cancelled: set[int] = set()
        self._closing = threading.Event()
        self._number: int | None = None
        self._folder: Path | None = None
        self._writing = threading.Lock()

    def serve(self) -> int:
        """Run to the end; the exit code."""
        threading.Thread(target=self._listen, daemon=True).start()
        try:
            return self._serve()
        finally:
            self._remove_folder_when_closing()  # once more: what was open, or was written meanwhile

    def _serve(self) -> int:
        try:
            engine = self._make_engine(lambda text: self._emit({"type": "message", "id": self._number, "text": text}))
        except InputError as error:
            self._emit({"type": "unusable", "kind": "input", "text": str(error)})
            return 2
        except Exception as error:
            traceback.print_exc()
            self._emit({"type": "unusable", "kind": "internal", "text": f"{type(error).__name__}: {error}"})
            return 1
        self._emit({"type": "ready", "device": str(engine.device)})
        while (job := self._jobs.get()) is not None:
            self._predict(engine, job)
        return 0

    def _predict(self, engine: Any, job: dict[str, Any]) -> None:
        number = self._number = int(job["id"])

        def report(progress: Progress) -> None:
            self._emit({"type": "progress", "id": number, **vars(progress)})

        def cancelled() -> bool:
            return number in self._cancelled or self._closing.is_set()

        try:
            report(Progress("reading", 0, 0, None))
            patient = read_patient_exchange(Path(job["patient"]))
            _remove_file(Path(job["patient"]))  # no longer on the disk than it takes
            predicted = engine.predict(patient, PredictionOptions(**job["options"]), report, cancelled)
            write_dose(
                predicted.dose, predicted.dose_std, predicted.provenance, Path(job["result"]), predicted.uncalibrated
            )
            if cancelled():
                raise Cancelled
            self._emit({"type": "result", "id": number})
        except Cancelled:
            self._emit({"type": "cancelled", "id": number})
        except InputError as error:
            self._emit({"type": "error", "id": number, "kind": "input", "text": str(error)})
        except MemoryError:
            text = "The memory of this computer ran out; close other programs or predict on a coarser CT."
            self._emit({"type": "error", "id": number, "kind": "input", "text": text})
        except Exception as error:  # one bad request must not take the warm process down
            traceback.print_exc()
            self._emit({"type": "error", "id": number, "kind": "internal", "text": f"{type(error).__name__}: {error}"})

    def _listen(self) -> None:
        for line in self._requests:
            try:
                request = json.loads(line)
                kind = request["type"]
            except (json.JSONDecodeError, KeyError, TypeError):
                print(f"not a request: {line.rstrip()[:200]}", file=sys.stderr)
                continue
            if kind == "predict":
                self._jobs.put(request)
            elif kind == "cancel":
                self._cancelled.add(int(request["id"]))
            elif kind == "folder":
                self._folder = Path(request["path"])
            elif kind == "stop":
                break
        self._closing.set()
        self._remove_folder_when_closing()
        self._jobs.put(None)

    def _remove_folder_when_closing(self) -> None:
        """The client wants no dose any more, and may have been killed, so that it removes nothing itself."""
        if self._closing.is_set() and self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _emit(self, event: dict[str, Any]) -> None:
        with self._writing:
            try:
                self._events.write(json.dumps(event) + "\n")
                self._events.flush()
            except OSError:  # the client is gone
                self._closing.set()


def _remove_file(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError:
        pass  # something else has it open; the client removes the folder


def prediction_process(arguments: Sequence[str], requests: TextIO, events: TextIO) -> WorkerProcess:
    """The process that a command line asks for.

    Args:
        arguments: of the command line.
        requests, events: see `WorkerProcess`.
    """
    parser = argparse.ArgumentParser(description="Prediction process of DosePrediction (research use only).")
    parser.add_argument("--system", default="default")
    parser.add_argument("--weights")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--calibrate", nargs="?", const=True, default=False)
    chosen = parser.parse_args(arguments)

    def make_engine(tell: Any) -> Any:
        from DosePredictionLib.inference.engine import PredictionEngine

        return PredictionEngine(chosen.system, chosen.weights, chosen.device, tell, chosen.calibrate)

    return WorkerProcess(requests, events, make_engine)


def main() -> int:
    """Entry point of the process."""
    # Events get a stream of their own: whatever a library prints goes to the log and can't break a line of JSON.
    events = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    return prediction_process(sys.argv[1:], sys.stdin, events).serve()


if __name__ == "__main__":
    sys.exit(main())
