"""Weights in eight bits each, so that several systems fit into one download.

A weight matrix (any weight with more than one axis) is kept as whole numbers from -127 to 127, with one scale for each
row of its first axis, the usual symmetric quantisation per channel; all else stays in half precision. This rounds a
weight by at most 1/254 of the largest one of its row. A row is an output, but of a transposed convolution an input:
each of its outputs is then off by 0.7 to 1.2 % of its size in the weights that ship, as it would be with scales of its
own. Networks still compute in floating point: what is
saved is space, not time.
"""

from __future__ import annotations

import torch
from torch import Tensor

#: Ends the name of the scales that belong to a weight.
SCALE = ".scale8"
LARGEST = 127
#: Smaller weights stay in half precision: there is nothing to gain.
LEAST_VALUES = 1024


def to_eight_bits(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Parameters by name, the large ones as int8 with their scales beside them."""
    packed: dict[str, Tensor] = {}
    for name, value in state.items():
        if value.ndim < 2 or value.numel() < LEAST_VALUES or not value.is_floating_point():
            packed[name] = value
            continue
        rows = value.detach().cpu().float().flatten(1)
        # Scales of few digits: 127 of them are an exact number, so that packing again finds the same scales.
        scale = (rows.abs().amax(dim=1) / LARGEST).to(torch.bfloat16).float()
        whole = torch.round(rows / torch.where(scale > 0, scale, 1.0)[:, None]).clamp(-LARGEST, LARGEST)
        packed[name] = whole.to(torch.int8).reshape(value.shape)
        packed[name + SCALE] = scale
    return packed


def from_eight_bits(packed: dict[str, Tensor]) -> dict[str, Tensor]:
    """Parameters by name, as they were but for the rounding; what was never packed is left alone."""
    state: dict[str, Tensor] = {}
    for name, value in packed.items():
        if name.endswith(SCALE):
            continue
        scale = packed.get(name + SCALE)
        state[name] = value if scale is None else (value.float().flatten(1) * scale[:, None]).reshape(value.shape)
    return state


def is_packed(state: dict[str, Tensor]) -> bool:
    """Whether any of the weights have eight bits."""
    return any(name.endswith(SCALE) for name in state)
