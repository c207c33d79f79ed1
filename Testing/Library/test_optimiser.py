"""Muon on weights of more than two axes."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from DosePredictionLib.errors import InputError
from DosePredictionLib.training.config import TrainingConfig
from DosePredictionLib.training.optimiser import PARTS, MatrixMuon, SideBySide, as_matrix, build_optimisers


def _config(optimiser: str) -> TrainingConfig:
    return TrainingConfig(train="", validation="", output="", optimiser=optimiser)


@pytest.fixture(params=[torch.contiguous_format, torch.channels_last_3d], ids=["contiguous", "channels last"])
def convolution(request: pytest.FixtureRequest) -> nn.Conv3d:
    torch.manual_seed(0)
    return nn.Conv3d(32, 24, 3).to(memory_format=request.param)


def test_a_step_evens_out_the_directions_of_a_convolution(convolution: nn.Conv3d) -> None:
    before = convolution.weight.detach().clone()
    optimiser = MatrixMuon([convolution.weight], learning_rate=1e-2, weight_decay=0.0)
    convolution.weight.grad = torch.randn_like(before) * torch.logspace(-2, 0, 24)[:, None, None, None, None]
    optimiser.step()
    step = (before - convolution.weight.detach()).reshape(24, -1)
    singular = torch.linalg.svdvals(step) / (1e-2 * 0.2 * (32 * 27) ** 0.5)
    # The gradient's directions differ by a hundred in length; Muon's iteration leaves 0.7 to 1.2.
    assert 0.6 < singular.min() and singular.max() < 1.3


def test_the_layout_in_memory_does_not_change_the_step() -> None:
    torch.manual_seed(1)
    plain = nn.Conv3d(16, 20, 3)
    laid_out = nn.Conv3d(16, 20, 3).to(memory_format=torch.channels_last_3d)
    laid_out.load_state_dict(plain.state_dict())
    gradient = torch.randn_like(plain.weight)
    for convolution in (plain, laid_out):
        convolution.weight.grad = gradient.clone()
        MatrixMuon([convolution.weight], learning_rate=1e-2, weight_decay=0.1).step()
    torch.testing.assert_close(plain.weight, laid_out.weight, atol=2e-4, rtol=0)  # bfloat16 sums in another order


def test_matrices_share_the_memory_of_the_weights(convolution: nn.Conv3d) -> None:
    matrix = as_matrix(convolution.weight.detach(), convolution.weight)
    assert matrix.shape == (24, 32 * 27)
    matrix[3] = 7.0
    assert (convolution.weight[3] == 7.0).all() and (convolution.weight[4] != 7.0).all()


def test_forgets_gradients(convolution: nn.Conv3d) -> None:
    optimiser = MatrixMuon([convolution.weight], 1e-2, 0.0)
    convolution.weight.grad = torch.ones_like(convolution.weight)
    optimiser.zero_grad()
    before = convolution.weight.detach().clone()
    optimiser.step()
    assert convolution.weight.grad is None and torch.equal(before, convolution.weight)


def test_every_trained_weight_has_one_optimiser() -> None:
    network = nn.Sequential(nn.Conv3d(32, 24, 3), nn.Linear(24, 40), nn.Linear(40, 4), nn.LayerNorm(24))
    network[3].weight.requires_grad_(False)
    for name in ("adamw", "muon"):
        optimisers = build_optimisers(_config(name), network)
        elements = sum(p.numel() for one in optimisers for group in one.param_groups for p in group["params"])
        assert elements == sum(p.numel() for p in network.parameters() if p.requires_grad)
    muons = [one for one in optimisers if isinstance(one, MatrixMuon)]
    shapes = {tuple(p.shape) for one in muons for p in one.param_groups[0]["params"]}
    assert shapes == {(24, 32 * 27), (40, 24)}  # not the narrow head


def test_an_unknown_optimiser_is_said() -> None:
    with pytest.raises(InputError, match="no optimiser 'sgd'"):
        build_optimisers(_config("sgd"), nn.Linear(2, 2))


def test_steps_side_by_side_equal_steps_one_after_another() -> None:
    made = []
    for together in (True, False):
        torch.manual_seed(2)
        network = nn.Sequential(*(nn.Linear(32 + 8 * i, 40 + 8 * i) for i in range(7)))
        optimisers = build_optimisers(_config("muon"), network)
        assert len(optimisers) == 1 + PARTS
        for weight in network.parameters():
            weight.grad = torch.randn_like(weight)
        if together:
            threads = torch.get_num_threads()
            torch.set_num_threads(2)
            SideBySide().step(optimisers)
            assert torch.get_num_threads() == 2  # the threads' own choice stays theirs
            torch.set_num_threads(threads)
        else:
            for optimiser in optimisers:
                optimiser.step()
        made.append(network)
    for one, other in zip(*(network.parameters() for network in made), strict=True):
        torch.testing.assert_close(one, other, atol=2e-5, rtol=0)
