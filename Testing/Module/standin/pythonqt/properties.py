"""Qt properties are attributes, with PythonQt's conversions of what is assigned to them."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any

from PySide6 import QtCore

#: PySide6's own, before its classes are changed.
read_property = QtCore.QObject.property
write_property = QtCore.QObject.setProperty


class QtProperty:
    """A property of a class of Qt's, as an attribute.

    Args:
        name: the property.
        type_name: its C++ type.
        writable: whether it can be assigned.
        getter: PySide6's getter, where it has one of the property's name.
        setter: PySide6's setter, where it has one.
        on_class: what the class has by that name: a static method.
    """

    def __init__(
        self,
        name: str,
        type_name: str,
        *,
        writable: bool,
        getter: Callable[[Any], Any] | None,
        setter: str | None,
        on_class: Any,
    ) -> None:
        self.name, self.type_name, self.writable = name, type_name, writable
        self._getter, self._setter, self._on_class = getter, setter, on_class

    def __get__(self, owner: Any, owner_class: Any = None) -> Any:
        if owner is None:
            return self._on_class if self._on_class is not None else self
        return self._getter(owner) if self._getter is not None else read_property(owner, self.name)

    def __set__(self, owner: Any, value: Any) -> None:
        if not self.writable:
            raise AttributeError(f"Property '{self.name}' of {type(owner).__name__} object is not writable")
        value = converted(value, self.name, self.type_name)
        if self._setter is not None:
            getattr(owner, self._setter)(value)
        elif not write_property(owner, self.name, value):
            raise AttributeError(refusal(value, self.name, self.type_name))


def converted(value: Any, name: str, type_name: str) -> Any:
    """A value as PythonQt hands it to a property of a C++ type.

    Raises:
        AttributeError: PythonQt does not convert it.
    """
    try:
        if type_name == "bool":
            return bool(value)
        if type_name == "QString":
            return str(value)
        if type_name in ("int", "uint"):
            return math.floor(value) if isinstance(value, float) else operator.index(value)
        if type_name in ("double", "float"):
            return float(_no_text(value))
        if type_name == "QStringList":
            return [str(item) for item in value]
    except (TypeError, ValueError):
        raise AttributeError(refusal(value, name, type_name)) from None
    return value


def refusal(value: Any, name: str, type_name: str) -> str:
    """What PythonQt says of a value that it does not convert."""
    return (
        f"Property '{name}' of type '{type_name}' does not accept an object of type {type(value).__name__} ({value!r})"
    )


def _no_text(value: Any) -> Any:
    if isinstance(value, str):
        raise TypeError
    return value
