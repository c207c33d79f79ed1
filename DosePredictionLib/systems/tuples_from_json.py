"""Configurations that come out of JSON, where a tuple is a list."""

from __future__ import annotations

from dataclasses import dataclass, fields


@dataclass(frozen=True)
class TuplesFromJson:
    """Base of a configuration: each field whose default is a tuple becomes one, which keeps it hashable and comparable.

    Raises:
        TypeError: such a field was given something that is no sequence.
    """

    def __post_init__(self) -> None:
        for field in fields(self):
            if isinstance(field.default, tuple):
                object.__setattr__(self, field.name, tuple(getattr(self, field.name)))
