"""Patches of a volume, and the volume put together from patches again."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

Place = tuple[int, int, int]


def patch_starts(shape: Sequence[int], patch: Sequence[int], overlap: Sequence[int]) -> list[Place]:
    """Where patches begin that cover a volume, neighbours sharing at least ``overlap`` voxels; (z, y, x).

    The last patch along an axis ends with the volume, so none reaches beyond it and nothing has to be padded.

    Raises:
        ValueError: the volume is smaller than a patch, or the overlap isn't.
    """
    axes = []
    for size, length, shared in zip(shape, patch, overlap, strict=True):
        if size < length or shared >= length:
            raise ValueError(f"patches of {tuple(patch)} with overlap {tuple(overlap)} do not cover {tuple(shape)}")
        starts = list(range(0, size - length, length - shared))
        axes.append([*starts, size - length])
    return [(z, y, x) for z, y, x in itertools.product(*axes)]


def linear_decay(patch: Sequence[int], overlap: Sequence[int]) -> Tensor:
    """Weights (Z, Y, X) that fall linearly towards each face over the overlap, 1 inside; never 0.

    In an overlap the weights of two neighbours add up to one, so that a merged value slides from one to the other.
    """
    weight = torch.ones(1)
    for length, shared in zip(patch, overlap, strict=True):
        ramp = torch.arange(1, length + 1, dtype=torch.float32)
        ramp = torch.minimum(ramp, ramp.flip(0)).div(shared + 1).clamp(max=1.0)
        weight = weight[..., None] * ramp
    return weight[0]


def cut_patches(volumes: Tensor, places: Iterable[tuple[int, Place]], patch: Sequence[int]) -> Tensor:
    """Patches (P, C, z, y, x) of volumes (N, C, Z, Y, X); each place is the volume's number and the patch's start."""
    return torch.stack([
        volumes[index, :, z : z + patch[0], y : y + patch[1], x : x + patch[2]] for index, (z, y, x) in places
    ])  # fmt: skip


def merge_patches(pieces: Tensor, places: Sequence[tuple[int, Place]], weight: Tensor, rest: Tensor) -> Tensor:
    """Volumes made of patches: the weighted mean where there are any, ``rest`` elsewhere.

    Args:
        pieces: (P, C, z, y, x).
        places: as for `cut_patches`.
        weight: (z, y, x) of each voxel of a patch, such as `linear_decay`.
        rest: (N, C, Z, Y, X).
    """
    total = torch.zeros_like(rest)
    weights = torch.zeros_like(rest[:, :1])
    for piece, (index, (z, y, x)) in zip(pieces, places, strict=True):
        where = (slice(z, z + piece.shape[1]), slice(y, y + piece.shape[2]), slice(x, x + piece.shape[3]))
        total[(index, slice(None), *where)] += piece * weight
        weights[(index, 0, *where)] += weight
    return torch.where(weights > 0, total / weights.clamp(min=1e-6), rest)
