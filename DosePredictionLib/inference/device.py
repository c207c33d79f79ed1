"""Which processor predicts."""

from __future__ import annotations

import torch

from DosePredictionLib.errors import InputError

DEVICES = ("auto", "cpu", "cuda", "mps")
#: Before, PyTorch lacked 3D pooling and transposed convolutions in half precision on Apple's GPUs.
_FIRST_TORCH_WITH_MPS = (2, 9)


def choose_device(wanted: str) -> torch.device:
    """The device for "auto", "cpu", "cuda", "cuda:1" or "mps"; "auto" takes the GPU when there is one that works.

    Raises:
        InputError: the wanted device isn't there, has no such name, or doesn't work with this PyTorch.
    """
    cuda, mps = torch.cuda.is_available(), torch.backends.mps.is_available()
    if wanted == "auto":
        return torch.device("cuda" if cuda else "mps" if mps and _knows_mps() else "cpu")
    family, _, number = wanted.partition(":")
    if family not in DEVICES or ":" in wanted and not (family == "cuda" and number.isdecimal()):
        raise InputError(f"There is no device called {wanted!r}; choose one of: {', '.join(DEVICES)}.")
    if (family == "cuda" and not cuda) or (family == "mps" and not mps):
        raise InputError(f"This computer has no {family} device that PyTorch can use; choose --device cpu or auto.")
    if family == "mps" and not _knows_mps():
        raise InputError(
            f"PyTorch {torch.__version__} cannot predict on Apple's GPU; install PyTorch "
            f"{'.'.join(map(str, _FIRST_TORCH_WITH_MPS))} or newer, or choose --device cpu or auto."
        )
    if number and int(number) >= torch.cuda.device_count():
        raise InputError(f"There is no {wanted}; this computer has {torch.cuda.device_count()} CUDA device(s).")
    return torch.device(wanted)


def describe_device(device: torch.device) -> str:
    """The device's name for people."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


def _knows_mps() -> bool:
    return tuple(int(part) for part in torch.__version__.split(".")[:2]) >= _FIRST_TORCH_WITH_MPS
