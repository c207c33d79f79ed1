"""What a dose in the scene was scored with: the card, the state of its file, and the dose beside it.

Kept on the scorecard's table, so a scene keeps it, and it goes with the table.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from DosePredictionScene.compared_with import compared_with, remember_compared_with
from DosePredictionScene.file_time import file_time
from DosePredictionScene.scorecard_table import TABLE_ROLE

CARD_ATTRIBUTE = "DosePrediction.Scorecard"
FILE_ATTRIBUTE = "DosePrediction.ScorecardFileTime"
STRUCTURES_ATTRIBUTE = "DosePrediction.ScoredStructures"


@dataclass(frozen=True)
class ScoredWith:
    """A scorecard and a comparison.

    Attributes:
        card: a bundled card's name, or a file.
        file_time: when the file was changed last, in ns; "" for a bundled card, and where there is no such file.
        compared_id: of the node of the other dose; "" for none.
        structures: what the segments were taken for (`choices_digest`); "" when unknown.
    """

    card: str
    file_time: str
    compared_id: str
    structures: str = ""

    @classmethod
    def of(cls, card: str, compared: Any, structures: str = "") -> ScoredWith:
        """From the choices as they are now, ``compared`` being a node or None."""
        changed = file_time(card) if is_file(card) else ""
        return cls(card, changed, "" if compared is None else str(compared.GetID()), structures)


def is_file(card: str) -> bool:
    """Whether a card is in a file of the user's."""
    return card.lower().endswith(".json")


def scored_with(dose_node: Any) -> ScoredWith | None:
    """What a dose was scored with; None where it was not scored."""
    table = dose_node.GetNodeReference(TABLE_ROLE)
    card = None if table is None else table.GetAttribute(CARD_ATTRIBUTE)
    if card is None:
        return None
    structures = table.GetAttribute(STRUCTURES_ATTRIBUTE) or ""
    return ScoredWith(card, table.GetAttribute(FILE_ATTRIBUTE) or "", compared_with(table), structures)


def remember_scored_with(dose_node: Any, with_these: ScoredWith) -> None:
    """Note what a dose with a scorecard's table was scored with."""
    table = dose_node.GetNodeReference(TABLE_ROLE)
    table.SetAttribute(CARD_ATTRIBUTE, with_these.card)
    table.SetAttribute(FILE_ATTRIBUTE, with_these.file_time)
    table.SetAttribute(STRUCTURES_ATTRIBUTE, with_these.structures)
    remember_compared_with(table, with_these.compared_id)
