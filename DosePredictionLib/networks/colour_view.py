"""Volumes of any number of channels as volumes of three, for autoencoders of colour pictures, and back."""

from __future__ import annotations

import torch
from torch import Tensor


def colours(count: int) -> Tensor:
    """(3, count) mixing of channels into colours.

    One channel is grey, two or three have a colour plane each (the last plane repeated), more are told apart by colours
    from the corners and edges of the colour cube, as in a labelmap.
    """
    if count == 1:
        return torch.ones(3, 1)
    if count <= 3:
        return torch.stack([torch.eye(count)[min(plane, count - 1)] for plane in range(3)])
    levels = [(r, g, b) for r in (0.0, 0.5, 1.0) for g in (0.0, 0.5, 1.0) for b in (0.0, 0.5, 1.0)]
    levels = sorted(levels[1:], key=lambda c: (sum(v == 0.5 for v in c), c))
    if count > len(levels):
        raise ValueError(f"{count} channels are more than the {len(levels)} colours")
    return torch.tensor(levels[:count]).T


def to_colours(volume: Tensor) -> Tensor:
    """(N, C, Z, Y, X) between -1 and +1 to (N, 3, Z, Y, X), likewise."""
    count = volume.shape[1]
    mixing = colours(count).to(volume)
    if count <= 3:
        return torch.einsum("pc,nczyx->npzyx", mixing, volume).clamp(-1, 1)
    # Masks: -1 is nothing.
    return torch.einsum("pc,nczyx->npzyx", mixing, (volume + 1) / 2).clamp(0, 1) * 2 - 1


def from_colours(volume: Tensor, count: int) -> Tensor:
    """The inverse of `to_colours`; of more than three channels each voxel belongs to that of the nearest colour."""
    mixing = colours(count).to(volume)
    if count <= 3:
        return torch.einsum("cp,npzyx->nczyx", torch.linalg.pinv(mixing), volume)
    palette = torch.cat([torch.zeros_like(mixing[:, :1]), mixing], dim=1)
    share = (volume + 1) / 2
    distance = torch.stack([(share - c[:, None, None, None]).square().sum(dim=1) for c in palette.T], dim=1)
    nearest = distance.argmin(dim=1)
    return torch.stack([(nearest == index + 1).to(volume) for index in range(count)], dim=1) * 2 - 1
