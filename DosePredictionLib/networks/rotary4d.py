"""Rotary positions in four dimensions: which modality a token belongs to, and where it lies."""

from __future__ import annotations

import torch
from torch import Tensor

#: Base of the geometric series of frequencies (Su et al., RoFormer, 2021, section 3.2.2), as in Wan 2.1.
THETA = 10000.0


def axis_widths(head_width: int) -> tuple[int, int, int]:
    """Channels of a head that turn with z, y and x: a third each, z getting what is left over (as in Wan 2.1)."""
    plane = 2 * (head_width // 6)
    return head_width - 2 * plane, plane, plane


def rotary_angles(positions: Tensor, head_width: int, slot_width: int) -> Tensor:
    """Angles that queries and keys are turned by.

    The slot takes the slowest of the frequencies along z. These turn by next to nothing over a body's length, so a
    transformer that was pretrained without slots keeps what it knows, and slot 0 (the dose) is turned exactly as there.

    Args:
        positions: (T, 4) of slot, z, y, x in tokens; fractions are allowed.
        head_width: channels of a head, even.
        slot_width: how many of them turn with the slot, even; 0 for three dimensions.

    Returns:
        (T, head_width / 2), one angle for each pair of channels.
    """
    widths = axis_widths(head_width)
    if slot_width % 2 or slot_width > widths[0]:
        raise ValueError(f"slot_width {slot_width} must be even and at most {widths[0]}")
    positions = positions.double()
    angles = []
    for axis, width in enumerate(widths, start=1):
        frequencies = THETA ** (-torch.arange(0, width, 2, device=positions.device, dtype=torch.float64) / width)
        angles.append(positions[:, axis, None] * frequencies)
    if slot_width:
        count = slot_width // 2
        frequencies = THETA ** (-torch.arange(count, device=positions.device, dtype=torch.float64) / count)
        angles[0] = torch.cat([angles[0][:, :-count], positions[:, :1] * frequencies], dim=1)
    return torch.cat(angles, dim=1).float()


def rotate(x: Tensor, angles: Tensor) -> Tensor:
    """Turn neighbouring pairs of channels by their angles.

    Args:
        x: (N, heads, T, head_width).
        angles: (T, head_width / 2).
    """
    cosine, sine = angles.cos().to(x.dtype), angles.sin().to(x.dtype)
    even, odd = x[..., 0::2], x[..., 1::2]
    return torch.stack([even * cosine - odd * sine, even * sine + odd * cosine], dim=-1).flatten(-2)
