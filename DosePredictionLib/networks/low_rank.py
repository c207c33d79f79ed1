"""Low-rank changes of frozen weights (LoRA, Hu et al., ICLR 2022): the one that learns, and an old version of it.

Not peft: it installs transformers, accelerate and huggingface_hub, of which nothing else here is needed, for what
PyTorch's own parametrizations do in a page. Its layers take the place of those that they change and rename their
weights, and its calls that switch a change off or merge it belong to a model wrapped around the network, which here
must stay itself (`AnyToAnyNetwork.encode`, the names in a weights file). The old version that follows the current one,
which post-training asks for, would be written by hand either way. The change is LoRA's with alpha equal to the rank.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

CURRENT, OLD, NONE = "current", "old", "none"
_PART = ".parametrizations.weight."


class LowRankChange(nn.Module):
    """Adds ``up @ down`` to a layer's weight. It begins as nothing.

    Args:
        weight: (outputs, inputs, ...) of a linear layer or a convolution.
        rank: of the change.
    """

    old_down: Tensor
    old_up: Tensor

    def __init__(self, weight: Tensor, rank: int) -> None:
        super().__init__()
        inputs = weight[0].numel()
        self.down = nn.Parameter(torch.randn(rank, inputs) / math.sqrt(inputs))
        self.up = nn.Parameter(torch.zeros(weight.shape[0], rank))
        self.register_buffer("old_down", self.down.detach().clone())
        self.register_buffer("old_up", self.up.detach().clone())
        self.version = CURRENT

    def forward(self, weight: Tensor) -> Tensor:
        """The changed weight; the frozen one itself in the version `NONE`."""
        if self.version == NONE:
            return weight
        down, up = (self.down, self.up) if self.version == CURRENT else (self.old_down, self.old_up)
        with torch.autocast(weight.device.type, enabled=False):
            return weight + (up @ down).reshape(weight.shape)


def add_low_rank(network: nn.Module, rank: int, wanted: Callable[[str], bool] = lambda name: True) -> None:
    """Freeze the weights of linear layers and convolutions and give each a low-rank change.

    Args:
        network: changed in place.
        rank: of the changes; no more than a layer's own.
        wanted: tells by a layer's name whether it is changed. Other layers stay as they are.
    """
    layers = [
        (name, layer) for name, layer in network.named_modules()
        if isinstance(layer, (nn.Linear, nn.Conv3d, nn.Conv2d)) and wanted(name)
    ]  # fmt: skip
    for _, layer in layers:
        layer.weight.requires_grad_(False)
        if layer.bias is not None:
            layer.bias.requires_grad_(False)
        least = min(rank, layer.weight.shape[0], layer.weight[0].numel())
        parametrize.register_parametrization(layer, "weight", LowRankChange(layer.weight, least), unsafe=True)


def changes_of(network: nn.Module) -> Iterator[LowRankChange]:
    """All low-rank changes of a network."""
    return (module for module in network.modules() if isinstance(module, LowRankChange))


@contextmanager
def version(network: nn.Module, name: str) -> Iterator[None]:
    """Use one version (`CURRENT`, `OLD`, `NONE`) of all changes for a while."""
    for change in changes_of(network):
        change.version = name
    try:
        yield
    finally:
        for change in changes_of(network):
            change.version = CURRENT


@torch.no_grad()
def move_old(network: nn.Module, decay: float) -> None:
    """Move the old version towards the current one: ``old = decay old + (1 - decay) current``."""
    for change in changes_of(network):
        change.old_down.lerp_(change.down, 1 - decay)
        change.old_up.lerp_(change.up, 1 - decay)


def merged_state(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """A network's state with the current changes added to the weights, under the names that the plain network has."""
    merged = {}
    for name, value in state.items():
        layer, part, detail = name.partition(_PART)
        if not part:
            merged[name] = value
        elif detail == "original":
            down, up = state[f"{layer}{_PART}0.down"], state[f"{layer}{_PART}0.up"]
            merged[f"{layer}.weight"] = value + (up.float() @ down.float()).reshape(value.shape).to(value.dtype)
    return merged
