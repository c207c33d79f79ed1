"""PyTorch's Muon for weights of any number of axes; importing this needs PyTorch 2.9, which brought it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
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
        self.take_gradients()
        return super().step(closure)

    def take_gradients(self) -> None:
        """Give the matrices the gradients of the weights."""
        for matrix, weight in zip(self._matrices, self._weights, strict=True):
            matrix.grad = None if weight.grad is None else as_matrix(weight.grad, weight)

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients of the weights."""
        for matrix, weight in zip(self._matrices, self._weights, strict=True):
            matrix.grad = weight.grad = None


@torch.no_grad()
def step_by_shape(optimisers: Sequence[MatrixMuon]) -> None:
    """One step of several, as each by itself would take it but for rounding: matrices of one shape go together.

    A GPU is done with so small a product before the next one is launched: of a network with 70 matrices of 18 shapes,
    each with some twenty operations, it would mostly wait.
    """
    alike: dict[tuple[torch.Size, float, float], list[tuple[Tensor, Tensor, Tensor]]] = {}
    method = optimisers[0].param_groups[0]  # all have the same momentum and iteration
    for optimiser in optimisers:
        optimiser.take_gradients()
        for group in optimiser.param_groups:
            for matrix in group["params"]:
                if matrix.grad is None:
                    continue
                state = optimiser.state[matrix]
                if "momentum_buffer" not in state:
                    state["momentum_buffer"] = torch.zeros_like(matrix.grad, memory_format=torch.preserve_format)
                key = (matrix.shape, group["lr"], group["weight_decay"])
                alike.setdefault(key, []).append((matrix, matrix.grad, state["momentum_buffer"]))
    for (shape, learning_rate, weight_decay), several in alike.items():
        matrices, gradients, momenta = (list(some) for some in zip(*several, strict=True))
        torch._foreach_lerp_(momenta, gradients, 1 - method["momentum"])
        ahead = torch._foreach_lerp(gradients, momenta, method["momentum"])  # Nesterov's
        even = _evened_out(torch.stack(ahead), method["ns_coefficients"], method["ns_steps"], method["eps"])
        # The length of AdamW's steps: adjust_lr_fn "match_rms_adamw".
        length = 0.2 * learning_rate * max(shape) ** 0.5
        torch._foreach_mul_(matrices, 1 - learning_rate * weight_decay)
        torch._foreach_add_(matrices, list(even.to(matrices[0].dtype).unbind()), alpha=-length)


def _evened_out(updates: Tensor, coefficients: tuple[float, float, float], steps: int, least: float) -> Tensor:
    """(M, A, B) with every direction about equally long: PyTorch's Newton-Schulz iteration, of M matrices at once."""
    a, b, c = coefficients
    tall = updates.shape[1] > updates.shape[2]
    even = updates.bfloat16().transpose(1, 2) if tall else updates.bfloat16()
    even = even / even.norm(dim=(1, 2), keepdim=True).clamp(min=least)
    for _ in range(steps):
        gram = even @ even.transpose(1, 2)
        even = torch.baddbmm(even, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), even, beta=a)
    return even.transpose(1, 2) if tall else even


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
