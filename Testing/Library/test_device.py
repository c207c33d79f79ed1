"""Which processor predicts, where a GPU is there that this PyTorch cannot use."""

from __future__ import annotations

import pytest
import torch

from DosePredictionLib.errors import InputError
from DosePredictionLib.inference.device import choose_device


@pytest.fixture
def old_card(monkeypatch):
    """A card that CUDA finds and PyTorch has no kernels for."""
    ones = torch.ones

    def no_kernel(*arguments, device=None, **options):
        if torch.device(device or "cpu").type == "cuda":
            raise RuntimeError("CUDA error: no kernel image is available for execution on the device\nCUDA kernel ...")
        return ones(*arguments, device=device, **options)

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "NVIDIA GeForce GTX 970")
    monkeypatch.setattr(torch, "ones", no_kernel)


def test_auto_passes_over_a_card_without_kernels_and_says_so(old_card):
    told = []
    assert choose_device("auto", told.append) == torch.device("cpu")
    (sentence,) = told
    assert "GTX 970" in sentence and "no kernel image" in sentence and "processor" in sentence


@pytest.mark.parametrize("wanted", ["cuda", "cuda:1"])
def test_a_wanted_card_without_kernels_is_refused_with_what_to_do(old_card, wanted):
    with pytest.raises(InputError, match="GTX 970.*no kernel image.*install a PyTorch.*--device cpu") as refused:
        choose_device(wanted)
    assert "\n" not in str(refused.value)


def test_a_card_whose_memory_is_full_is_not_called_unsupported(old_card, monkeypatch):
    def full(*arguments, **options):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 MiB.")

    monkeypatch.setattr(torch, "ones", full)
    assert choose_device("auto") == choose_device("cuda") == torch.device("cuda")


@pytest.mark.parametrize(
    ("version", "automatic"), [("2.6.0", "cpu"), ("2.8.0+cpu", "cpu"), ("2.9.0", "mps"), ("2.10.1", "mps")]
)
def test_apples_gpus_are_taken_from_the_pytorch_on_that_can_pool_in_3d_there(version, automatic, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    monkeypatch.setattr(torch, "__version__", version)
    assert choose_device("auto") == torch.device(automatic)
    if automatic == "mps":
        assert choose_device("mps") == torch.device("mps")
    else:
        with pytest.raises(InputError, match="Apple's GPU; install PyTorch 2.9 or newer, or choose --device cpu"):
            choose_device("mps")
