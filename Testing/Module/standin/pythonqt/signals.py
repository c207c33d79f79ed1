"""Signals as PythonQt has them: `button.clicked.connect(f)` and `button.connect("clicked(bool)", f)`.

A slot gets as many arguments as it takes. Connecting to a signal that does not exist raises; PythonQt only prints that.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from types import FunctionType, MethodType
from typing import Any

import shiboken6
from PySide6 import QtCore

Slot = Callable[..., Any]
SIGNATURE = re.compile(r"\s*[12]?\s*(\w+)\s*\((.*)\)\s*")

_qt_connect = QtCore.QObject.connect
_qt_disconnect = QtCore.QObject.disconnect


@dataclass
class Connection:
    """A slot, and what was connected for it."""

    signature: str
    slot: Slot
    called: Slot


#: By address of the sender: the Python object of a C++ one comes and goes.
_connections: dict[int, list[Connection]] = {}


class SignalName:
    """A signal of a class, as an attribute.

    Args:
        name: the signal.
        signatures: of its overloads, the first one being the one that ``.connect(f)`` means.
        original: PySide6's signal; None for one of a stand-in.
    """

    def __init__(self, name: str, signatures: tuple[str, ...], original: Any = None) -> None:
        self.name, self.signatures, self.original = name, signatures, original

    def __get__(self, owner: Any, owner_class: Any = None) -> Any:
        return self if owner is None else BoundSignal(owner, self)

    def __set__(self, owner: Any, value: Any) -> None:
        raise AttributeError(f"Signal '{self.name}' can not be overwritten on {type(owner).__name__} object")


class BoundSignal:
    """A signal of an object."""

    def __init__(self, owner: Any, signal: SignalName) -> None:
        self._owner, self._signal = owner, signal

    def connect(self, *slots: Slot) -> bool:
        """Connect a callable to the first overload."""
        if len(slots) != 1:
            raise ValueError("Called connect with wrong number of arguments")
        return add_connection(self._owner, self._signal, self._signal.signatures[0], slots[0])

    def disconnect(self, *slots: Slot) -> bool:
        """Disconnect a callable, or all."""
        if len(slots) > 1:
            raise ValueError("Called disconnect with wrong number of arguments")
        return remove_connections(self._owner, self._signal.signatures[:1], *slots)

    def emit(self, *arguments: Any) -> None:
        """Call the slots of the overload that takes so many arguments."""
        if self._signal.original is not None:
            self._signal.original.__get__(self._owner, type(self._owner)).emit(*arguments)
            return
        if self._owner.signalsBlocked():
            return
        fitting = [s for s in self._signal.signatures if len(types_of(s)) == len(arguments)]
        if not fitting:
            raise ValueError(f"{self._signal.name} takes {' or '.join(self._signal.signatures)}, not {arguments}")
        self._deliver(fitting[0], arguments)

    def emit_as(self, signature: str, *arguments: Any) -> None:
        """Call the slots of one overload of a stand-in's signal."""
        if not self._owner.signalsBlocked():
            self._deliver(signature, arguments)

    __call__ = emit

    def _deliver(self, signature: str, arguments: tuple[Any, ...]) -> None:
        for connection in list(_connections.get(address(self._owner), ())):
            if connection.signature == signature:
                try:
                    connection.called(*arguments)
                except Exception:  # as in Qt: told to the user, the next slot is called
                    sys.excepthook(*sys.exc_info())


def connect(sender: Any, signal: str, *target: Any) -> bool:
    """``sender.connect("signal(type)", callable)``, or with a receiver and its slot in place of the callable.

    Raises:
        ValueError: the signature is not one.
        RuntimeError: there is no such signal (PythonQt prints that, and returns False).
    """
    signature = normalized(signal)
    slot: Slot = target[0]
    if len(target) > 1:
        slot = slot_of(target[0], target[1], len(types_of(signature)))
    return add_connection(sender, signal_of(sender, signature), signature, slot)


def disconnect(sender: Any, signal: str, *target: Any) -> bool:
    """Disconnect what `connect` connected; without a callable, all of the signal."""
    signature = normalized(signal)
    signal_of(sender, signature)
    if len(target) > 1:
        target = (slot_of(target[0], target[1], len(types_of(signature))),)
    return remove_connections(sender, (signature,), *target)


def add_connection(sender: Any, signal: SignalName, signature: str, slot: Slot) -> bool:
    """Connect a callable to a signal."""
    if not callable(slot):
        raise TypeError(f"{signature} of {type(sender).__name__} can't be connected to {slot!r}: it can't be called")
    if signature in getattr(type(sender), "silent_signals", ()):
        raise NotImplementedError(f"the stand-in for {type(sender).__name__} never emits {signature}")
    count = argument_count(slot)

    def called(*arguments: Any) -> None:
        slot(*arguments[:count])

    if signal.original is not None:
        _qt_connect(sender, f"2{signature}", called)
    key = address(sender)
    if key not in _connections:
        _connections[key] = []
        _qt_connect(sender, "2destroyed()", lambda: _connections.pop(key, None))
    _connections[key].append(Connection(signature, slot, called))
    return True


def remove_connections(sender: Any, signatures: Iterable[str], *slots: Slot) -> bool:
    """Disconnect one connection of a callable, or all; whether there was any."""
    kept, removed = [], []
    for connection in _connections.get(address(sender), []):
        wanted = connection.signature in signatures and (not slots or connection.slot == slots[0])
        (removed if wanted and not (slots and removed) else kept).append(connection)
    for connection in removed:
        if signal_of(sender, connection.signature).original is not None:
            _qt_disconnect(sender, f"2{connection.signature}", connection.called)
    if removed:
        _connections[address(sender)] = kept
    return bool(removed)


def argument_count(slot: Slot) -> int | None:
    """How many arguments PythonQt hands to a callable at most; None where it hands over all."""
    function = slot.__func__ if isinstance(slot, MethodType) else slot
    if not isinstance(function, FunctionType) or function.__code__.co_flags & inspect.CO_VARARGS:
        return None
    if (
        function.__module__.startswith("standin.")
        and not function.__name__.startswith("_")
        and hasattr(slot, "__self__")
    ):
        return None  # a slot of C++ in Slicer, which is called with all
    return function.__code__.co_argcount - isinstance(slot, MethodType)


def normalized(signal: str) -> str:
    """A signature as Qt writes it: without const, references and spaces."""
    found = SIGNATURE.fullmatch(signal)
    if found is None:
        raise ValueError(f"not a signal's signature: {signal!r}")
    bare = re.sub(r"\bconst\b|[&\s]", "", found[2])
    return f"{found[1]}({bare})"


def types_of(signature: str) -> list[str]:
    """The argument types of a signature."""
    inside = signature[signature.index("(") + 1 : -1]
    return inside.split(",") if inside else []


def signal_of(sender: Any, signature: str) -> SignalName:
    """The signal of an object that has the signature.

    Raises:
        RuntimeError: there is none.
    """
    name = signature.partition("(")[0]
    signal = getattr(type(sender), "shadowed_signals", {}).get(name) or getattr(type(sender), name, None)
    if not isinstance(signal, SignalName) or signature not in signal.signatures:
        raise RuntimeError(f"signal '{signature}' does not exist on {sender.className()}")
    return signal


def slot_of(receiver: Any, slot: str, arguments: int) -> Slot:
    """A slot named by its signature, as a callable of as many arguments as it and the signal have."""
    signature = normalized(slot)
    method = getattr(receiver, signature.partition("(")[0])
    count = min(arguments, len(types_of(signature)))
    return method if count == arguments else lambda *given: method(*given[:count])


def address(owner: Any) -> int:
    """Where the C++ object is."""
    found: int = shiboken6.getCppPointer(owner)[0]
    return found
