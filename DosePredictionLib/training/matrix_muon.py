"""PyTorch's Muon for weights of any number of axes; importing this needs PyTorch 2.9, which brought it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn


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
