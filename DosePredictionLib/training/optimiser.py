"""The optimisers of a training run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import torch
from torch import Tensor, nn

from DosePredictionLib.errors import InputError
from DosePredictionLib.training.config import TrainingConfig

#: The matrices are shared out among so many optimisers, which step side by side: each matrix is too small for a
#: processor's threads to work on together. The number is fixed, so that any computer can go on with a run.
PARTS = 4
#: A weight whose matrix is narrower than this has too few directions to even out (heads, embeddings of one number).
NARROWEST = 16


class MatrixMuon(torch.optim.Muon):
    """PyTorch's Muon for weights of any number of axes: their rows are the outputs, everything else the columns.

    Muon (Jordan et al., "Muon: an optimizer for hidden layers in neural networks", 2024) evens out the directions of
    each weight matrix's step. PyTorch's takes matrices only; this gives it matrices that share the weights' memory. The
    length of its steps is AdamW's (Liu et al., "Muon is scalable for LLM training", 2025), so that one learning rate
    and one weight decay suit both.

    Args:
        weights: parameters with two or more axes.
        learning_rate, weight_decay: as AdamW's.
    """

    def __init__(self, weights: Iterable[nn.Parameter], learning_rate: float, weight_decay: float) -> None:
        self._weights = list(weights)
        # Views: what is done to them is done to the weights.
        self._matrices = [nn.Parameter(as_matrix(weight.detach(), weight)) for weight in self._weights]
        assert all(a.data_ptr() == b.data_ptr() for a, b in zip(self._matrices, self._weights, strict=True))
        super().__init__(
            self._matrices, lr=learning_rate, weight_decay=weight_decay, adjust_lr_fn="match_rms_adamw"
        )  # fmt: skip

    def step(self, closure: Callable[[], float] | None = None) -> Any:
        """One step from the weights' gradients."""
        for matrix, weight in zip(self._matrices, self._weights, strict=True):
            matrix.grad = None if weight.grad is None else as_matrix(weight.grad, weight)
        return super().step(closure)

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients of the weights."""
        for matrix, weight in zip(self._matrices, self._weights, strict=True):
            matrix.grad = weight.grad = None


def as_matrix(values: Tensor, weight: Tensor) -> Tensor:
    """A weight, or its gradient, as (outputs, all else); a view where ``values`` lie in memory as ``weight`` does.

    The columns are in the order of memory, in which convolutions of the channels-last layouts have their inputs last.

    Args:
        values: shaped like ``weight``.
        weight: contiguous, or in a channels-last layout.
    """
    strides = weight.stride()
    others = sorted(range(1, weight.ndim), key=lambda axis: -strides[axis])
    return values.permute(0, *others).reshape(values.shape[0], -1)


def build_optimisers(config: TrainingConfig, network: nn.Module) -> list[torch.optim.Optimizer]:
    """What optimises a network: AdamW, or Muon for its matrices (in `PARTS`) and AdamW for all else.

    Raises:
        InputError: the configuration names no known optimiser.
    """
    trained = [weight for weight in network.parameters() if weight.requires_grad]
    matrices: list[nn.Parameter] = []
    if config.optimiser == "muon":
        matrices = [weight for weight in trained if _is_wide(weight)]
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
    parts = [part for part in _even_parts(matrices) if part]
    optimisers += [MatrixMuon(part, config.learning_rate, config.weight_decay) for part in parts]
    return optimisers


class SideBySide:
    """Steps optimisers of different weights in threads of their own, each with one thread for its arithmetic."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(PARTS, initializer=torch.set_num_threads, initargs=(1,))

    def step(self, optimisers: Sequence[torch.optim.Optimizer]) -> None:
        """One step of each."""
        if len(optimisers) == 1 or torch.get_num_threads() == 1:
            for optimiser in optimisers:
                optimiser.step()
        else:
            list(self._pool.map(lambda optimiser: optimiser.step(), optimisers))


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


def _is_wide(weight: nn.Parameter) -> bool:
    return weight.ndim >= 2 and min(weight.shape[0], weight[0].numel()) >= NARROWEST
