"""Predictions that are broken off, predictors that are closed or forgotten: what they leave, and what comes next."""

from __future__ import annotations

import gc
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from phantom import ball_patient
from quick_worker import ENTRY_SCRIPT, QuickEngine, mean_hu

from DosePredictionLib.cli import main as command_line
from DosePredictionLib.inference.options import PredictionOptions
from DosePredictionLib.inference.progress import Progress
from DosePredictionLib.patient.patient import Patient
from DosePredictionLib.patient.volume import Volume
from DosePredictionLib.worker import client as client_module
from DosePredictionLib.worker.client import WorkerClient
from DosePredictionLib.worker.events import FINAL_EVENTS, Advanced, Event, Failed, Finished, Stopped
from DosePredictionLib.worker.exchange import write_patient
from DosePredictionLib.worker.predictor import Prediction, PredictionFailed, PredictionStopped, Predictor
from DosePredictionLib.worker.process import WorkerProcess

WAIT_S = 60.0
LONG_STEPS = 1000
DEAF = 'import time\nprint(\'{"type": "ready", "device": "cpu"}\', flush=True)\ntime.sleep(600)\n'


def patient_of(identifier: str, shift_hu: int) -> Patient:
    """A ball of water under another name and with another CT."""
    patient = ball_patient()
    assert patient.ct is not None
    ct = Volume(np.maximum(patient.ct.array + np.int16(shift_hu), -1000), patient.geometry)
    return replace(patient, identifier=identifier, ct=ct)


FIRST, SECOND = patient_of("first", 0), patient_of("second", 40)


@pytest.fixture
def own_temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A temporary folder of the test's own, to see what is left in it."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.fixture
def client(own_temporary_folder: Path) -> Iterator[WorkerClient]:
    client = WorkerClient(entry_script=ENTRY_SCRIPT)
    yield client
    client.close()
    assert list(own_temporary_folder.iterdir()) == []


@pytest.fixture
def deaf_client(own_temporary_folder: Path, tmp_path: Path) -> Iterator[WorkerClient]:
    """A client whose process answers nothing."""
    deaf = tmp_path / "deaf.py"
    deaf.write_text(DEAF)
    client = WorkerClient(entry_script=deaf)
    yield client
    client.close()


def until(happened, within_s: float = WAIT_S) -> None:
    deadline = time.monotonic() + within_s
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def is_alive(process_id: int) -> bool:
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return False
    return True


def is_of(prediction: Prediction, patient: Patient) -> bool:
    return (
        bool(np.allclose(prediction.dose.array, mean_hu(patient)))
        and prediction.provenance.patient == patient.identifier
    )


class BreaksOff:
    """Raises an error at the first report of sampling."""

    def __init__(self, error: BaseException) -> None:
        self.error = error

    def __call__(self, progress: Progress) -> None:
        if progress.stage == "sampling":
            raise self.error


@pytest.mark.parametrize("error", [ZeroDivisionError("in a callback"), KeyboardInterrupt()])
@pytest.mark.parametrize("steps", [1, LONG_STEPS])
def test_after_a_prediction_was_broken_off_the_next_patient_gets_a_dose_of_his_own_at_once(
    client: WorkerClient, error: BaseException, steps: int
) -> None:
    predictor = Predictor(client=client)
    with pytest.raises(type(error)):
        predictor.predict(FIRST, steps=steps, on_progress=BreaksOff(error))
    process = client.process_id
    assert not predictor.busy
    assert is_of(predictor.predict(SECOND), SECOND)
    assert is_of(predictor.predict(SECOND), SECOND), "nor may a later one be one behind"
    assert client.process_id == process, "the warm process must not be lost"


def test_after_a_second_interrupt_the_next_prediction_works_at_once(
    client: WorkerClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    predictor, abandoned = Predictor(client=client), []
    wait, abandon = client.wait, client.abandon

    def waiting(timeout_s: float | None = None) -> Event | None:
        if abandoned == [1]:
            abandoned.append(2)
            raise KeyboardInterrupt
        return wait(timeout_s)

    monkeypatch.setattr(client, "wait", waiting)
    monkeypatch.setattr(client, "abandon", lambda number: (abandoned.append(1), abandon(number)))
    with pytest.raises(KeyboardInterrupt):
        predictor.predict(FIRST, steps=LONG_STEPS, on_progress=BreaksOff(KeyboardInterrupt()))
    assert abandoned == [1, 2] and not predictor.busy
    assert is_of(predictor.predict(SECOND), SECOND)


#: Says a reason for the first patient's failure, which does not end it, and nothing for the second's, which does.
FAILS_THEN_ENDS = """
import json, sys
print("its own start", file=sys.stderr, flush=True)
for line in sys.stdin:
    request = json.loads(line)
    if request["type"] != "predict":
        continue
    if request["id"] == 2:
        sys.exit(3)
    print("the first patient's reason", file=sys.stderr, flush=True)
    print(json.dumps({"type": "error", "id": request["id"], "kind": "internal", "text": "failed"}), flush=True)
"""


def test_the_end_of_a_process_is_not_told_by_what_it_said_of_an_earlier_patient(tmp_path: Path) -> None:
    script = tmp_path / "fails.py"
    script.write_text(FAILS_THEN_ENDS)
    client = WorkerClient(entry_script=script)
    with Predictor(client=client) as predictor:
        with pytest.raises(PredictionFailed, match="failed"):
            predictor.predict(FIRST)
        until(lambda: "the first patient's reason" in client.log)
        with pytest.raises(PredictionFailed, match=r"\(exit code 3: it said nothing\)"):
            predictor.predict(SECOND)


def test_events_carry_the_number_that_submit_gave(client: WorkerClient) -> None:
    for number in (1, 2):
        assert client.submit(FIRST, PredictionOptions(steps=2)) == number
        heard = []
        while not heard or not isinstance(heard[-1], FINAL_EVENTS):
            event = client.wait(WAIT_S)
            assert event is not None
            heard.append(event)
        assert {type(event) for event in heard if event.request == number} == {Advanced, Finished}
        assert {event.request for event in heard} <= {None, number}


def test_a_dose_of_another_patient_or_grid_is_refused(client: WorkerClient, monkeypatch: pytest.MonkeyPatch) -> None:
    predictor, wait = Predictor(client=client), client.wait

    def mixed_up(timeout_s: float | None = None) -> Event | None:
        event = wait(timeout_s)
        if not isinstance(event, Finished):
            return event
        if event.request == 1:
            return replace(event, provenance=replace(event.provenance, patient="third"))
        moved = replace(event.dose.geometry, origin_mm=(0.0, 0.0, 0.0))
        return replace(event, dose=Volume(event.dose.array, moved))

    monkeypatch.setattr(client, "wait", mixed_up)
    for _ in range(2):
        with pytest.raises(PredictionFailed, match="not the one asked for second"):
            predictor.predict(SECOND)


def test_closing_ends_a_prediction_that_another_thread_waits_for(client: WorkerClient) -> None:
    predictor, ended = Predictor(client=client), []

    def predict() -> None:
        try:
            predictor.predict(FIRST, steps=LONG_STEPS, on_progress=lambda progress: ended.append("began"))
        except PredictionStopped as error:
            ended.append(error)

    thread = threading.Thread(target=predict, daemon=True)
    thread.start()
    until(lambda: ended)
    predictor.close()
    thread.join(5.0)
    assert not thread.is_alive() and isinstance(ended[-1], PredictionStopped)


def test_closing_while_the_patient_is_written_leaves_no_process_and_no_patient(
    client: WorkerClient, own_temporary_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writing, may_go_on = threading.Event(), threading.Event()

    def write_slowly(patient: Patient, path: Path) -> None:
        writing.set()
        assert may_go_on.wait(WAIT_S)
        path.parent.mkdir(exist_ok=True)  # the file appears after the folder was removed
        write_patient(patient, path)

    monkeypatch.setattr("DosePredictionLib.worker.client.write_patient", write_slowly)
    monkeypatch.setattr("DosePredictionLib.worker.client.CLOSE_GRACE_S", 0.2)
    client.submit(FIRST, PredictionOptions())
    assert writing.wait(WAIT_S)
    client.close()
    may_go_on.set()
    until(lambda: not any(thread.name.endswith("(_send_patient)") for thread in threading.enumerate()))
    assert list(own_temporary_folder.iterdir()) == [] and client.process_id is None


def test_a_second_interrupt_while_closing_leaves_neither_process_nor_patient(
    deaf_client: WorkerClient, own_temporary_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deaf_client.submit(FIRST, PredictionOptions())
    until(lambda: list(own_temporary_folder.glob("*/patient.npz")))
    process = deaf_client.process_id
    assert process is not None
    wait, waits = subprocess.Popen.wait, []

    def interrupted(self: subprocess.Popen[str], timeout: float | None = None) -> int:
        if threading.current_thread() is threading.main_thread() and not waits:
            waits.append(timeout)
            raise KeyboardInterrupt
        return wait(self, timeout)

    monkeypatch.setattr(subprocess.Popen, "wait", interrupted)
    with pytest.raises(KeyboardInterrupt):
        deaf_client.close()
    assert list(own_temporary_folder.iterdir()) == []
    assert not is_alive(process)


def test_the_end_of_a_cancelled_process_is_not_that_of_the_next_prediction(client: WorkerClient) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    client.submit(FIRST, PredictionOptions(steps=LONG_STEPS))
    logger = threading.Thread(target=ended.wait)
    logger.start()
    client._listen(ended, logger, deque())
    assert client.busy
    assert not any(isinstance(event, Failed) for event in client.poll())


def test_a_predictor_that_nobody_holds_ends_its_process(own_temporary_folder: Path) -> None:
    client = WorkerClient(entry_script=ENTRY_SCRIPT)
    predictor = Predictor(client=client)
    predictor.submit(FIRST, steps=LONG_STEPS)
    until(lambda: client.process_id is not None)
    process = client.process_id
    assert process is not None
    del predictor
    gc.collect()
    until(lambda: not is_alive(process))
    until(lambda: list(own_temporary_folder.iterdir()) == [])


class Process:
    """A `WorkerProcess` in a thread, and the end of the pipe that its client writes to."""

    def __init__(self, engine: QuickEngine, folder: Path) -> None:
        read, write = os.pipe()
        self.requests = os.fdopen(write, "w")
        self.events = folder.with_suffix(".jsonl").open("w+")
        process = WorkerProcess(os.fdopen(read), self.events, lambda tell: engine)
        self.thread = threading.Thread(target=process.serve, daemon=True)
        self.thread.start()

    def send(self, **message: object) -> None:
        self.requests.write(json.dumps(message) + "\n")
        self.requests.flush()


@pytest.mark.parametrize("said_goodbye", [False, True])
def test_the_process_keeps_no_patient_on_the_disk_longer_than_its_client_lives(
    tmp_path: Path, said_goodbye: bool
) -> None:
    folder, seen = tmp_path / "exchange", []
    folder.mkdir()

    class Watching(QuickEngine):
        def predict(self, *arguments):
            seen.append([path.name for path in folder.iterdir()])
            return super().predict(*arguments)

    write_patient(FIRST, folder / "patient.npz")
    process = Process(Watching(), folder)
    process.send(type="folder", path=str(folder))
    paths = {"patient": str(folder / "patient.npz"), "result": str(folder / "dose.npz")}
    process.send(type="predict", id=1, options={"steps": 1}, **paths)
    until(lambda: (folder / "dose.npz").exists())
    assert seen == [[]], "read, the patient is no longer needed on the disk"
    write_patient(SECOND, folder / "patient.npz")
    if said_goodbye:
        process.send(type="stop")
    process.requests.close()
    process.thread.join(WAIT_S)
    assert not folder.exists()


def test_a_command_told_to_end_ends_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    tidied = []

    def run(_arguments: object) -> int:
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(WAIT_S)
        finally:
            tidied.append("the prediction process")
        return 0

    monkeypatch.setattr("DosePredictionLib.cli.compare.run", run)
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit) as ended:
        command_line.main(["compare", "case", "--dose", "dose.nrrd", "-o", "out"])
    assert ended.value.code == 143 and tidied
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_cancelled_prediction_ends_as_stopped_even_when_its_dose_has_come(client: WorkerClient) -> None:
    client.submit(FIRST, PredictionOptions())
    request = client._pending
    assert request is not None
    client.cancel()
    client._finish(request, Failed("too late", by_input=False))
    assert [event for event in client.poll() if isinstance(event, FINAL_EVENTS)] == [Stopped(request=1)]


def test_ending_a_process_on_windows_opens_no_console_window(monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[tuple[list[str], int]] = []
    running = SimpleNamespace(pid=7, poll=lambda: None, wait=lambda timeout: 0)
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setattr(client_module, "_NO_WINDOW", 0x08000000)
    monkeypatch.setattr(subprocess, "run", lambda command, creationflags=0, **_: ran.append((command, creationflags)))
    client_module._kill_group(running)
    assert ran == [(["taskkill", "/F", "/T", "/PID", "7"], 0x08000000)]
