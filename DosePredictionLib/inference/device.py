"""Which processor predicts."""

from __future__ import annotations

from collections.abc import Callable

import torch

from DosePredictionLib.errors import InputError

DEVICES = ("auto", "cpu", "cuda", "mps")
#: Before, PyTorch lacked 3D pooling and transposed convolutions in half precision on Apple's GPUs.
_FIRST_TORCH_WITH_MPS = (2, 9)
#: What helps in any case; the panel's users choose it there.
_PROCESSOR = "choose the processor (--device cpu)"
#: The second is raised where one of several cards cannot be described when CUDA begins.
_CUDA_ERRORS = (RuntimeError, torch.cuda.DeferredCudaCallError)


def choose_device(wanted: str, tell: Callable[[str], None] = lambda message: None) -> torch.device:
    """The device for "auto", "cpu", "cuda", "cuda:1" or "mps"; "auto" takes the best GPU that works, if there is one.

    Args:
        wanted: its name.
        tell: receives a sentence for the user where "auto" finds GPUs of which none works.

    Raises:
        InputError: the wanted device isn't there, has no such name, or doesn't work with this PyTorch.
    """
    cuda, mps = torch.cuda.is_available(), torch.backends.mps.is_available()
    if wanted == "auto":
        return _best_card(tell) if cuda else torch.device("mps" if mps and _knows_mps() else "cpu")
    family, _, number = wanted.partition(":")
    if family not in DEVICES or ":" in wanted and not (family == "cuda" and number.isdecimal()):
        raise InputError(f"There is no device called {wanted!r}; choose one of: {', '.join(DEVICES)}.")
    if (family == "cuda" and not cuda) or (family == "mps" and not mps):
        raise InputError(f"This computer has no {family} device that PyTorch can use; {_PROCESSOR}.")
    if family == "mps" and not _knows_mps():
        raise InputError(
            f"PyTorch {torch.__version__} cannot predict on Apple's GPU; install PyTorch "
            f"{'.'.join(map(str, _FIRST_TORCH_WITH_MPS))} or newer, or {_PROCESSOR}."
        )
    if number and int(number) >= torch.cuda.device_count():
        raise InputError(f"There is no {wanted}; this computer has {torch.cuda.device_count()} CUDA device(s).")
    device = torch.device(wanted)
    if family == "cuda" and (reason := broken_because(device)):
        # A card may be busy, too, or another program's alone.
        unsupported = any(words in reason for words in ("no kernel image", "not compatible"))
        advice = "install a PyTorch that supports this card, or " if unsupported else ""
        raise InputError(
            f"PyTorch {torch.__version__} cannot compute on {describe_device(device)} ({reason}); {advice}{_PROCESSOR}."
        )
    return device


def ranked_cards() -> list[torch.device]:
    """CUDA's graphics cards, those with the most multiprocessors, then memory, first.

    A card's number says nothing of its speed where it is that of its slot (`process_environment.card_order`).
    """
    cards = [torch.device("cuda", index) for index in range(torch.cuda.device_count())]
    return sorted(cards, key=_rank, reverse=True)


def describe_device(device: torch.device) -> str:
    """The device's name for people."""
    if device.type != "cuda":
        return device.type
    try:
        return torch.cuda.get_device_name(device)
    except _CUDA_ERRORS:  # CUDA itself does not begin
        return str(device)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether a device's memory ran out: CUDA has an error of its own for that, Apple's GPUs have a sentence."""
    return isinstance(error, torch.OutOfMemoryError) or (
        isinstance(error, RuntimeError) and "out of memory" in str(error).lower()
    )


def is_out_of_main_memory(error: BaseException) -> bool:
    """Whether the computer's own memory ran out: NumPy has an error for that, PyTorch names its allocator."""
    return isinstance(error, MemoryError) or "DefaultCPUAllocator" in str(error)


def _best_card(tell: Callable[[str], None]) -> torch.device:
    """The first of `ranked_cards` that works; the processor where none does."""
    reasons = []
    for device in ranked_cards():
        reason = broken_because(device)
        if not reason:
            return device
        reasons.append(f"{describe_device(device)} ({reason})")
    tell(f"PyTorch {torch.__version__} cannot compute on {', '.join(reasons)}; going on with the processor, which is "
         "slower.")  # fmt: skip
    return torch.device("cpu")


def _rank(card: torch.device) -> tuple[int, int]:
    try:
        properties = torch.cuda.get_device_properties(card)
    except _CUDA_ERRORS:  # which is met again, and told, when something is computed there
        return 0, 0
    return properties.multi_processor_count, properties.total_memory


def broken_because(device: torch.device) -> str:
    """Why nothing can be computed on a CUDA device; empty where it can, or where its memory is full.

    A PyTorch that has no kernels for a card, as new ones have none for old cards, still calls CUDA available.
    """
    try:
        torch.ones(1, device=device).add(1.0).item()
    except _CUDA_ERRORS as error:
        # Full memory is met again, and answered, when the weights come.
        return "" if is_out_of_memory(error) else str(error).strip().splitlines()[0].removeprefix("CUDA error: ")
    return ""


def _knows_mps() -> bool:
    return tuple(int(part) for part in torch.__version__.split(".")[:2]) >= _FIRST_TORCH_WITH_MPS
