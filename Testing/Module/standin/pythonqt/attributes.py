"""Which attributes an object of Qt's has, and which can be set: PythonQt's rules."""

from __future__ import annotations

from typing import Any

from PySide6 import QtCore

from standin.pythonqt.properties import read_property, write_property

_set_python_attribute = QtCore.QObject.__mro__[-2].__setattr__  # of Shiboken's root class


class AbsentName:
    """A name that PySide6 has and Slicer's Python has not."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __get__(self, owner: Any, owner_class: Any = None) -> Any:
        where = owner_class.__name__ if owner_class is not None else "object"
        raise AttributeError(f"{where} has no attribute named '{self.name}' in Slicer (Qt 5.15 to 6, through PythonQt)")


class MissingName:
    """A name that Slicer's Python has and the stand-in has not."""

    def __init__(self, where: str, name: str) -> None:
        self.where, self.name = where, name

    def __get__(self, owner: Any, owner_class: Any = None) -> Any:
        raise NotImplementedError(f"the stand-in has no {self.where}.{self.name}; Slicer has")

    def __set__(self, owner: Any, value: Any) -> None:
        self.__get__(owner)


def is_cpp_class(cls: type) -> bool:
    """Whether the class is, in Slicer, one of C++: Qt's own, or one that a stand-in stands for."""
    return cls.__module__.startswith("PySide6.") or "stands_in_for" in vars(cls)


def get_missing(owner: Any, name: str) -> Any:
    """What PythonQt looks for last: dynamic properties, then children by their object name."""
    if not name.startswith("__"):
        if name.encode() in {bytes(n.data()) for n in owner.dynamicPropertyNames()}:
            return read_property(owner, name)
        for child in QtCore.QObject.children(owner):
            if child.objectName == name:
                return child
    raise AttributeError(f"{type(owner).__name__} has no attribute named '{name}'")


def set_attribute(owner: Any, name: str, value: Any) -> None:
    """Assign to an attribute, where PythonQt allows that."""
    if name.startswith("_"):
        _set_python_attribute(owner, name, value)  # of a stand-in's own, or of a class in Python
        return
    if isinstance(value, QtCore.SignalInstance):
        return  # PySide6 would keep it for the next time
    cls = type(owner)
    if isinstance(value, QtCore.QObject) and value.objectName == name:
        return  # PySide6's loader of .ui files does so with children; `get_missing` finds them, as PythonQt does
    cpp, found = _member(cls, name)
    if hasattr(type(found), "__set__"):
        found.__set__(owner, value)
    elif cpp and found is not None:
        kind = "Slot" if callable(found) else "EnumValue"
        raise AttributeError(f"{kind} '{name}' can not be overwritten on {cls.__name__} object")
    elif name.encode() in {bytes(n.data()) for n in owner.dynamicPropertyNames()}:
        write_property(owner, name, value)
    elif is_cpp_class(cls):
        raise AttributeError(
            f"'{name}' does not exist on {cls.__name__} and creating new attributes on C++ objects is not allowed"
        )
    else:
        _set_python_attribute(owner, name, value)


def _member(cls: type, name: str) -> tuple[bool, Any]:
    """A class's attribute, not bound, and whether a C++ class has it."""
    for base in cls.__mro__:
        if name in vars(base):
            return is_cpp_class(base), vars(base)[name]
    return False, None
