"""Samples at places of their own within the network's grid (`DefaultSystem.placed`)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from phantom import ball_patient
from tiny import TINY, tiny_weights

from DosePredictionLib.conditioning.channels import model_input
from DosePredictionLib.conditioning.dose_units import in_gy
from DosePredictionLib.inference.engine import PredictionEngine
from DosePredictionLib.inference.model_card import model_card
from DosePredictionLib.inference.options import PredictionOptions
from DosePredictionLib.inference.weights import load_weights
from DosePredictionLib.systems.default import ROOM, DefaultSystem
from DosePredictionLib.training.case_cache import TrainingCase
from DosePredictionLib.training.config import TrainingConfig
from DosePredictionLib.training.loop import TrainingRun


class ShowsCT(torch.nn.Module):
    """Its clean dose is the CT channel, so a dose comes back on the voxels that the patient's CT lies on."""

    size_multiple = 16

    def __init__(self, names: tuple[str, ...]) -> None:
        super().__init__()
        self.anything = torch.nn.Parameter(torch.zeros(1))
        self.ct, self.region = names.index("ct"), names.index("region")
        self.seen: list[tuple[tuple[int, ...], tuple[int, ...]]] = []

    def guide(self, conditions):
        return []

    def forward(self, noisy, conditions, time, scalars, maps):
        ct = conditions[:, self.ct : self.ct + 1]
        places = conditions[0, self.region].nonzero()
        self.seen.append((tuple(ct.shape[2:]), tuple(places.min(dim=0).values.tolist())))
        return ct


@pytest.fixture(scope="module")
def inputs():
    inputs = model_input(ball_patient())
    channels = inputs.channels.copy()
    # Every voxel other than its neighbours, within the range of a dose in the network's units.
    channels[inputs.names.index("ct")] = np.random.default_rng(3).uniform(-0.9, 0.9, inputs.region.shape)
    return replace(inputs, channels=channels)


def test_a_placed_dose_comes_back_on_the_patients_own_voxels(inputs):
    network = ShowsCT(inputs.names)
    doses = [DefaultSystem(placed=True).sample_dose(network, inputs, 1, seed) for seed in range(6)]
    shown = torch.from_numpy(inputs.channel("ct").astype(np.float32)).bfloat16().float().numpy()
    wanted = np.where(inputs.region, in_gy(np.clip(shown, -1.0, None), inputs, (0, 0, 0)), 0.0)
    assert wanted.max() > 10
    for dose in doses:
        np.testing.assert_allclose(dose, wanted, atol=0.3)
    assert len({place for _, place in network.seen}) > 3, "they did lie elsewhere"
    for volume, _ in network.seen:
        room = np.array(volume) - inputs.region.shape
        assert (room >= ROOM).all() and (room < ROOM + 16).all() and not (np.array(volume) % 16).any()


def test_the_seed_says_the_place_and_unplaced_samples_lie_in_the_middle(inputs):
    network = ShowsCT(inputs.names)
    for seed in (0, 5, 5):
        DefaultSystem(placed=True).sample_dose(network, inputs, 1, seed)
    for seed in (0, 5):
        DefaultSystem().sample_dose(network, inputs, 1, seed)
    placed_0, placed_5, again_5, middle_0, middle_5 = network.seen
    assert placed_5 == again_5 != placed_0 and middle_0 == middle_5 not in (placed_0, placed_5)


def test_weights_say_whether_their_samples_are_placed(tmp_path):
    doses = {}
    for placed in (False, True):
        engine = PredictionEngine("default", tiny_weights(tmp_path / f"{placed}.safetensors", placed=placed), "cpu")
        assert engine.loaded.system.placed is placed
        assert ("a place of its own" in model_card(engine.loaded.header)) is placed
        predicted = engine.predict(ball_patient(), PredictionOptions(samples=2, steps=1, seed=1))
        again = engine.predict(ball_patient(), PredictionOptions(samples=2, steps=1, seed=1))
        assert np.array_equal(predicted.dose.array, again.dose.array)
        doses[placed] = predicted.dose.array
    assert np.abs(doses[True] - doses[False]).max() > 0.01


def test_training_may_go_on_from_weights_of_the_middle(tmp_path, inputs):
    weights = tiny_weights(tmp_path / "middle.safetensors")
    case = TrainingCase("ball", inputs, np.where(inputs.region, 20.0, 0.0).astype(np.float16))
    config = TrainingConfig(
        train="-", validation="-", output=str(tmp_path / "run"), system="default",
        system_config={**TINY, "placed": True}, from_weights=str(weights), steps=1, device="cpu", threads=1,
    )  # fmt: skip
    run_of_them = TrainingRun(config, [case], [case])
    assert run_of_them.system.placed
    for name, value in load_weights(weights).network.state_dict().items():
        assert torch.equal(run_of_them.network.state_dict()[name], value), name
