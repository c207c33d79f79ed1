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
from DosePredictionLib.diffusion.variance_preserving import Prediction
from DosePredictionLib.errors import InputError
from DosePredictionLib.inference.calibration import parameters_sha256
from DosePredictionLib.inference.engine import PredictionEngine
from DosePredictionLib.inference.model_card import model_card
from DosePredictionLib.inference.options import PredictionOptions, Provenance
from DosePredictionLib.inference.progress import Progress
from DosePredictionLib.inference.weights import load_weights, read_weights, save_weights
from DosePredictionLib.inference.weights_header import WeightsHeader
from DosePredictionLib.resources import resource_path
from DosePredictionLib.systems.default import DefaultSystem
from DosePredictionLib.systems.diffkt3d import DiffKT3DSystem
from DosePredictionLib.systems.magdiff_adc import MagdiffAdcSystem
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


def with_magdiff(weights: Path, prediction: Prediction) -> Path:
    """Weights like ``weights``, of one step, whose companion is MAGDiff-ADC's."""
    torch.manual_seed(1)
    system = MagdiffAdcSystem(
        widths=(4, 6), blocks=(1, 1), radii=(1, 1), features=(4, 4), hidden=4, prediction=prediction, pure_noise=0.0
    )
    file, other = read_weights(weights), weights.parent / "magdiff.safetensors"
    save_weights(system.build_network().state_dict(), WeightsHeader(system.name, asdict(system), {"data": "x"}), other)
    told = [{"name": other.name, "sha256": read_weights(other).sha256}]
    header = replace(file.header, companions=told, recommended={"samples": 2, "steps": 1})
    save_weights(file.state, header, weights.parent / "pair.safetensors")
    return weights.parent / "pair.safetensors"


@pytest.mark.parametrize(("wanted", "other"), [(None, 8), (2, 2)])
def test_each_member_takes_its_own_steps_unless_the_user_says_how_many(weights, wanted, other):
    """A member that says noise is no good in the one step that is right for one that says the clean dose."""
    engine = PredictionEngine("default", with_magdiff(weights, "epsilon"), "cpu")
    reports: list[Progress] = []
    predicted = engine.predict(ball_patient(), PredictionOptions(steps=wanted), reports.append)
    own = wanted or 1
    assert (reports[-1].step, reports[-1].total) == (own + other, own + other)
    assert (predicted.provenance.samples, predicted.provenance.steps) == (2, own)
    (companion,) = predicted.provenance.companions
    assert (", 8 steps a sample)" in companion) == (wanted is None)
    member = engine.loaded.companions[0]
    inputs = model_input(ball_patient()).mirrored()
    alone = member.system.sample_dose(member.network, inputs.only(member.system.channels), other, 1)[:, :, ::-1]
    mine = engine.loaded.system.sample_dose(engine.loaded.network, model_input(ball_patient()), own, 0)
    assert predicted.dose.array.max() == pytest.approx(((alone + mine) / 2).max(), abs=0.01)


def test_a_companion_that_never_learnt_a_dose_is_refused(tmp_path):
    """As it is where it is the one that was chosen."""
    system = DiffKT3DSystem(width=32, heads=2, layers=1, feed_forward=32, slot_width=2, dose_share=0.0)
    state, names = system.build_network().state_dict(), ("any", "dose")
    other, path = (tmp_path / f"{name}.safetensors" for name in names)
    save_weights(state, WeightsHeader("diffkt3d", asdict(system), {"data": "x", "stage": "any-to-any"}), other)
    told = [{"name": other.name, "sha256": read_weights(other).sha256}]
    config = asdict(replace(system, dose_share=0.4))
    save_weights(state, WeightsHeader("diffkt3d", config, {"data": "x", "stage": "dose"}, companions=told), path)
    for chosen in (other, path):
        with pytest.raises(InputError, match="any.safetensors was trained on every modality but the dose"):
            PredictionEngine("diffkt3d", chosen, "cpu")


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
