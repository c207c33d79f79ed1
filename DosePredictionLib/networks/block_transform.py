"""The discrete cosine transform in cubes of voxels: a fixed, orthonormal latent space."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


def cosine_basis(size: int, kept: int) -> Tensor:
    """(kept, size) rows of the orthonormal DCT-II, lowest frequencies first."""
    frequency = torch.arange(kept, dtype=torch.float64)[:, None]
    place = torch.arange(size, dtype=torch.float64)[None]
    basis = torch.cos(math.pi * (place + 0.5) * frequency / size) * math.sqrt(2.0 / size)
    basis[0] /= math.sqrt(2.0)
    return basis.float()


class BlockTransform(nn.Module):
    """Cubes of voxels to their cosine coefficients and back.

    With all coefficients it is exact both ways; with fewer it keeps each cube's lowest frequencies. Orthonormal: noise
    of one standard deviation a coefficient is noise of one standard deviation a voxel. It has no weights.

    Args:
        size: voxels along a cube's edge.
        kept: coefficients kept along each axis.
    """

    basis: Tensor

    def __init__(self, size: int, kept: int) -> None:
        super().__init__()
        self.size, self.kept = size, kept
        self.register_buffer("basis", cosine_basis(size, kept), persistent=False)

    def encode(self, volume: Tensor) -> Tensor:
        """(N, C, Z, Y, X) to (N, C kept^3, Z/size, Y/size, X/size)."""
        n, c, z, y, x = volume.shape
        s, k = self.size, self.kept
        cubes = volume.float().reshape(n, c, z // s, s, y // s, s, x // s, s)
        for axis in (3, 5, 7):
            cubes = torch.tensordot(cubes, self.basis, dims=([axis], [1])).movedim(-1, axis)
        return cubes.permute(0, 1, 3, 5, 7, 2, 4, 6).reshape(n, c * k**3, z // s, y // s, x // s)

    def decode(self, latent: Tensor) -> Tensor:
        """(N, C kept^3, Z, Y, X) to (N, C, Z size, Y size, X size)."""
        n, length, z, y, x = latent.shape
        k = self.kept
        cubes = latent.float().reshape(n, length // k**3, k, k, k, z, y, x).permute(0, 1, 5, 2, 6, 3, 7, 4)
        for axis in (3, 5, 7):
            cubes = torch.tensordot(cubes, self.basis, dims=([axis], [0])).movedim(-1, axis)
        return cubes.reshape(n, length // k**3, z * self.size, y * self.size, x * self.size)
