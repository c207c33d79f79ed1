"""What a linear map of the conditions says of a modality, and what is left for the network."""

from __future__ import annotations

import pytest
import torch
from any_to_any_run import SMALL, small_config, two_balls
from torch import Tensor, nn

from DosePredictionLib.errors import InputError
from DosePredictionLib.inference.weights import load_weights
from DosePredictionLib.networks.any_to_any import AnyToAnyNetwork
from DosePredictionLib.networks.linear_start import LinearStart, RidgeFit
from DosePredictionLib.systems.diffkt3d import DiffKT3DSystem
from DosePredictionLib.training.export import export_weights
from DosePredictionLib.training.loop import TrainingRun
from DosePredictionLib.training.untrained_parts import latents_of

KEPT = {"ct": 3, "oar": 2, "body": 2}
LENGTHS = {"dose": 8, "ct": 27, "oar": 16, "body": 8}
LINEAR = {**SMALL, "dose_share": 0.0, "linear": ["ct"], "codec_config": {"standardised": True}}


def latents(seed: int) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return {name: torch.randn(1, LENGTHS[name], 5, 6, 7, generator=generator) for name in ("oar", "body")}


def test_ridge_finds_what_depends_on_the_own_cube_and_on_the_next():
    start = LinearStart("ct", LENGTHS, KEPT, ("oar", "body"))
    fit = RidgeFit(start)
    own = torch.randn(27, 16, generator=torch.Generator().manual_seed(99))

    def truth(seen: dict[str, Tensor]) -> Tensor:
        before = torch.roll(seen["body"], 1, dims=2)  # the lowest coefficient of the cube one slice of cubes below
        before[:, :, 0] = 0
        return torch.einsum("ij,njzyx->nizyx", own, seen["oar"]) + 3.0 * before[:, :1] + 0.5

    everywhere = torch.ones(5, 6, 7, dtype=torch.bool)
    for seed in range(30):
        seen = latents(seed)
        fit.see(seen, truth(seen), everywhere)
    fit.solve()
    fresh = latents(100)
    wanted = truth(fresh)
    assert float((start(fresh, everywhere) - wanted).square().mean()) < 0.002 * float(wanted.square().mean())
    # Elsewhere nothing is said; a hidden condition is a mean one.
    some = everywhere.clone()
    some[2:] = False
    said = start(fresh, some)
    assert said[:, :, ~some].abs().max() == 0 and torch.allclose(said[:, :, some], start(fresh, everywhere)[:, :, some])
    without = start({"oar": fresh["oar"]}, everywhere)
    mean = start({**fresh, "body": torch.zeros_like(fresh["body"])}, everywhere)
    assert torch.allclose(without, mean)


class Listener(nn.Module):
    """A denoiser that repeats what it is given."""

    def forward(self, noisy: Tensor, time: Tensor, target: str, conditions: object, occupied: object) -> Tensor:
        self.given = noisy
        return torch.zeros_like(noisy)


def test_the_network_sees_and_restores_what_the_start_leaves():
    start = LinearStart("ct", LENGTHS, KEPT, ("oar", "body"))
    start.weight.copy_(torch.randn(start.weight.shape, generator=torch.Generator().manual_seed(1)) * 0.1)
    network = AnyToAnyNetwork(nn.Identity(), Listener(), {"ct": start})
    seen, everywhere = latents(5), torch.ones(5, 6, 7, dtype=torch.bool)
    clean, noise = torch.randn(1, 27, 5, 6, 7), torch.randn(1, 27, 5, 6, 7)
    time = torch.tensor([0.3])
    said = network(0.7 * clean + 0.3 * noise, time, "ct", seen, everywhere)
    assert torch.allclose(said, start(seen, everywhere), atol=1e-5)
    assert torch.allclose(network.denoiser.given, 0.7 * (clean - said) + 0.3 * noise, atol=1e-5)
    other = torch.randn(1, 16, 5, 6, 7)
    assert torch.equal(network(other, time, "oar", {"body": seen["body"]}, everywhere), torch.zeros_like(other))
    assert torch.equal(network.denoiser.given, other), "a modality without a start is left alone"


def test_a_run_solves_it_before_its_first_step_and_the_weights_keep_it(tmp_path):
    cases, told = two_balls(), {"system_config": LINEAR, "stage": "any-to-any"}
    run = TrainingRun(small_config(tmp_path / "a", steps=1, weight_bits=8, **told), cases, cases[:1])
    latent, occupied = latents_of(run.network, run.stage.system, cases[0])
    given = {name: one for name, one in latent.items() if name not in ("ct", "dose")}
    error = (run.network.starts["ct"](given, occupied) - latent["ct"])[:, :, occupied].square().mean()
    assert float(error) < 0.5 * float(latent["ct"][:, :, occupied].var())
    solved = run.network.starts["ct"].weight.clone()
    run.run()
    assert torch.equal(run.network.starts["ct"].weight, solved), "it isn't trained"
    loaded = load_weights(export_weights(run)).network
    assert torch.allclose(loaded.starts["ct"].weight, solved, atol=0.01 * float(solved.abs().max()))
    resumed = TrainingRun(small_config(tmp_path / "a", steps=2, **told), cases[:1], cases[:1])
    assert torch.equal(resumed.network.starts["ct"].weight, solved)


@pytest.mark.parametrize(
    "changes, words",
    [({"linear": ["dose"]}, "it may name ct"), ({"linear": ["mri"]}, "it may name ct"),
     ({"linear": ["ct"], "codec": "wan"}, "starts linear with codec"),
     ({"linear": ["ct"], "prediction": "velocity"}, "starts linear with codec")],
)  # fmt: skip
def test_what_cannot_start_linear_is_refused(changes, words):
    with pytest.raises(InputError, match=words):
        DiffKT3DSystem(**changes)
