"""Weights say whom they were trained on, by digests of the patients' images; so do checkpoints and prolonged runs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from ball_case import ball_case
from phantom import ball_dose, ball_patient
from test_training import config
from tiny import tiny_weights

from DosePredictionLib.inference.modality_card import modality_card
from DosePredictionLib.inference.model_card import model_card
from DosePredictionLib.inference.patients_seen import COMPLETE, DIGESTS, PatientsSeen
from DosePredictionLib.inference.shipped_weights import default_weights
from DosePredictionLib.inference.weights_header import WeightsHeader, read_weights_header
from DosePredictionLib.patient.patient_digest import patient_digest
from DosePredictionLib.patient.volume import Volume
from DosePredictionLib.training.case_cache import cached_cases
from DosePredictionLib.training.earlier_patients import patients_before
from DosePredictionLib.training.export import export_weights
from DosePredictionLib.training.loop import TrainingRun


def without_ct(shift_mm):
    """A patient whose dose is all that tells who it is."""
    return replace(ball_patient(), ct=None, reference_dose=ball_dose(shift_mm))


@pytest.fixture(scope="module")
def cases():
    return [replace(ball_case(shift), digest=patient_digest(without_ct(shift)) or "") for shift in (0.0, 3.0)]


def test_a_digest_is_of_the_images_alone():
    patient = ball_patient()
    noise = np.random.default_rng(0).integers(-1000, 1000, patient.geometry.shape)
    seen = replace(patient, ct=Volume(noise.astype(np.int16), patient.geometry))
    digest = patient_digest(seen)
    assert digest is not None and len(digest) == 8 and int(digest, 16) >= 0
    for alike in (
        replace(seen, identifier="other", structures=(), technique="VMAT"),
        replace(seen, ct=Volume(noise.astype(np.float64) + 1e-4, patient.geometry)),
        replace(seen, reference_dose=ball_dose(5.0)),
    ):
        assert patient_digest(alike) == digest
    noise[3, 3, 3] += 1
    assert patient_digest(replace(seen, ct=Volume(noise, patient.geometry))) != digest


def test_that_a_dose_is_not_among_the_known_ones_says_nothing():
    """Another file of the same dose may be rounded otherwise, and have another digest."""
    dose = ball_dose(0.0)
    rounded = Volume((dose.array / 0.002).round() * 0.002, dose.geometry)
    first, again = (patient_digest(replace(without_ct(0.0), reference_dose=one)) for one in (dose, rounded))
    seen = PatientsSeen.of([first])
    assert seen.knows(first) is True and seen.knows(again) in (True, None)
    assert seen.knows(patient_digest(ball_patient())) is False, "a CT is stored in whole HU"


def test_without_a_ct_the_dose_tells():
    assert patient_digest(without_ct(0.0)) == patient_digest(without_ct(0.0)) != patient_digest(without_ct(3.0))
    dose = ball_dose(0.0)
    doubled = Volume(dose.array.astype(np.float64), dose.geometry)
    assert patient_digest(replace(without_ct(0.0), reference_dose=doubled)) == patient_digest(without_ct(0.0))
    assert patient_digest(replace(ball_patient(), ct=None, reference_dose=None)) is None
    empty = Volume(np.zeros(ball_patient().geometry.shape, np.int16), ball_patient().geometry)
    assert patient_digest(replace(without_ct(3.0), ct=empty)) == patient_digest(without_ct(3.0)), "no CT to speak of"


def test_a_list_that_is_not_whole_tells_nothing_of_the_others():
    whole, part = PatientsSeen.of(["a", "b"]), PatientsSeen.of(["b", "c", ""])
    assert (whole.knows("a"), whole.knows("z"), whole.knows(None)) == (True, False, None)
    assert (part.knows("b"), part.knows("z")) == (True, None)
    both = whole.with_others(part)
    assert both.to_header() == {DIGESTS: ["a", "b", "c"], COMPLETE: False}
    for one in (whole, part, both):
        assert PatientsSeen.of_header(one.to_header()) == one
    assert PatientsSeen.of_header({"data": "weights from before"}) == PatientsSeen(complete=False)


def test_weights_and_resumed_runs_remember_all_patients(tmp_path, cases):
    first = TrainingRun(config(tmp_path / "one", steps=2), cases[:1], [])
    first.run()
    told = read_weights_header(export_weights(first)).training
    assert told[DIGESTS] == [cases[0].digest] and COMPLETE not in told
    second = TrainingRun(config(tmp_path / "one", steps=4), cases[1:], [])
    second.run()
    path = export_weights(second)
    both = sorted(case.digest for case in cases)
    assert len(set(both)) == 2 and read_weights_header(path).training[DIGESTS] == both
    # Finished: whoever is in the folder now was not trained on.
    assert TrainingRun(config(tmp_path / "one", steps=4), cases[:1], []).patients_seen.digests == set(both)
    fitted = TrainingRun(config(tmp_path / "two", steps=1, from_weights=str(path)), cases[:1], [])
    fitted.run()
    assert read_weights_header(export_weights(fitted)).training[DIGESTS] == both


def test_checkpoints_and_weights_from_before_are_read(tmp_path, cases):
    run = TrainingRun(config(tmp_path / "one", steps=2), cases[:1], [])
    run.run(until=1)
    state = torch.load(run.output / "checkpoint.pt", weights_only=True)
    del state[DIGESTS]
    torch.save(state, run.output / "checkpoint.pt")
    resumed = TrainingRun(run.config, cases[:1], [])
    resumed.run()
    told = read_weights_header(export_weights(resumed)).training
    assert told[DIGESTS] == [cases[0].digest] and told[COMPLETE] is False


def test_what_weights_from_before_were_trained_on_is_not_known(tmp_path):
    older = str(tiny_weights(tmp_path / "older.safetensors"))
    unknown = PatientsSeen(complete=False)
    assert patients_before(config(tmp_path, from_weights=older)) == unknown
    assert patients_before(config(tmp_path)) == PatientsSeen()
    assert patients_before(config(tmp_path, from_weights=str(tmp_path))) == PatientsSeen(), "a published backbone"
    shipped = patients_before(config(tmp_path, stage="calibration"))
    header = read_weights_header(default_weights("default"))
    assert shipped == PatientsSeen.of_header(header.training), "what a calibration calibrates"


def test_validation_patients_that_were_trained_on_are_told(tmp_path, cases, capsys):
    TrainingRun(config(tmp_path / "one", steps=1), cases, cases[:1]).run()
    assert "1 of the 1 validation patients are among the training patients (ball)" in capsys.readouterr().out
    TrainingRun(config(tmp_path / "two", steps=1), cases[:1], cases[1:]).run()
    assert "among the training patients" not in capsys.readouterr().out


@pytest.mark.parametrize("card", [model_card, modality_card])
def test_a_card_names_the_weights_that_were_tuned(card, tmp_path, cases):
    start = str(tiny_weights(tmp_path / "start.safetensors"))
    path = export_weights(TrainingRun(config(tmp_path / "run", from_weights=start), cases, cases[:1]))
    header = read_weights_header(path)
    origin = header.training["from_weights"]
    told = f"\n- It went on from the weights `{origin['file']}` (SHA-256 {origin['sha256']});"
    assert told in card(header) and origin["file"].endswith("/start.safetensors")
    fresh = replace(header, training={**header.training, "from_weights": {"folder": "maisi"}})
    assert "\n- It went on from the published backbone in `maisi`\n" in card(fresh)
    assert "went on from" not in card(WeightsHeader("default", {"channels": ("ct",)}))


@pytest.mark.parametrize(
    ("counted", "told"),
    [({}, "; whether it was trained on any of them is not known"),
     ({"patients_trained_on": 0}, " that were not trained on"),
     ({"patients_trained_on": 2}, ", 2 of whom it was trained on")],
)  # fmt: skip
def test_a_card_says_when_nobody_knows_whether_patients_were_trained_on(counted, told):
    validation = {"patients": 5, "dataset": "ours", **counted}
    assert f"5 patients (ours){told}" in model_card(WeightsHeader("default", {"channels": ("ct",)}, {}, validation))


@pytest.mark.parametrize("system", ["addiff_dose", "diffkt3d"])
def test_shipped_cards_name_the_weights_that_were_tuned(system):
    weights = default_weights(system)
    origin = read_weights_header(weights).training["from_weights"]
    assert origin["sha256"] in weights.with_suffix(".md").read_text(encoding="utf-8")


def test_cached_cases_have_the_digest_of_the_patient_even_from_older_files(tmp_path):
    from DosePredictionLib.patient.cases import named_cases
    from DosePredictionLib.resources import resource_path
    from DosePredictionLib.training.case_cache import load_case, save_case

    folder = resource_path("SampleData")
    channels = ball_case().inputs.names
    (made,) = cached_cases(folder, tmp_path, channels)
    wanted = patient_digest(named_cases([folder])[0].read())
    assert made.digest == wanted
    (path,) = tmp_path.iterdir()
    save_case(replace(load_case(path), digest=""), path)
    (again,) = cached_cases(folder, tmp_path, channels)
    assert again.digest == load_case(path).digest == wanted
    # A file that was cut off, and an empty one, are made anew.
    for whole in (path.stat().st_size // 2, 0):
        path.write_bytes(path.read_bytes()[:whole])
        (mended,) = cached_cases(folder, tmp_path, channels)
        assert mended.digest == wanted and np.array_equal(mended.dose_gy, made.dose_gy)
    assert [one.name for one in tmp_path.iterdir()] == [path.name]
