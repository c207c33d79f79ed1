"""Patches cover the volume, and together they are it again."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from DosePredictionLib.networks.patch_windows import cut_patches, linear_decay, merge_patches, patch_starts


def test_patches_cover_every_voxel_and_overlap_as_asked():
    starts = patch_starts((50, 64, 40), (24, 32, 32), (8, 8, 8))
    seen = np.zeros((50, 64, 40), int)
    for z, y, x in starts:
        seen[z : z + 24, y : y + 32, x : x + 32] += 1
    assert seen.min() >= 1
    for axis, (length, shared) in enumerate(zip((24, 32, 32), (8, 8, 8), strict=True)):
        ordered = sorted({start[axis] for start in starts})
        assert all(b - a <= length - shared for a, b in zip(ordered, ordered[1:], strict=False))
    assert patch_starts((24, 32, 32), (24, 32, 32), (8, 8, 8)) == [(0, 0, 0)]
    with pytest.raises(ValueError, match="do not cover"):
        patch_starts((16, 32, 32), (24, 32, 32), (8, 8, 8))


def test_weights_fall_linearly_and_two_neighbours_make_one():
    weight = linear_decay((24, 32, 32), (8, 8, 8))
    assert weight.shape == (24, 32, 32)
    assert weight.max() == 1.0 and weight.min() > 0
    along = weight[:, 16, 16]
    assert torch.allclose(along.diff()[:7], along.diff()[0].expand(7))
    assert torch.allclose(along[-8:] + along[:8], torch.ones(8))


def test_merging_what_was_cut_gives_it_back():
    volumes = torch.randn(2, 3, 40, 48, 44, generator=torch.Generator().manual_seed(0))
    places = [(index, start) for index in range(2) for start in patch_starts((40, 48, 44), (24, 32, 32), (8, 8, 8))]
    pieces = cut_patches(volumes, places, (24, 32, 32))
    weight = linear_decay((24, 32, 32), (8, 8, 8))
    assert torch.allclose(merge_patches(pieces, places, weight, torch.zeros_like(volumes)), volumes, atol=1e-5)
    # Only some of them: the rest stays what it was.
    merged = merge_patches(pieces[:1] + 1, places[:1], weight, volumes)
    assert torch.allclose(merged[0, :, :24, :32, :32], volumes[0, :, :24, :32, :32] + 1, atol=1e-5)
    assert torch.equal(merged[1], volumes[1])


def test_a_step_between_two_patches_becomes_a_slope():
    places = [(0, (0, 0, 0)), (0, (16, 0, 0))]
    pieces = torch.stack([torch.zeros(1, 24, 32, 32), torch.ones(1, 24, 32, 32)])
    merged = merge_patches(pieces, places, linear_decay((24, 32, 32), (8, 8, 8)), torch.zeros(1, 1, 40, 32, 32))
    along = merged[0, 0, :, 16, 16]
    assert torch.equal(along[:16], torch.zeros(16)) and torch.equal(along[24:], torch.ones(16))
    assert torch.allclose(along[15:25].diff(), torch.full((9,), 1 / 9), atol=1e-5)
