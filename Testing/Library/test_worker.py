"""The prediction process: results, warmth, cancelling, crashes."""

from __future__ import annotations

import os
import signal
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from phantom import ball_patient
from tiny import tiny_weights

from DosePredictionLib.dosimetry.goals import Verdict
from DosePredictionLib.errors import InputError
from DosePredictionLib.inference.options import PredictionOptions
from DosePredictionLib.patient.structure import StructureRole
from DosePredictionLib.patient.volume import Volume
from DosePredictionLib.worker.client import WorkerClient
from DosePredictionLib.worker.events import FINAL_EVENTS, Advanced, Failed, Finished, Stopped
from DosePredictionLib.worker.exchange import read_patient_exchange, write_patient
from DosePredictionLib.worker.predictor import PredictionFailed, Predictor

WAIT_S = 120.0
#: Two seconds, and what a busy computer takes longer.
CANCELLED_WITHIN_S = 5.0
LONG = PredictionOptions(samples=500, steps=100)


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    return tiny_weights(tmp_path_factory.mktemp("weights") / "tiny.safetensors")


@pytest.fixture
def own_temporary_folder(tmp_path, monkeypatch):
    """A temporary folder of the test's own, to see what is left in it."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


@pytest.fixture(scope="module")
def warm_client(weights):
    """Its process takes two seconds of a processor to start, so the tests take turns with it."""
    return WorkerClient("default", weights, "cpu")


@pytest.fixture(scope="module")
def warm_predictor(warm_client):
    with Predictor(client=warm_client) as predictor:
        yield predictor


@pytest.fixture
def client(warm_client, warm_predictor, own_temporary_folder):
    yield warm_client
    assert not warm_client.busy and warm_client.poll() == []
    assert list(own_temporary_folder.iterdir()) == []


@pytest.fixture
def predictor(client, warm_predictor):
    """Predicts with the process of ``client``."""
    return warm_predictor


def wait_for(client, *kinds):
    """The first event of these kinds."""
    deadline = time.monotonic() + WAIT_S
    while time.monotonic() < deadline:
        event = client.wait(1.0)
        if isinstance(event, kinds):
            return event
    raise AssertionError(f"no {kinds} in {WAIT_S} s; the process said: {client.log}")


def predict(client, **options):
    client.submit(ball_patient(), PredictionOptions(**options))
    event = wait_for(client, *FINAL_EVENTS)
    assert isinstance(event, Finished), event
    return event


def test_a_patient_survives_the_exchange(tmp_path):
    patient = ball_patient()
    write_patient(patient, tmp_path / "patient.npz")
    again = read_patient_exchange(tmp_path / "patient.npz")
    assert again.geometry == patient.geometry
    assert np.array_equal(again.ct.array, patient.ct.array)
    assert again.beams == patient.beams
    for ours, theirs in zip(patient.structures, again.structures, strict=True):
        assert (ours.name, ours.role, ours.standard_name) == (theirs.name, theirs.role, theirs.standard_name)
        whole = theirs.mask.on_grid(ours.mask.geometry, nearest=True)
        assert np.array_equal(whole.array.astype(bool), ours.mask.array.astype(bool))


def test_the_process_stays_warm_and_the_same_seed_gives_the_same_dose(client):
    first = predict(client, samples=2, seed=3)
    process = client.process_id
    again = predict(client, samples=2, seed=3)
    other = predict(client, samples=2, seed=4)
    assert client.process_id == process
    assert np.array_equal(first.dose.array, again.dose.array)
    assert not np.array_equal(first.dose.array, other.dose.array)
    patient = ball_patient()
    assert first.dose.geometry == patient.geometry
    outside = patient.with_role(StructureRole.EXTERNAL)[0].mask.array == 0
    assert first.dose.array[outside].max() == 0
    assert first.dose.array.min() >= 0 and first.dose.array.max() > 0
    assert first.dose_std is not None and first.dose_std.array.max() > 0
    assert first.provenance.samples == 2 and first.provenance.seed == 3
    assert "Research use" in first.provenance.intended_use


def test_progress_counts_every_step_and_estimates_the_time_left(client):
    client.submit(ball_patient(), PredictionOptions(samples=3, steps=2))
    reports = []
    while not isinstance(event := client.wait(WAIT_S), FINAL_EVENTS):
        if isinstance(event, Advanced):
            reports.append(event.progress)
    assert isinstance(event, Finished)
    assert [r.step for r in reports if r.stage == "sampling"] == list(range(7))
    assert {r.stage for r in reports} == {"reading", "conditioning", "sampling", "finishing"}
    assert all(r.seconds_left >= 0 for r in reports if r.step)


def test_cancel_takes_effect_at_once_and_the_next_prediction_works(client, own_temporary_folder):
    predict(client, samples=1)
    process = client.process_id
    client.submit(ball_patient(), LONG)
    while not (isinstance(event := client.wait(WAIT_S), Advanced) and event.progress.step >= 2):
        assert event is not None
    asked = time.monotonic()
    client.cancel()
    wait_for(client, Stopped)
    assert time.monotonic() - asked < CANCELLED_WITHIN_S
    assert not client.busy
    assert list(own_temporary_folder.iterdir()) == []
    predict(client, samples=1)
    assert client.process_id == process, "a cancelled prediction must not cost the warm process"


def test_a_process_that_does_not_listen_is_ended(tmp_path, own_temporary_folder):
    deaf = tmp_path / "deaf.py"
    deaf.write_text('import time\nprint(\'{"type": "ready", "device": "cpu"}\', flush=True)\ntime.sleep(600)\n')
    client = WorkerClient(entry_script=deaf)
    client.submit(ball_patient(), LONG)
    client.wait(WAIT_S)
    process = client.process_id
    asked = time.monotonic()
    client.cancel()
    wait_for(client, Stopped)
    assert time.monotonic() - asked < CANCELLED_WITHIN_S
    time.sleep(0.2)
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)
    client.close()


def test_a_crash_is_reported_and_the_next_prediction_works(client):
    client.submit(ball_patient(), LONG)
    wait_for(client, Advanced)
    os.kill(client.process_id, signal.SIGKILL)
    failed = wait_for(client, *FINAL_EVENTS)
    assert isinstance(failed, Failed) and not failed.by_input
    assert "ended unexpectedly (killed, probably for want of memory)" in failed.text and "predict again" in failed.text
    predict(client, samples=1)


def test_a_fault_in_the_process_comes_with_its_last_words(tmp_path):
    broken = tmp_path / "broken.py"
    broken.write_text("raise SystemExit('the disk is on fire')\n")
    with Predictor(client=WorkerClient(entry_script=broken)) as predictor:
        with pytest.raises(PredictionFailed, match="the disk is on fire"):
            predictor.predict(ball_patient())


def test_bad_weights_are_input_errors(tmp_path):
    with Predictor(weights=tmp_path / "none.safetensors", device="cpu") as predictor:
        with pytest.raises(InputError, match="none.safetensors"):
            predictor.predict(ball_patient())


def test_bad_patients_are_input_errors(client, predictor):
    patient = ball_patient()
    without_targets = patient.with_structures(s for s in patient.structures if s.role is not StructureRole.TARGET)
    with pytest.raises(InputError, match="target"):
        predictor.predict(without_targets)
    predict(client)
    process = client.process_id
    client.submit(without_targets, PredictionOptions())  # unseen by the predictor, which would not send it
    failed = wait_for(client, *FINAL_EVENTS)
    assert isinstance(failed, Failed) and failed.by_input and "target" in failed.text
    assert predictor.predict(patient).dose.array.max() > 0
    assert client.process_id == process, "one bad patient must not take the process down"


def test_closing_leaves_no_process(weights):
    client = WorkerClient("default", weights, "cpu")
    predict(client, samples=1)
    process = client.process_id
    client.close()
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)


def test_what_a_library_prints_does_not_break_the_events(tmp_path, weights):
    root = Path(__file__).resolve().parents[2]
    noisy = tmp_path / "noisy.py"
    noisy.write_text(
        f"import sys; sys.path.insert(0, {str(root)!r})\n"
        "from DosePredictionLib.inference import engine\n"
        "original = engine.PredictionEngine.predict\n"
        "def predict(self, *rest):\n"
        "    print('a library says hello')\n"
        "    return original(self, *rest)\n"
        "engine.PredictionEngine.predict = predict\n"
        "from DosePredictionLib.worker.process import main\n"
        "sys.exit(main())\n"
    )
    with Predictor(client=WorkerClient("default", weights, "cpu", entry_script=noisy)) as predictor:
        assert predictor.predict(ball_patient()).dose.array.max() > 0
        assert "a library says hello" in predictor.log


def test_an_organ_outside_the_ct_is_measured_no_more_than_the_model_sees_it(predictor):
    patient = ball_patient()
    gland = next(s for s in patient.structures if s.standard_name == "Parotid_L")
    origin = tuple(value + 1000.0 for value in gland.mask.geometry.origin_mm)
    away = replace(gland, mask=Volume(gland.mask.array, replace(gland.mask.geometry, origin_mm=origin)))
    there = patient.with_structures(away if s is gland else s for s in patient.structures)
    prediction = predictor.predict(there)
    assert gland.name not in prediction.dvhs
    verdicts = {row.verdict for row in prediction.goals("head-and-neck") if row.goal.structure == "Parotid_L"}
    assert verdicts <= {Verdict.NOT_APPLICABLE}
    assert any("lies wholly outside the CT" in text for text in prediction.provenance.warnings)
