"""A CUDA device that isn't there, for tests: tensors lie on the processor, and are held to what a card would refuse.

Tensors are labelled as Python's functions are called: what comes of a labelled one is labelled, `to` moves. Refused
are tensors of both kinds in one call, arrays of labelled tensors, and generators of the other kind. What PyTorch does
inside its own functions isn't seen, nor which of them a card has.
"""

from __future__ import annotations

from typing import Any

import pytest
import torch
from lightning_fabric import Fabric
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_flatten, tree_map

from DosePredictionLib.training.loop import TrainingRun

CARD = torch.device("cuda", 0)
_LABEL = "lies_on_the_card"
#: May be called with both kinds.
_MIXING = {
    torch.Tensor.__getitem__, torch.Tensor.__setitem__, torch.Tensor.copy_, torch.Tensor.data.__set__,
    torch.Tensor.grad.__set__, torch._has_compatible_shallow_copy_type,
}  # fmt: skip
#: Take no number from the processor either.
_JOINING = {torch.stack, torch.cat}
_ARRAYS = {torch.Tensor.numpy, torch.Tensor.__array__}
_Generator, _autocast, _new_parameter = torch.Generator, torch.autocast, torch.nn.Parameter.__new__


class CardGenerator(_Generator):
    """A generator of the card."""


def on_card(tensor: torch.Tensor) -> bool:
    """Whether a tensor lies on the pretended card."""
    return getattr(tensor, _LABEL, False)


def _labelled(value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        setattr(value, _LABEL, True)
    return value


def _is_card(device: Any) -> bool:
    return device is not None and not isinstance(device, int) and torch.device(device).type == "cuda"


class PretendedCard(TorchFunctionMode):
    """While it is entered, in its thread, ``torch.device("cuda")`` can be used."""

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Carry a function out on the processor, if a card would."""
        kwargs = dict(kwargs or {})
        given = [one for one in tree_flatten((args, kwargs))[0] if isinstance(one, torch.Tensor)]
        there = [one for one in given if on_card(one)]
        if there and function in (torch.Tensor.device.__get__, torch.Tensor.is_cuda.__get__):
            return CARD if function == torch.Tensor.device.__get__ else True
        if there and function in _ARRAYS:
            raise TypeError("can't convert cuda:0 device type tensor to numpy")
        if function in (torch.Tensor.to, torch.Tensor.cpu, torch.Tensor.cuda):
            return self._moved(function, args, kwargs)
        here = [one for one in given if not on_card(one) and (one.ndim or function in _JOINING)]
        if there and here and function not in _MIXING:
            raise RuntimeError(f"Expected all tensors to be on the same device: {function}")
        if function == torch.Tensor.__getitem__ and not on_card(args[0]) and there:
            raise RuntimeError("indices should be either on cpu or on the same device as the indexed tensor (cpu)")
        wanted = _is_card(kwargs.get("device"))
        generator = kwargs.get("generator")
        if generator is not None and isinstance(generator, CardGenerator) != (wanted or bool(there)):
            raise RuntimeError(f"a generator of another device than the tensor's: {function}")
        if kwargs.get("device") is not None:
            kwargs["device"] = "cpu"
        result = function(*args, **kwargs)
        if function == torch.Tensor.__getitem__ and not on_card(args[0]):
            return result
        if function == torch.Tensor.data.__set__ and on_card(args[1]):
            _labelled(args[0])
        return tree_map(_labelled, result) if there or wanted else result

    @staticmethod
    def _moved(function: Any, args: Any, kwargs: dict[str, Any]) -> torch.Tensor:
        tensor, *rest = args
        asked = [one for one in (*rest, *kwargs.values()) if isinstance(one, (torch.device, str))]
        others = [one for one in rest if isinstance(one, torch.Tensor)]
        goes = on_card(others[0]) if others else _is_card(asked[0]) if asked else on_card(tensor)
        goes = {torch.Tensor.cpu: False, torch.Tensor.cuda: True}.get(function, goes)
        told = [torch.device("cpu") if isinstance(one, (torch.device, str)) else one for one in rest]
        named = {name: "cpu" if name == "device" and one is not None else one for name, one in kwargs.items()}
        result = torch.Tensor.to(tensor, *told, **named) if function is torch.Tensor.to else tensor
        if goes == on_card(tensor):
            return _labelled(result) if goes else result
        return _labelled(result.clone()) if goes else result.clone()


def pretend_card(monkeypatch: pytest.MonkeyPatch) -> PretendedCard:
    """The mode to enter; runs that are made within it train on the card."""

    def parameter(kind: Any, data: Any = None, requires_grad: bool = True) -> Any:
        made = _new_parameter(kind, data, requires_grad)
        return _labelled(made) if data is not None and on_card(data) else made

    def setup(fabric: Fabric, *parts: Any) -> Any:
        return _setup(fabric, *parts, move_to_device=False)

    _setup, enabled, number = Fabric.setup, torch.is_autocast_enabled, torch.get_autocast_dtype
    monkeypatch.setattr(torch.nn.Parameter, "__new__", parameter)
    monkeypatch.setattr(torch, "Generator", lambda device="cpu": (CardGenerator if _is_card(device) else _Generator)())
    monkeypatch.setattr(torch, "autocast", lambda device, **how: _autocast("cpu", **how))
    monkeypatch.setattr(torch, "is_autocast_enabled", lambda device="cpu": enabled("cpu"))
    monkeypatch.setattr(torch, "get_autocast_dtype", lambda device="cpu": number("cpu"))
    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda tensor: tensor)
    monkeypatch.setattr(Fabric, "setup", setup)
    monkeypatch.setattr(TrainingRun, "device", CARD)
    monkeypatch.setattr("DosePredictionLib.inference.engine.choose_device", lambda *_: CARD)
    monkeypatch.setattr("DosePredictionLib.inference.engine.describe_device", lambda _: "a pretended card")
    return PretendedCard()
