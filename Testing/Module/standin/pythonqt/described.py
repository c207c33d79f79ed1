"""Classes that stand for one of CTK's or Slicer's: held to the list of what the real one has."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from standin.api_names import ApiClass, api_chain
from standin.pythonqt.attributes import MissingName
from standin.pythonqt.properties import converted
from standin.pythonqt.signals import SignalName

C = TypeVar("C", bound=type)

#: The stand-ins by name; `.ui` files and the modules `ctk` and `slicer` take them from here.
stand_ins: dict[str, type] = {}


def stand_in(*, silent: str = "") -> Callable[[C], C]:
    """Let a class stand for the CTK or Slicer class of its name.

    What the real one has and this one has not raises NotImplementedError; what the real one has not, AttributeError.

    Args:
        silent: signatures of signals that this one never emits; connecting to them raises NotImplementedError.

    Raises:
        TypeError: the class has a public name, or a silent signal, that the real one has not.
    """

    def describe(cls: C) -> C:
        chain = api_chain(cls.__name__)
        if not chain:
            raise TypeError(f"{cls.__name__} is not in the list of names")
        _refuse_inventions(cls, chain)
        cls.stands_in_for = cls.__name__
        inherited = getattr(cls, "silent_signals", frozenset())
        cls.silent_signals = inherited | frozenset(silent.split())
        unknown = cls.silent_signals - {s for api in chain for s in api.signals}
        if unknown:
            raise TypeError(f"{cls.__name__} has no {sorted(unknown)}")
        cls.shadowed_signals = dict(getattr(cls, "shadowed_signals", {}))
        for api in chain:
            _complete(cls, api)
        stand_ins[cls.__name__] = cls
        return cls

    return describe


class Stored:
    """A property that is only kept: nothing that a panel's test can see depends on it."""

    def __init__(self, default: Any) -> None:
        self._default = default
        self._name = ""
        #: Set when the class is described.
        self.type_name = ""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, owner: Any, owner_class: Any = None) -> Any:
        return self if owner is None else owner.__dict__.get(f"_stored_{self._name}", self._default)

    def __set__(self, owner: Any, value: Any) -> None:
        owner.__dict__[f"_stored_{self._name}"] = converted(value, self._name, self.type_name)


def _complete(cls: type, api: ApiClass) -> None:
    for name, type_name in api.properties.items():
        own = vars(cls).get(name)
        if isinstance(own, property):
            setattr(cls, name, _converting(own, name, type_name))
        elif isinstance(own, Stored):
            own.type_name = type_name
        elif not _is_given(cls, name):
            setattr(cls, name, MissingName(cls.__name__, name))
    overloads: dict[str, list[str]] = {}
    for signature in api.signals:
        overloads.setdefault(signature.partition("(")[0], []).append(signature)
    for name, signatures in overloads.items():
        # Overloads with an object come before those with a bool, as they do in Slicer's headers.
        signatures.sort(key=lambda signature: ("(bool)" in signature, signature))
        given = getattr(cls, name, None)
        if not _is_given(cls, name):
            setattr(cls, name, SignalName(name, tuple(signatures)))
        elif isinstance(given, SignalName):
            if given.original is None and not set(signatures) <= set(given.signatures):
                setattr(cls, name, SignalName(name, (*signatures, *given.signatures)))
        else:
            # Qt has a method of that name, and calls it: the signal is connected by its signature only.
            cls.shadowed_signals[name] = SignalName(name, tuple(signatures))
    for name in api.methods | api.enumerators:
        if not _is_given(cls, name):
            setattr(cls, name, MissingName(cls.__name__, name))


def _is_given(cls: type, name: str) -> bool:
    return any(name in vars(base) for base in cls.__mro__)


def _converting(given: property, name: str, type_name: str) -> property:
    """A property that converts what is assigned as PythonQt does."""
    setter = given.fset
    if setter is None:
        return given
    return property(given.fget, lambda self, value: setter(self, converted(value, name, type_name)), doc=given.__doc__)


def _refuse_inventions(cls: type, chain: list[ApiClass]) -> None:
    real = {name for api in chain for name in (*api.properties, *api.methods, *api.enumerators)}
    qt = {name for base in cls.__mro__ if base.__module__.startswith("PySide6.") for name in vars(base)}
    mixed_in = [c for c in cls.__mro__ if c.__module__.startswith("standin.") and "stands_in_for" not in vars(c)]
    own = {name for base in mixed_in for name in vars(base)}
    invented = sorted(name for name in own if not name.startswith("_") and name not in real | qt)
    if invented:
        raise TypeError(f"the real {cls.__name__} has no {', '.join(invented)}")
