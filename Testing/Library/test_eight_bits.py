"""Weights in eight bits: how far they are off, how small they get, and that writing them again changes nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from tiny import tiny_weights

from DosePredictionLib.errors import InputError
from DosePredictionLib.inference.eight_bits import from_eight_bits, to_eight_bits
from DosePredictionLib.inference.weights import read_weights, save_weights
from DosePredictionLib.training.config import TrainingConfig


def state() -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    sizes = torch.logspace(-3, 1, 64)[:, None, None, None, None]  # outputs of very different sizes
    kernel = torch.randn(64, 32, 3, 3, 3, generator=generator) * sizes
    kernel[5] = 0.0
    bias, small = torch.randn(64, generator=generator), torch.randn(4, 4, generator=generator)
    return {"kernel": kernel, "bias": bias, "small": small}


def test_a_weight_is_off_by_half_a_step_of_its_own_output() -> None:
    exact, rounded = state(), from_eight_bits(to_eight_bits(state()))
    step = exact["kernel"].abs().amax(dim=(1, 2, 3, 4)) / 127
    error = (rounded["kernel"] - exact["kernel"]).abs().amax(dim=(1, 2, 3, 4))
    assert (error <= 0.504 * step).all() and (error[step > 0] > 0.3 * step[step > 0]).all()
    assert (rounded["kernel"][5] == 0).all()
    assert torch.equal(rounded["bias"], exact["bias"]) and torch.equal(rounded["small"], exact["small"])
    response = torch.randn(1, 32, 8, 8, 8, generator=torch.Generator().manual_seed(1))
    wanted = torch.conv3d(response, exact["kernel"])
    error = (torch.conv3d(response, rounded["kernel"]) - wanted).square().mean().sqrt() / wanted.square().mean().sqrt()
    assert error < 0.01


def test_the_file_is_half_as_large_and_stays_the_same_when_written_again(tmp_path: Path) -> None:
    header = read_weights(tiny_weights(tmp_path / "tiny.safetensors")).header
    paths = [tmp_path / f"{name}.safetensors" for name in ("sixteen", "eight", "again")]
    save_weights(state(), header, paths[0])
    save_weights(state(), header, paths[1], bits=8)
    assert paths[1].stat().st_size < 0.55 * paths[0].stat().st_size
    first = read_weights(paths[1])
    assert (first.bits, read_weights(paths[0]).bits) == (8, 16)
    save_weights(first.state, first.header, paths[2], first.bits)
    kept, again = load_file(paths[1]), load_file(paths[2])  # as stored: whole numbers and scales
    assert kept.keys() == again.keys() and kept["kernel"].dtype == torch.int8
    assert all(torch.equal(again[name], value) for name, value in kept.items())
    assert set(first.state) == set(state())


def test_other_numbers_of_bits_are_refused() -> None:
    with pytest.raises(InputError, match="8 or 16 bits, not 4"):
        TrainingConfig("train", "validation", "output", weight_bits=4)
