"""Weights files say what they are, and a damaged one is never used."""

from __future__ import annotations

import os
import stat
from dataclasses import asdict, dataclass

import pytest
import torch
from tiny import tiny_weights

from DosePredictionLib.errors import InputError
from DosePredictionLib.inference.weights import load_weights, read_weights, save_weights
from DosePredictionLib.inference.weights_header import WeightsHeader, read_weights_header


def test_round_trip_keeps_header_and_half_precision_weights(tmp_path):
    path = tiny_weights(tmp_path / "tiny.safetensors")
    loaded = load_weights(path)
    again = load_weights(path)
    assert loaded.header.system == "default"
    assert loaded.header.training == {"data": "nothing; untrained"}
    assert len(loaded.sha256) == 64 and loaded.sha256 == again.sha256
    for name, value in loaded.network.state_dict().items():
        assert value.dtype == torch.float32
        assert torch.equal(value, value.half().float()), name


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such bits")
def test_colleagues_can_read_weights_as_they_can_any_new_file(tmp_path):
    before = os.umask(0o022)
    try:
        path = tiny_weights(tmp_path / "weights.safetensors")
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o644


@pytest.mark.parametrize("place", [0.02, 0.3, 0.6, 0.999])
def test_one_flipped_byte_is_noticed(tmp_path, place):
    path = tiny_weights(tmp_path / "tiny.safetensors")
    content = bytearray(path.read_bytes())
    content[int(place * len(content))] ^= 0x01
    path.write_bytes(bytes(content))
    with pytest.raises(InputError, match="damaged|not a weights file"):
        load_weights(path)


def test_a_truncated_file_is_noticed(tmp_path):
    path = tiny_weights(tmp_path / "tiny.safetensors")
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(InputError, match="damaged"):
        load_weights(path)


def test_weights_for_other_channels_are_refused_by_name(tmp_path):
    path = tiny_weights(tmp_path / "tiny.safetensors", channels=["ct", "tea_leaves"])
    with pytest.raises(InputError, match="tea_leaves"):
        load_weights(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match="nowhere.safetensors"):
        load_weights(tmp_path / "nowhere.safetensors")


def test_weights_that_do_not_fit_their_network_are_refused(tmp_path):
    path = tiny_weights(tmp_path / "tiny.safetensors", widths=[4, 8])
    with pytest.raises(InputError, match="do not fit"):
        load_weights(path)


def test_weights_of_a_newer_version_ask_for_an_update(tmp_path):
    file = read_weights(tiny_weights(tmp_path / "tiny.safetensors"))

    @dataclass(frozen=True)
    class NewerHeader(WeightsHeader):
        sharpening: float = 1.0

    newer = tmp_path / "newer.safetensors"
    save_weights(file.state, NewerHeader(**asdict(file.header)), newer)
    for read in (load_weights, read_weights_header):
        with pytest.raises(InputError, match=r"newer\.safetensors was made by a newer version .*sharpening.*update"):
            read(newer)


@pytest.mark.parametrize("value", [7e4, -7e4, float("nan")])
@pytest.mark.parametrize("bits", [16, 8])
def test_weights_beyond_half_precision_are_refused_before_anything_is_written(tmp_path, value, bits):
    path = tiny_weights(tmp_path / "tiny.safetensors")
    file, before = read_weights(path), path.read_bytes()
    bias = next(name for name, weight in file.state.items() if weight.ndim == 1)
    state = {**file.state, bias: torch.full_like(file.state[bias], value, dtype=torch.float32)}
    with pytest.raises(InputError, match=rf"tiny\.safetensors is not written: {bias} holds {value:g}"):
        save_weights(state, file.header, path, bits)
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]


def test_counts_go_on_beyond_half_precision(tmp_path):
    """A batch norm counts its batches, more of them in a long training than half precision has numbers."""
    file = read_weights(tiny_weights(tmp_path / "tiny.safetensors"))
    save_weights({**file.state, "norm.count": torch.tensor(100_001)}, file.header, tmp_path / "counted.safetensors")
    assert read_weights(tmp_path / "counted.safetensors").state["norm.count"].item() == 100_001
