"""The dose of the scene that was measured last. No Qt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from DosePredictionScene.contours_state import NOT_READ, Contours
from DosePredictionScene.measured import Measured


@dataclass(frozen=True)
class KnownDose:
    """The dose that was measured last, at hand for exports and for other goals.

    Attributes:
        node: None before any was measured.
        measured: the dose with its patient.
        structures: what the segments were taken for (`choices_digest`); "" when unknown.
        contours: what was drawn when it was measured.
    """

    node: Any = None
    measured: Measured | None = None
    structures: str = ""
    contours: Contours = NOT_READ

    def measured_of(self, node: Any) -> Measured | None:
        """What was measured in a dose; None where that is not known."""
        return self.measured if self.node is node else None
