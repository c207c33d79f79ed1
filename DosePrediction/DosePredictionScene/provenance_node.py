"""How a predicted dose was made, kept beside it in the scene."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from DosePredictionLib.inference.options import Provenance
from DosePredictionScene.dose_node import INTENDED_USE
from DosePredictionScene.owned_nodes import owned_node
from DosePredictionScene.subject_hierarchy import item_of, place

PROVENANCE_ROLE = "DosePrediction.Provenance"


def update_provenance(dose_node: Any, provenance: Provenance) -> Any:
    """A vtkMRMLTextNode with what prediction.json holds; an earlier one is updated."""
    node = owned_node(dose_node, PROVENANCE_ROLE, "vtkMRMLTextNode", f"{dose_node.GetName()} provenance")
    node.SetText(json.dumps(asdict(provenance), indent=2))
    node.SetDescription(INTENDED_USE)
    place(node, item_of(dose_node))
    return node


def provenance_of(dose_node: Any) -> Provenance | None:
    """How a dose was made; None where the scene doesn't say."""
    node = None if dose_node is None else dose_node.GetNodeReference(PROVENANCE_ROLE)
    try:
        return None if node is None else Provenance.from_dict(json.loads(node.GetText()))
    except (AttributeError, KeyError, ValueError, TypeError):
        return None
