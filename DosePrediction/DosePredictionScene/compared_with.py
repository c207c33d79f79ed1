"""Which dose a node's figures were compared with. Kept on the node, so a scene keeps it."""

from __future__ import annotations

from typing import Any

#: Reference to the dose.
COMPARED_ROLE = "DosePrediction.ComparedWith"
#: Tells "with a dose that is not in the scene any more" from "with none": such a reference is empty, too.
COMPARES_ATTRIBUTE = "DosePrediction.Compares"
#: The same in older scenes, on scorecards' tables.
_OLDER_ATTRIBUTE = "DosePrediction.ScorecardCompares"
#: In the place of the ID of a dose that is not in the scene any more.
GONE = "gone"


def compared_with(node: Any) -> str:
    """ID of the dose that a node's figures were compared with; `GONE` when it was removed, "" where there was none."""
    compared = node.GetNodeReference(COMPARED_ROLE)
    if compared is not None:
        return str(compared.GetID())
    compares = node.GetAttribute(COMPARES_ATTRIBUTE) or node.GetAttribute(_OLDER_ATTRIBUTE)
    return GONE if compares == "true" else ""


def remember_compared_with(node: Any, compared_id: str) -> None:
    """Note the dose that a node's figures were compared with, "" for none."""
    node.SetAttribute(COMPARES_ATTRIBUTE, str(bool(compared_id)).lower())
    node.SetNodeReferenceID(COMPARED_ROLE, compared_id or None)
