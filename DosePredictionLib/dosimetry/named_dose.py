"""A dose with the name it goes by in tables and legends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from DosePredictionLib.errors import InputError
from DosePredictionLib.patient.volume import Volume

#: What a provenance's sentence on the uncertainty begins with where it is calibrated.
CALIBRATED = "calibrated"


def is_calibrated(uncertainty: str) -> bool:
    """Whether a ``dose_std`` holds half-widths of 68 % intervals, and not the standard deviation of the samples.

    Args:
        uncertainty: what the provenance says that it is worth.
    """
    return uncertainty.startswith(CALIBRATED)


@dataclass(frozen=True)
class NamedDose:
    """A dose among others.

    Attributes:
        name: what it is called in legends ("Predicted", "Clinical", "seed 3").
        dose: Gy, on any grid.
        std: its uncertainty in Gy, on any grid; of which kind, the provenance says (`is_calibrated`). None when there
            is none.
        provenance: the content of its prediction.json; None for a dose that wasn't predicted.
        warnings: what is odd about it or its file, one sentence each.
    """

    name: str
    dose: Volume
    std: Volume | None = None
    provenance: Mapping[str, Any] | None = None
    warnings: tuple[str, ...] = ()


def different_names(doses: Sequence[NamedDose]) -> tuple[str, ...]:
    """The names of doses that are shown together.

    Raises:
        InputError: two doses have one name.
    """
    names = tuple(dose.name for dose in doses)
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise InputError(f"Two doses are called {twice[0]!r}; give them names of their own (NAME=FILE).")
    return names
