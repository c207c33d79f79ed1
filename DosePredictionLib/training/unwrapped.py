"""A network out of its wrappings."""

from __future__ import annotations

from torch import nn


def unwrapped(network: nn.Module) -> nn.Module:
    """The network itself, out of what Fabric or the compiler wrapped around it."""
    while True:
        if hasattr(network, "_forward_module"):
            network = network._forward_module  # type: ignore[assignment]
        elif hasattr(network, "_orig_mod"):
            network = network._orig_mod  # type: ignore[assignment]
        elif isinstance(network, nn.parallel.DistributedDataParallel):
            network = network.module
        else:
            return network
