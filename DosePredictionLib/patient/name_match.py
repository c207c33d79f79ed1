"""What a structure's name was taken to mean."""

from __future__ import annotations

from dataclasses import dataclass

from DosePredictionLib.patient.structure import StructureRole

#: Matches below this are guesses: they give way when another structure fits the same name better.
SURE = 0.8


@dataclass(frozen=True)
class NameMatch:
    """What a structure's name was taken to mean, and why; shown to the user, who may correct it.

    Attributes:
        standard_name: TG-263 name; None when none was recognised.
        role: what the structure is to the prediction.
        prescription_gy: for targets, the dose read from the name; None when the name tells none.
        confidence: 0 (nothing recognised) to 1 (the TG-263 name itself).
        reason: a few plain words.
    """

    standard_name: str | None
    role: StructureRole
    prescription_gy: float | None
    confidence: float
    reason: str

    @property
    def sure(self) -> bool:
        """Whether this is more than a guess."""
        return self.confidence >= SURE
