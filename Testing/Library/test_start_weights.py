"""Runs that go on from finished weights: nothing is lost on the way, and no other network takes them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from any_to_any_run import SMALL, small_config, two_balls
from ball_case import ball_case
from tiny import TINY, tiny_weights

from DosePredictionLib.errors import InputError
from DosePredictionLib.inference.shipped_weights import default_weights
from DosePredictionLib.inference.weights import load_weights, read_weights, save_weights
from DosePredictionLib.training.config import TrainingConfig
from DosePredictionLib.training.export import export_weights
from DosePredictionLib.training.loop import TrainingRun

SYSTEMS = {
    "default": TINY,
    "magdiff_adc": {"widths": [8, 12], "blocks": [1, 1], "radii": [1, 1], "features": [8, 8], "hidden": 8},
    "baseline": {"architecture": "unet", "field_of_view": [64, 64, 64], "width": 8},
}


@pytest.fixture(scope="module")
def cases():
    return [ball_case(), ball_case(3.0)]


def config(folder, system="default", **changes) -> TrainingConfig:
    told = TrainingConfig(
        train="", validation="", output=str(folder), system=system, system_config=SYSTEMS[system], steps=6,
        decay_steps=2, validate_every=6, warmup_steps=2, threads=1, device="cpu", slices=8, learning_rate=0.003,
    )  # fmt: skip
    return replace(told, **changes)


@pytest.mark.parametrize("system", SYSTEMS)
@pytest.mark.parametrize("bits", [16, 8])
def test_a_second_run_begins_where_the_weights_are(tmp_path, cases, system, bits):
    first = TrainingRun(config(tmp_path / "first", system, weight_bits=bits), cases, cases[:1])
    fresh = first.validation_score()
    first.run()
    weights = export_weights(first)
    second = TrainingRun(config(tmp_path / "second", system, from_weights=str(weights), seed=4), cases, cases[:1])
    for name, value in load_weights(weights).network.state_dict().items():
        assert torch.equal(second.network.state_dict()[name], value) and torch.equal(second.average[name], value), name
    # As good as they were, but for the rounding, and not as bad as fresh weights.
    assert second.step == 0
    change = abs(first.validation_score() - fresh)
    assert change > 0.05 and second.validation_score() == pytest.approx(first.validation_score(), abs=0.2 * change)
    second.run()
    origin = load_weights(export_weights(second)).header.training["from_weights"]
    assert origin["system"] == system and origin["file"] == "first/weights.safetensors"


def test_draws_may_be_others_but_the_network_may_not(tmp_path, cases):
    run = TrainingRun(config(tmp_path / "first"), cases, cases[:1])
    weights = str(export_weights(run))
    TrainingRun(config(tmp_path / "a", from_weights=weights, system_config={**TINY, "pure_noise": 0.8}), cases, cases)
    # Norms of both kinds have the same parameters: only the names of the fields tell them apart.
    other = {**TINY, "norm": "channel" if TINY.get("norm", "instance") == "instance" else "instance"}
    with pytest.raises(InputError, match="norm is '.*' there and '.*' here.*same system_config"):
        TrainingRun(config(tmp_path / "b", from_weights=weights, system_config=other), cases, cases)
    with pytest.raises(InputError, match="holds weights of the system 'default', not 'magdiff_adc'"):
        TrainingRun(config(tmp_path / "c", "magdiff_adc", from_weights=weights), cases, cases)
    with pytest.raises(InputError, match=r"nowhere\.safetensors"):
        TrainingRun(config(tmp_path / "d", from_weights=str(tmp_path / "nowhere.safetensors")), cases, cases)


@pytest.mark.parametrize(
    "changed", [{"heads": 4}, {"latent_scale": 2.0}, {"shift": 1.0}, {"prediction": "velocity"}, {"aligned": False}]
)
def test_an_any_to_any_network_of_the_same_sizes_is_another(tmp_path, changed):
    balls = two_balls()
    weights = str(export_weights(TrainingRun(small_config(tmp_path / "first"), balls, balls[:1])))
    (name,) = changed
    with pytest.raises(InputError, match=f"{name} is .* there and .* here.*same system_config"):
        TrainingRun(small_config(tmp_path / "a", from_weights=weights, system_config={**SMALL, **changed}), balls, [])
    draws = {"dose_share": 0.7, "ct_share": 0.1, "hidden": 0.0, "pure_noise": 0.9, "drop": 0.2, "sampling_steps": 3}
    told = small_config(tmp_path / "b", stage="any-to-any", from_weights=weights, system_config={**SMALL, **draws})
    TrainingRun(told, balls, [])


def test_weights_are_judged_with_the_samples_of_those_they_were_fitted_from(tmp_path, cases):
    start = tiny_weights(tmp_path / "start.safetensors")
    file = read_weights(start)
    recommended = {"samples": 4, "steps": 2}
    save_weights(file.state, replace(file.header, recommended=recommended), start)
    fitted = export_weights(TrainingRun(config(tmp_path / "fitted", from_weights=str(start)), cases, cases[:1]))
    assert load_weights(fitted).header.recommended == recommended
    # Of another stage, they say nothing of this one's.
    save_weights(file.state, replace(file.header, recommended=recommended, training={"stage": "before"}), start)
    other = export_weights(TrainingRun(config(tmp_path / "other", from_weights=str(start)), cases, cases[:1]))
    assert load_weights(other).header.recommended == {}
    assert load_weights(default_weights("default")).header.training.get("stage", "dose") == "dose"


def test_a_run_names_the_weights_that_it_began_with_though_their_file_changed(tmp_path, cases, capsys):
    start = tiny_weights(tmp_path / "start.safetensors")
    told, first = config(tmp_path / "run", from_weights=str(start)), read_weights(start)
    TrainingRun(told, cases, cases[:1]).run(until=2)
    TrainingRun(told, cases, cases[:1])
    assert "another file" not in capsys.readouterr().out
    save_weights(first.state, replace(first.header, commit="later"), start)
    resumed = TrainingRun(told, cases, cases[:1])
    second = read_weights(start).sha256
    wanted = f"begins with {second[:8]} instead of {first.sha256[:8]}"
    said = capsys.readouterr().out
    assert wanted in said and "has become another file since the run began" in said
    resumed.run()
    assert load_weights(export_weights(resumed)).header.training["from_weights"]["sha256"] == first.sha256


def test_the_weights_are_read_at_the_start_only(tmp_path, cases, monkeypatch):
    """Not again at each validation, which for a published backbone would be gigabytes."""
    from DosePredictionLib.training import start_weights

    weights = export_weights(TrainingRun(config(tmp_path / "first"), cases, cases[:1]))
    read = []
    monkeypatch.setattr(start_weights, "load_weights", lambda path: read.append(path) or load_weights(path))
    run = TrainingRun(config(tmp_path / "second", from_weights=str(weights), validate_every=2), cases, cases[:1])
    assert read == [str(weights)]
    run.run()
    assert read == [str(weights)]
    curves = (tmp_path / "second" / "curves.jsonl").read_text(encoding="utf-8")
    assert curves.count("validation_dose_score_gy") == 3


def test_a_level_at_full_resolution_beside_finished_weights_begins_as_nothing(tmp_path, cases):
    weights = str(export_weights(TrainingRun(config(tmp_path / "without"), cases, cases[:1])))
    with_it = {**TINY, "fine": 4}
    run = TrainingRun(config(tmp_path / "with", from_weights=weights, system_config=with_it), cases, cases[:1])
    before, inputs = load_weights(weights), cases[0].inputs
    dose = before.system.sample_dose(before.network.eval(), inputs, 1, 0)
    np.testing.assert_allclose(run.system.sample_dose(run.network.eval(), inputs, 1, 0), dose, atol=1e-5)
    run.run()
    trained = run.network.state_dict()
    assert trained["fine.head.weight"].any() and trained["fine.downsample.weight"].any()
    # It is a part of the weights from then on: they start no network without it.
    weights = str(export_weights(run))
    assert load_weights(weights).system.fine == 4
    with pytest.raises(InputError, match="fine is 4 there and 0 here.*same system_config"):
        TrainingRun(config(tmp_path / "again", from_weights=weights), cases, cases[:1])
