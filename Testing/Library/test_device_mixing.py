"""Training and sampling on a graphics card, as far as a computer without one can tell: nothing mixes devices."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from any_to_any_run import SMALL, small_config, two_balls
from ball_case import ball_case
from phantom import ball_patient
from pretended_device import CARD, on_card, pretend_card
from tiny import TINY, tiny_weights

from DosePredictionLib.inference.engine import PredictionEngine
from DosePredictionLib.inference.options import PredictionOptions
from DosePredictionLib.training.config import TrainingConfig
from DosePredictionLib.training.loop import TrainingRun

SLICES = {"widths": [16, 24], "blocks": [1, 1], "radii": [1, 1], "features": [16, 16], "hidden": 16}
SYSTEMS = {
    "default": {"system_config": TINY},
    "default with Muon": {"system_config": {**TINY, "widths": [16, 24], "norm": "channel"}, "optimiser": "muon"},
    "magdiff_adc": {"system": "magdiff_adc", "system_config": {**SLICES, "prediction": "v"}, "slices": 4},
    "diffkt3d": {"system": "diffkt3d", "system_config": SMALL},
    "diffkt3d, any to any": {"system": "diffkt3d", "system_config": SMALL, "stage": "any-to-any"},
}  # fmt: skip


@pytest.fixture
def card(monkeypatch):
    with pretend_card(monkeypatch) as mode:
        yield mode


@pytest.mark.parametrize("name", SYSTEMS)
def test_a_run_trains_and_validates_on_a_card(tmp_path, card, name):
    cases = two_balls() if "diffkt3d" in name else [ball_case(), ball_case(4.0)]
    run = TrainingRun(small_config(tmp_path, **{"system": "default", "steps": 2, "validate_every": 2, **SYSTEMS[name]}),
                      cases, cases[:1])  # fmt: skip
    before = {key: value.clone() for key, value in run.network.state_dict().items()}
    run.run()
    after = run.network.state_dict()
    assert all(on_card(value) for value in (*after.values(), *run.average.values()))
    assert np.isfinite(run.best) and any(not torch.equal(before[key], after[key]) for key in after)


def test_a_dose_is_predicted_on_a_card(tmp_path, card):
    engine = PredictionEngine("default", tiny_weights(tmp_path / "tiny.safetensors"))
    predicted = engine.predict(ball_patient(), PredictionOptions(samples=2, steps=2))
    assert predicted.provenance.device == "cuda" and np.isfinite(predicted.dose.array).all()


@pytest.mark.parametrize("mistake", [
    lambda there, here: there + here,
    lambda there, here: here[there > 0],
    lambda there, here: torch.stack([there.sum(), here.sum()]),
    lambda there, here: there.numpy(),
    lambda there, here: torch.nn.functional.linear(there, here[None]),
    lambda there, here: torch.randn(3, generator=torch.Generator(), device=there.device),
    lambda there, here: torch.nn.Linear(3, 3)(there),
])  # fmt: skip
def test_the_pretended_card_refuses_what_a_card_would(card, mistake):
    here = torch.rand(3)
    with pytest.raises((RuntimeError, TypeError)):
        mistake(here.to(CARD), here)


def test_a_planted_mistake_in_a_loss_is_found(tmp_path, card, monkeypatch):
    config = TrainingConfig("", "", str(tmp_path), system_config=TINY, steps=1, threads=1, device="cpu")
    run = TrainingRun(config, [ball_case()], [])
    monkeypatch.setattr("DosePredictionLib.training.dose_stage.noisy_sample", lambda clean, *_: clean + torch.ones(1))
    with pytest.raises(RuntimeError, match="same device"):
        run.run()
