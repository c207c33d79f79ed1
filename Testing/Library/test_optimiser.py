"""Muon on weights of more than two axes, and which weights it gets."""

from __future__ import annotations

import copy
import importlib.util

import pytest
import torch
from torch import nn

from DosePredictionLib.errors import InputError
from DosePredictionLib.networks.lightweight_vae3d import LightweightVAE3D
from DosePredictionLib.systems.registry import system_from_config
from DosePredictionLib.training.baseline_stage import AdversarialPair
from DosePredictionLib.training.config import TrainingConfig
from DosePredictionLib.training.matrix_muon import MatrixMuon, as_matrix
from DosePredictionLib.training.optimiser import PARTS, SideBySide, build_optimisers


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


def _split(network: nn.Module) -> tuple[set[str], list[list[str]]]:
    """The names of the weights that Muon gets, and the same optimiser by optimiser."""
    place = {weight.data_ptr(): name for name, weight in network.named_parameters()}
    parts = [
        [place[matrix.data_ptr()] for matrix in one.param_groups[0]["params"]]
        for one in build_optimisers(_config("muon"), network)
        if isinstance(one, MatrixMuon)
    ]
    return {name for part in parts for name in part}, parts


@pytest.mark.parametrize(
    ("system", "counts"),
    [
        ("default", [(12, 2530944), (21, 2603936), (18, 2663680), (22, 2760416)]),
        ("magdiff_adc", [(17, 1003392), (17, 1079040), (17, 1239360), (19, 1219840)]),
    ],
)
def test_checkpoints_of_long_runs_keep_fitting(system: str, counts: list[tuple[int, int]]) -> None:
    """A checkpoint holds an optimiser's state by its place: the same matrices in the same order, in `PARTS` parts."""
    network = system_from_config(system, {}).build_network()
    weights = dict(network.named_parameters())
    wide = [name for name, w in weights.items() if w.ndim >= 2 and min(w.shape[0], w[0].numel()) >= 16]
    chosen, parts = _split(network)
    assert chosen == set(wide)
    assert [(len(part), sum(weights[name].numel() for name in part)) for part in parts] == counts
    assert len(parts) == PARTS == 4
    costs = {name: weights[name].numel() * min(weights[name].shape[0], weights[name][0].numel()) for name in wide}
    for part in parts:
        assert part == sorted(sorted(part, key=wide.index), key=lambda name: -costs[name])


def test_transposed_convolutions_count_by_their_outputs() -> None:
    """Their weights have the inputs first, so that a head with one output looks like a wide matrix."""
    autoencoder, _ = _split(LightweightVAE3D((16, 32), 16))
    assert "decoder.layers.0.weight" in autoencoder and "decoder.leave.weight" not in autoencoder
    network = system_from_config("baseline", {"architecture": "unet", "width": 24}).build_network()
    heads = [name for name, module in network.named_modules()
             if isinstance(module, nn.ConvTranspose3d) and module.out_channels == 1]  # fmt: skip
    assert len(heads) == 1 and f"{heads[0]}.weight" not in _split(network)[0]
    assert len(_split(network)[0]) > 5


def test_networks_name_what_stays_with_adamw() -> None:
    with torch.device("meta"):
        whole, ablation = (system_from_config("addiff_dose", {"structure_encoder": one}).build_network()
                           for one in (True, False))  # fmt: skip
    for part in whole.adamw_parts:  # none of them is a slip of the pen
        assert any(name.startswith(f"{part}.") for network in (whole, ablation) for name in network.state_dict()), part
    small = {"widths": [16, 32], "attention": 1, "head_width": 16, "groups": 8, "tokens": 32, "ct_widths": [16, 32]}
    chosen, _ = _split(system_from_config("addiff_dose", small).build_network())
    embeddings = ("time.", "context.", "context_token.", "ct_token.", "ct_places.", "conditional.structure_places.")
    assert not [name for name in chosen if name.startswith(embeddings)]
    assert any(name.startswith("conditional.transformer") for name in chosen)
    assert any(name.startswith("unet.down_blocks") for name in chosen)
    transformer = system_from_config("diffkt3d", {"layers": 2, "gated": True}).build_network()
    for part in transformer.adamw_parts:
        assert any(name.startswith(f"{part}.") for name in transformer.state_dict()), part
    hidden = [f"attention.{name}" for name in ("query", "key", "value", "out")] + ["feed_forward.0", "feed_forward.2"]
    assert _split(transformer)[0] == {f"denoiser.blocks.{n}.{one}.weight" for n in range(2) for one in hidden}
    pair = AdversarialPair(nn.Linear(32, 32), nn.Linear(32, 32))
    assert _split(pair)[0] == {"generator.weight"}


def test_an_older_pytorch_trains_with_adamw_and_says_why_not_with_muon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Muon came with PyTorch 2.9; the package asks for 2.6."""
    from DosePredictionLib.training import optimiser

    monkeypatch.delattr(torch.optim, "Muon")
    assert optimiser.__file__ is not None
    spec = importlib.util.spec_from_file_location("optimiser_of_an_older_torch", optimiser.__file__)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)  # fails where the module's import needs Muon
    assert len(module.build_optimisers(_config("adamw"), nn.Linear(32, 32))) == 1
    with pytest.raises(InputError, match=r"needs PyTorch 2\.9 or later"):
        module.build_optimisers(_config("muon"), nn.Linear(32, 32))


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


def test_a_gpus_steps_by_shape_are_those_of_each_matrix_by_itself() -> None:
    """As far as bfloat16 tells; either goes on from the other's momentum, as a checkpoint that changes computers."""
    torch.manual_seed(2)
    layers = [nn.Linear(40, 24), nn.Linear(40, 24), nn.Linear(24, 40), nn.Conv3d(16, 20, 3), nn.Conv3d(16, 20, 3)]
    plain = nn.Sequential(*layers).to(memory_format=torch.channels_last_3d)
    together = copy.deepcopy(plain)
    pair = [build_optimisers(_config("muon"), network) for network in (plain, together)]
    for step in range(4):
        for ours, theirs in zip(plain.parameters(), together.parameters(), strict=True):
            ours.grad = torch.randn_like(ours) * 10.0 ** -(step % 2)
            theirs.grad = None if step == 2 and ours.ndim == 5 else ours.grad.clone()
            ours.grad = None if theirs.grad is None else ours.grad
        if step == 3:
            for ours, theirs in zip(*pair, strict=True):
                theirs.load_state_dict(copy.deepcopy(ours.state_dict()))
        SideBySide().step(pair[0])
        SideBySide.step_by_shape(pair[1])
    for ours, theirs in zip(*pair, strict=True):
        for a, b in zip(ours.state_dict()["state"].values(), theirs.state_dict()["state"].values(), strict=True):
            assert a.keys() == b.keys() and all(torch.allclose(a[name], b[name], atol=1e-6) for name in a)
    moved = 4 * 1e-3  # four steps of the learning rate's length
    for ours, theirs in zip(plain.parameters(), together.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, atol=0.02 * moved, rtol=0)
