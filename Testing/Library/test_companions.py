"""Weights that sample together with others: which member sees what, and files that are not the right ones."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from phantom import ball_patient
from tiny import TINY, tiny_weights

from DosePredictionLib.cli import evaluate
from DosePredictionLib.cli.main import main
from DosePredictionLib.conditioning.channels import CHANNELS, model_input
from DosePredictionLib.errors import InputError
from DosePredictionLib.inference.calibration import parameters_sha256
from DosePredictionLib.inference.engine import PredictionEngine
from DosePredictionLib.inference.model_card import model_card
from DosePredictionLib.inference.options import PredictionOptions, Provenance
from DosePredictionLib.inference.weights import load_weights, read_weights, save_weights
from DosePredictionLib.resources import resource_path
from DosePredictionLib.systems.default import DefaultSystem
from DosePredictionLib.training.config import TrainingConfig
from DosePredictionLib.training.export import export_weights
from DosePredictionLib.training.loop import TrainingRun

#: What the companion looks at: in another order, and not all of it.
FEWER = tuple(name for name in reversed(CHANNELS) if name != "ct")


@pytest.fixture
def companion(tmp_path) -> Path:
    torch.manual_seed(5)
    system = DefaultSystem(channels=FEWER, **TINY)
    path = tmp_path / "companion.safetensors"
    header = replace(read_weights(tiny_weights(path)).header, config={**TINY, "channels": FEWER})
    save_weights(system.build_network().state_dict(), header, path)
    return path


@pytest.fixture
def weights(tmp_path, companion) -> Path:
    path = tiny_weights(tmp_path / "own.safetensors")
    file = read_weights(path)
    told = [{"name": companion.name, "sha256": read_weights(companion).sha256}]
    save_weights(file.state, replace(file.header, companions=told), path)
    return path


def test_members_take_turns_and_see_the_patient_and_the_mirror_image(weights, companion):
    patient = ball_patient()
    engine = PredictionEngine("default", weights, "cpu")
    predicted = engine.predict(patient, PredictionOptions(samples=4, steps=1, seed=3))
    inputs = model_input(patient)
    own, other = load_weights(weights), load_weights(companion)
    fewer = model_input(patient, FEWER)
    singles = []
    for index, (member, seen, mirrored) in enumerate(
        [(own, inputs, False), (other, fewer, True), (own, inputs, True), (other, fewer, False)]
    ):
        dose = member.system.sample_dose(member.network, seen.mirrored() if mirrored else seen, 1, 3000 + index)
        singles.append(dose[:, :, ::-1] if mirrored else dose)
    first = np.rint(patient.geometry.index_of_lps(np.asarray(inputs.geometry.origin_mm))).astype(int)
    part = tuple(slice(a, a + n) for a, n in zip(first, inputs.region.shape, strict=True))
    assert np.allclose(predicted.dose.array[part], np.mean(singles, axis=0), atol=1e-3)
    assert np.allclose(predicted.dose_std.array[part], np.std(singles, axis=0, ddof=1), atol=1e-3)
    assert not np.allclose(singles[0], singles[3], atol=1e-2), "the members differ"

    (told,) = predicted.provenance.companions
    assert told == f"companion.safetensors (sha256 {other.sha256})"
    kept = json.loads(json.dumps(asdict(predicted.provenance)))
    assert Provenance.from_dict(kept).companions == (told,)


def test_a_single_sample_is_the_weights_own(weights):
    patient = ball_patient()
    alone = replace(load_weights(weights), companions=())
    wanted = alone.system.sample_dose(alone.network, model_input(patient), 1, 0)
    engine = PredictionEngine("default", weights, "cpu")
    assert engine.predict(patient, PredictionOptions(samples=1)).dose.array.max() == pytest.approx(wanted.max())


def test_a_calibration_belongs_to_the_whole_ensemble(weights):
    ensemble = load_weights(weights)
    assert parameters_sha256(ensemble) != parameters_sha256(replace(ensemble, companions=()))


def test_a_companion_that_is_missing_or_another_file_is_refused(weights, companion, tmp_path):
    whole = companion.read_bytes()
    companion.unlink()
    with pytest.raises(InputError, match="companion.safetensors, which is missing"):
        load_weights(weights)
    tiny_weights(companion, pure_noise=0.25)
    with pytest.raises(InputError, match="not the file that own.safetensors was released with"):
        load_weights(weights)
    companion.write_bytes(whole)
    load_weights(weights)

    file = read_weights(weights)
    torch.manual_seed(0)
    narrow = DefaultSystem(channels=CHANNELS[:5], **TINY)
    header = replace(file.header, config={**TINY, "channels": CHANNELS[:5]})
    save_weights(narrow.build_network().state_dict(), header, tmp_path / "narrow.safetensors")
    with pytest.raises(InputError, match="needs channels that"):
        load_weights(tmp_path / "narrow.safetensors")


def test_evaluate_finds_a_companion_where_the_loader_does_and_misses_one_before_it_predicts(
    weights, companion, tmp_path, monkeypatch, capsys
):
    shipped = tmp_path / "resources" / "Models"
    shipped.mkdir(parents=True)
    companion.rename(shipped / companion.name)
    command = ["evaluate", str(resource_path("SampleData")), "--weights", str(weights), "-o", str(tmp_path / "out")]

    def predicting(*_arguments, **_options):
        raise AssertionError("predicts without a companion")

    monkeypatch.setattr(evaluate, "Predictor", predicting)
    assert main(command) == 2
    assert "samples together with companion.safetensors, which is missing" in capsys.readouterr().err
    monkeypatch.setenv("DOSE_PREDICTION_RESOURCES", str(shipped.parent))
    assert load_weights(weights).companions[0].path == shipped / companion.name
    with pytest.raises(AssertionError, match="predicts"):
        main(command)


def test_a_configuration_names_the_companions(companion, tmp_path):
    folder = str(resource_path("SampleData"))
    told = {
        "train": folder, "validation": folder, "output": str(tmp_path / "run"), "system_config": TINY, "steps": 1,
        "decay_steps": 1, "threads": 1, "device": "cpu", "validate_every": 100, "companions": [str(companion)],
        "upside_down": 0.5,
    }  # fmt: skip
    (tmp_path / "run.json").write_text(json.dumps(told))
    run = TrainingRun(TrainingConfig.read(tmp_path / "run.json"))
    run.run()
    path = export_weights(run)
    with pytest.raises(InputError, match="which is missing"):
        load_weights(path)
    (path.parent / companion.name).write_bytes(companion.read_bytes())
    loaded = load_weights(path)
    assert [one.sha256 for one in loaded.companions] == [read_weights(companion).sha256]
    assert loaded.header.training["upside_down"] == 0.5, "what the samples' views go by"
    assert "Every other sample is drawn by companion.safetensors" in model_card(loaded.header)
    wrong = {**told, "companions": [str(tmp_path / "nowhere.safetensors")], "output": str(tmp_path / "other")}
    (tmp_path / "run.json").write_text(json.dumps(wrong))
    with pytest.raises(InputError, match="nowhere.safetensors"):
        TrainingRun(TrainingConfig.read(tmp_path / "run.json"))
    assert not (tmp_path / "other").exists()
