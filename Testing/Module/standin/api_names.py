"""The names that Slicer's Python has in `qt`, `ctk` and `slicer`, from api_names.json."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class ApiClass:
    """A Qt, CTK or Slicer class as PythonQt gives it to Python: its own members, not inherited ones.

    Attributes:
        base: the class it derives from.
        properties: C++ type by name of the Qt properties: attributes in Python.
        signals: signatures, such as "valueChanged(double)".
        methods: public slots and invokable methods: what Python can call.
        enumerators: values of its enums.
    """

    name: str
    base: str
    properties: dict[str, str]
    signals: tuple[str, ...]
    methods: frozenset[str]
    enumerators: frozenset[str]

    @property
    def names(self) -> frozenset[str]:
        """All of its attributes."""
        signals = {signature.partition("(")[0] for signature in self.signals}
        return self.methods | self.enumerators | set(self.properties) | signals


@cache
def classes_of(kit: str) -> dict[str, ApiClass]:
    """The classes of "qt", "ctk" or "slicer" by name."""
    return {
        name: ApiClass(
            name,
            entry["base"],
            dict(pair.split(":", 1) for pair in entry.get("properties", "").split()),
            tuple(entry.get("signals", "").split()),
            frozenset(entry.get("methods", "").split()),
            frozenset(entry.get("enumerators", "").split()),
        )
        for name, entry in _lists()[kit].items()
    }


def api_chain(name: str, *kits: str) -> list[ApiClass]:
    """A class and those of its bases that the list has, nearest first; without ``kits``, of CTK and Slicer alone."""
    classes = {n: c for kit in kits or ("ctk", "slicer") for n, c in classes_of(kit).items()}
    chain = []
    while name in classes:
        chain.append(classes[name])
        name = chain[-1].base
    return chain


def other_classes(kit: str) -> frozenset[str]:
    """Classes of "qt", "ctk" or "slicer" that Slicer has and the stand-in does not know."""
    return frozenset(_lists()[f"{kit}, not in the stand-in"].split())


def module_names() -> frozenset[str]:
    """Names in slicer.modules that Slicer comes with."""
    return frozenset(_lists()["modules"].split())


def python_names(module: str) -> frozenset[str]:
    """What a Python module of Slicer's defines, "slicer.packaging" for example."""
    return frozenset(_lists()["python"][module].split())


def python_modules() -> frozenset[str]:
    """The Python modules that `python_names` knows."""
    return frozenset(_lists()["python"])


@cache
def _lists() -> dict[str, Any]:
    lists: dict[str, Any] = json.loads(Path(__file__).with_name("api_names.json").read_text())
    return lists
