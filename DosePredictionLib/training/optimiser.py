"""The optimisers of a training run."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, cast

import torch
from torch import nn

from DosePredictionLib.errors import InputError
from DosePredictionLib.training.config import TrainingConfig

if TYPE_CHECKING:
    from DosePredictionLib.training.matrix_muon import MatrixMuon

#: The matrices are shared out among so many optimisers, which step side by side: each matrix is too small for a
#: processor's threads to work on together. The number is fixed, so that any computer can go on with a run.
PARTS = 4
#: A weight whose matrix is narrower than this has too few directions to even out (heads, embeddings of one number).
NARROWEST = 16


def build_optimisers(config: TrainingConfig, network: nn.Module) -> list[torch.optim.Optimizer]:
    """What optimises a network: AdamW, or Muon for its matrices (in `PARTS`) and AdamW for all else.

    A network may name parts of it that stay with AdamW, in ``adamw_parts``: embeddings, say.

    Raises:
        InputError: the configuration names no known optimiser, or one that this PyTorch lacks.
    """
    trained = [weight for weight in network.parameters() if weight.requires_grad]
    matrices: list[nn.Parameter] = []
    if config.optimiser == "muon":
        if not hasattr(torch.optim, "Muon"):
            raise InputError(
                f'The optimiser "muon" needs PyTorch 2.9 or later and this is {torch.__version__}; update torch, or '
                'write "adamw".'
            )
        unsuited = _unsuited(network)
        matrices = [weight for weight in trained if _is_wide(weight) and id(weight) not in unsuited]
    elif config.optimiser != "adamw":
        raise InputError(f'There is no optimiser {config.optimiser!r}; write "adamw" or "muon" in the configuration.')
    chosen = {id(weight) for weight in matrices}
    others = [weight for weight in trained if id(weight) not in chosen]
    optimisers: list[torch.optim.Optimizer] = []
    if others:
        optimisers.append(
            torch.optim.AdamW(
                others, lr=config.learning_rate, weight_decay=config.weight_decay, betas=(0.9, 0.95), fused=True
            )
        )
    if matrices:
        from DosePredictionLib.training.matrix_muon import MatrixMuon

        parts = [part for part in _even_parts(matrices) if part]
        optimisers += [MatrixMuon(part, config.learning_rate, config.weight_decay) for part in parts]
    return optimisers


class SideBySide:
    """Steps optimisers of different weights.

    On processors in threads of their own, each with one thread for its arithmetic; on CUDA all of Muon's together,
    shape by shape (`matrix_muon.step_by_shape`).
    """

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(PARTS, initializer=torch.set_num_threads, initargs=(1,))

    def step(self, optimisers: Sequence[torch.optim.Optimizer]) -> None:
        """One step of each."""
        if optimisers[0].param_groups[0]["params"][0].device.type == "cuda":
            self.step_by_shape(optimisers)
        elif len(optimisers) == 1 or torch.get_num_threads() == 1:
            for optimiser in optimisers:
                optimiser.step()
        else:
            list(self._pool.map(lambda optimiser: optimiser.step(), optimisers))

    @staticmethod
    def step_by_shape(optimisers: Sequence[torch.optim.Optimizer]) -> None:
        """One step of each as a GPU takes it, with few launches."""
        muons = []
        for optimiser in optimisers:
            inside = getattr(optimiser, "optimizer", optimiser)  # out of what Fabric wrapped around it
            if hasattr(inside, "take_gradients"):
                muons.append(inside)
            else:
                optimiser.step()
        if muons:
            from DosePredictionLib.training.matrix_muon import step_by_shape

            step_by_shape(cast("Sequence[MatrixMuon]", muons))


def _even_parts(matrices: Sequence[nn.Parameter]) -> list[list[nn.Parameter]]:
    """The matrices in parts that take about the same time: the costliest first, each to the part with least."""
    parts: list[list[nn.Parameter]] = [[] for _ in range(PARTS)]
    costs = [0] * PARTS
    for matrix in sorted(matrices, key=_cost, reverse=True):
        least = costs.index(min(costs))
        parts[least].append(matrix)
        costs[least] += _cost(matrix)
    return parts


def _cost(weight: nn.Parameter) -> int:
    return weight.numel() * min(weight.shape[0], weight[0].numel())


def _unsuited(network: nn.Module) -> set[int]:
    """Identities of weights whose shape doesn't tell that Muon isn't for them."""
    parts = tuple(f"{name}." for name in getattr(network, "adamw_parts", ()))
    found = {id(weight) for name, weight in network.named_parameters() if name.startswith(parts)}
    for module in network.modules():
        # The rows of these are inputs: a head with one output is as wide as its kernel.
        if isinstance(module, (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)):
            if module.out_channels < NARROWEST:
                found.add(id(module.weight))
    return found


def _is_wide(weight: nn.Parameter) -> bool:
    return weight.ndim >= 2 and min(weight.shape[0], weight[0].numel()) >= NARROWEST
