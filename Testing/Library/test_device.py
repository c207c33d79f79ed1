"""Which processor predicts, where a GPU is there that this PyTorch cannot use."""

from __future__ import annotations

import os
from types import SimpleNamespace

import pytest
import torch

from DosePredictionLib.cli.main import main
from DosePredictionLib.errors import InputError
from DosePredictionLib.inference.device import choose_device
from DosePredictionLib.training.config import TrainingConfig
from DosePredictionLib.training.fabric import devices_of

NO_KERNEL = "CUDA error: no kernel image is available for execution on the device\nCUDA kernel ..."
BUSY = "CUDA error: CUDA-capable device(s) is/are busy or unavailable\nCUDA kernel ..."
#: Name, multiprocessors, memory in GB, in the order of their slots.
CARDS = [("GT 1030", 3, 2), ("RTX 4090", 128, 24), ("RTX 6000", 142, 48), ("RTX 4090", 128, 48)]


@pytest.fixture
def cards(monkeypatch) -> dict[int, str]:
    """`CARDS`, and by their numbers those that nothing can be computed on, with CUDA's reason."""
    broken: dict[int, str] = {}
    ones = torch.ones

    def checked(*arguments, device=None, **options):
        wanted = torch.device(device or "cpu")
        if wanted.type == "cpu":
            return ones(*arguments, **options)
        if (wanted.index or 0) in broken:
            raise RuntimeError(broken[wanted.index or 0])
        return ones(*arguments, **options)

    def properties(device):
        _, processors, memory = CARDS[device.index]
        return SimpleNamespace(multi_processor_count=processors, total_memory=memory << 30)

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: len(CARDS))
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: CARDS[torch.device(device).index or 0][0])
    monkeypatch.setattr(torch.cuda, "get_device_properties", properties)
    monkeypatch.setattr(torch, "ones", checked)
    return broken


def test_auto_takes_the_best_card_that_works_whatever_its_slot(cards):
    told = []
    assert choose_device("auto", told.append) == torch.device("cuda:2")
    cards[2] = NO_KERNEL
    assert choose_device("auto", told.append) == torch.device("cuda:3"), "as fast as cuda:1, with more memory"
    cards.update({1: BUSY, 3: BUSY})
    assert choose_device("auto", told.append) == torch.device("cuda:0") and not told


def test_training_takes_the_best_cards_too(cards):
    def taken(**values):
        return devices_of(TrainingConfig("", "", "", **values))

    assert taken(device="auto", devices=1) == [2] and taken(device="cuda", devices=2) == [2, 3]
    assert taken(device="auto", devices=4) == 4 and taken(device="cpu", devices=1) == 1
    cards[2] = NO_KERNEL
    assert taken(device="auto", devices=2) == [3, 1]
    cards.update({0: BUSY, 1: BUSY, 3: BUSY})
    assert taken(device="cuda", devices=1) == 1, "so that CUDA says why none works"


def test_a_computer_whose_cards_cannot_be_described_predicts_on_its_processor(cards, monkeypatch):
    def not_begun(*_arguments, **_options):
        raise torch.cuda.DeferredCudaCallError("device >= 0 && device < num_gpus INTERNAL ASSERT FAILED")

    for name in ("get_device_properties", "get_device_name"):
        monkeypatch.setattr(torch.cuda, name, not_begun)
    monkeypatch.setattr(torch, "ones", not_begun)
    told = []
    assert choose_device("auto", told.append) == torch.device("cpu")
    assert "cuda:0 (device >= 0" in told[0]


def test_a_busy_card_is_not_said_to_need_another_pytorch(cards):
    cards[1] = BUSY
    with pytest.raises(InputError, match="RTX 4090.*busy or unavailable.*choose the processor") as refused:
        choose_device("cuda:1")
    assert "install" not in str(refused.value)


@pytest.mark.parametrize(("users", "order"), [({}, "PCI_BUS_ID"), ({"CUDA_VISIBLE_DEVICES": "1"}, None),
                                              ({"CUDA_DEVICE_ORDER": "FASTEST_FIRST"}, "FASTEST_FIRST")])  # fmt: skip
def test_commands_number_cards_as_the_panel_does(users, order, monkeypatch, tmp_path):
    for name in ("CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER"):
        monkeypatch.setenv(name, "")  # so that it is put back in the end
        monkeypatch.delenv(name)
    for name, value in users.items():
        monkeypatch.setenv(name, value)
    main(["predict", str(tmp_path / "none"), "-o", str(tmp_path)])
    assert os.environ.get("CUDA_DEVICE_ORDER") == order


@pytest.fixture
def old_card(cards):
    """Cards that CUDA finds and PyTorch has no kernels for."""
    cards.update(dict.fromkeys(range(len(CARDS)), NO_KERNEL))


def test_auto_passes_over_a_card_without_kernels_and_says_so(old_card):
    told = []
    assert choose_device("auto", told.append) == torch.device("cpu")
    (sentence,) = told
    assert all(name in sentence for name, *_ in CARDS) and "no kernel image" in sentence and "processor" in sentence


@pytest.mark.parametrize("wanted", ["cuda", "cuda:1"])
def test_a_wanted_card_without_kernels_is_refused_with_what_to_do(old_card, wanted):
    with pytest.raises(InputError, match="(GT 1030|RTX 4090).*no kernel.*install a PyTorch.*--device cpu") as refused:
        choose_device(wanted)
    assert "\n" not in str(refused.value)


def test_auto_passes_over_cards_that_cuda_cannot_even_describe(cards, monkeypatch):
    def broken(device):
        raise RuntimeError("CUDA unknown error - this may be due to an incorrectly set up environment")

    for name in ("get_device_name", "get_device_properties"):
        monkeypatch.setattr(torch.cuda, name, broken)
    cards.update(dict.fromkeys(range(len(CARDS)), "CUDA unknown error"))
    told = []
    assert choose_device("auto", told.append) == torch.device("cpu") and "cuda:0 (CUDA unknown error)" in told[0]


def test_a_card_whose_memory_is_full_is_not_called_unsupported(cards, monkeypatch):
    def full(*arguments, **options):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 MiB.")

    monkeypatch.setattr(torch, "ones", full)
    assert choose_device("auto") == torch.device("cuda:2") and choose_device("cuda") == torch.device("cuda")


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
        with pytest.raises(InputError, match="Apple's GPU; install PyTorch 2.9 or newer, or choose the processor"):
            choose_device("mps")
