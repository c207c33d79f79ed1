"""The modules `qt` and `ctk`: PySide6's classes under PythonQt's rules, and the stand-ins."""

from __future__ import annotations

from types import ModuleType
from typing import Any

from standin.api_names import classes_of, other_classes
from standin.pythonqt.classes import MODULES, follow_pythonqt
from standin.pythonqt.described import stand_ins

_follows: list[bool] = []


class Kit(ModuleType):
    """A module that has what the list of names has.

    Args:
        name: "qt" or "ctk".
        members: what the stand-in has.
        known: what Slicer has.
    """

    def __init__(self, name: str, members: dict[str, Any], known: frozenset[str]) -> None:
        super().__init__(name)
        self.__dict__.update(members)
        self._known = known

    def __getattr__(self, name: str) -> Any:
        return missing(self.__name__, name, self.__dict__["_known"])


def missing(kit: str, name: str, known: frozenset[str]) -> Any:
    """Raise what asking for a name raises that the stand-in has not.

    Raises:
        NotImplementedError: Slicer has it.
        AttributeError: Slicer has it not.
    """
    if name in known:
        raise NotImplementedError(f"the stand-in has no {kit}.{name}; Slicer has")
    raise AttributeError(f"module '{kit}' has no attribute '{name}'")


def make_qt() -> Kit:
    """The module `qt`. The first call changes PySide6's classes."""
    if not _follows:
        follow_pythonqt()
        _follows.append(True)
    from standin.pythonqt.ui_loader import QUiLoader

    members = {name: getattr(module, name) for name in classes_of("qt") for module in MODULES if hasattr(module, name)}
    return Kit("qt", {**members, "QUiLoader": QUiLoader}, other_classes("qt"))


def make_ctk() -> Kit:
    """The module `ctk`."""
    known = other_classes("ctk") | set(classes_of("ctk"))
    return Kit("ctk", {name: cls for name, cls in stand_ins.items() if name.startswith("ctk")}, known)


def slicer_names() -> frozenset[str]:
    """The widgets and Qt classes that `slicer` has in Slicer."""
    return other_classes("slicer") | set(classes_of("slicer"))
