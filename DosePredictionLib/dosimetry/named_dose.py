"""A dose with the name it goes by in tables and legends."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from DosePredictionLib.patient.volume import Volume


@dataclass(frozen=True)
class NamedDose:
    """A dose among others.

    Attributes:
        name: what it is called in legends ("Predicted", "Clinical", "seed 3").
        dose: Gy, on any grid.
        std: standard deviation over samples in Gy, on any grid; None when there is none.
        provenance: the content of its prediction.json; None for a dose that wasn't predicted.
        warnings: what was odd about its file, one sentence each.
    """

    name: str
    dose: Volume
    std: Volume | None = None
    provenance: Mapping[str, Any] | None = None
    warnings: tuple[str, ...] = ()
