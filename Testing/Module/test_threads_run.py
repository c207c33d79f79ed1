"""Threads that work for the panel come to run though Slicer's event loop keeps Python's interpreter lock."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable

import pytest
from DosePredictionPanel.jobs import Jobs
from DosePredictionScene.pieces import in_background
from DosePredictionScene.prediction_request import Request
from DosePredictionScene.prediction_run import BUDGET_S, PredictionRun
from DosePredictionScene.self_test import phantom_nodes
from phantom_scene import SphericalPredictor
from standin.event_loop import sleep_as_slicer

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is no way to sleep there with the lock held")

#: The thread gives the lock away and wants it back so often, as reading and numpy's functions do.
TURNS = 200
#: With the lock held between ticks it would get one or two turns a tick.
MOST_TICKS = 60


def work_in_turns() -> str:
    for _ in range(TURNS):
        time.sleep(1e-5)
    return "done"


def ticks_until(done: Callable[[], bool], tick: Callable[[], None]) -> int:
    """How many ticks of Slicer's event loop it takes until something is so."""
    for count in range(10 * TURNS):
        if done():
            return count
        tick()
        sleep_as_slicer(0.01)
    raise AssertionError("it never came to be so")


def test_the_lock_is_held_while_the_event_loop_waits() -> None:
    turns: list[int] = []
    stop = threading.Event()

    def count() -> None:
        while not stop.is_set():
            turns.append(1)
            time.sleep(1e-5)

    thread = threading.Thread(target=count)
    thread.start()
    time.sleep(0.01)
    taken = []
    for _ in range(5):  # before the wait begins, a busy machine may give the other thread a turn of its own
        before = len(turns)
        sleep_as_slicer(0.05)
        taken.append(len(turns) - before)
    stop.set()
    thread.join()
    assert min(taken) <= 1 and len(turns) > 5


def test_a_job_in_the_background_runs() -> None:
    results: list[str] = []
    jobs = Jobs(failed=lambda error: None)
    jobs.add(in_background(work_in_turns), results.append)
    assert ticks_until(lambda: bool(results), lambda: jobs.advance(BUDGET_S)) < MOST_TICKS


class BusyListener(SphericalPredictor):
    """Works in a thread, as the client's listener does, before its dose has come."""

    def __init__(self) -> None:
        super().__init__()
        self.heard: list[str] = []

    def listen(self) -> None:
        def work() -> None:
            self.heard.append(work_in_turns())
            self.finish()

        threading.Thread(target=work).start()


def test_what_the_prediction_process_says_is_heard_and_shown() -> None:
    predictor = BusyListener()
    run = PredictionRun(lambda: predictor)
    ct, segmentation = phantom_nodes()
    run.start(Request(ct, segmentation))
    ticks_until(lambda: predictor.busy, lambda: run.poll(BUDGET_S) and None)
    predictor.listen()
    ticks = ticks_until(lambda: bool(predictor.heard), lambda: run.poll(BUDGET_S) and None)
    assert ticks < MOST_TICKS
    ticks_until(lambda: run.shown is not None, lambda: run.poll(BUDGET_S) and None)
