"""Which processor predicts."""

from __future__ import annotations

import torch

from DosePredictionLib.errors import InputError

DEVICES = ("auto", "cpu", "cuda", "mps")


def choose_device(wanted: str) -> torch.device:
    """The device for "auto", "cpu", "cuda", "cuda:1" or "mps"; "auto" takes the GPU when there is one.

    Raises:
        InputError: the wanted device isn't there or has no such name.
    """
    cuda, mps = torch.cuda.is_available(), torch.backends.mps.is_available()
    if wanted == "auto":
        return torch.device("cuda" if cuda else "mps" if mps else "cpu")
    family, _, number = wanted.partition(":")
    if family not in DEVICES or ":" in wanted and not (family == "cuda" and number.isdecimal()):
        raise InputError(f"There is no device called {wanted!r}; choose one of: {', '.join(DEVICES)}.")
    if (family == "cuda" and not cuda) or (family == "mps" and not mps):
        raise InputError(f"This computer has no {family} device that PyTorch can use; choose --device cpu or auto.")
    if number and int(number) >= torch.cuda.device_count():
        raise InputError(f"There is no {wanted}; this computer has {torch.cuda.device_count()} CUDA device(s).")
    return torch.device(wanted)


def describe_device(device: torch.device) -> str:
    """The device's name for people."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
