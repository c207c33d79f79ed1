"""What a dose earns on a scorecard, as a table in the scene: a line a template, and one for the total."""

from __future__ import annotations

import math
from typing import Any

from DosePredictionLib.dosimetry.scorecard_scoring import ScorecardResult, TemplateScore
from DosePredictionScene.owned_nodes import owned_node
from DosePredictionScene.scored import Scored
from DosePredictionScene.subject_hierarchy import item_of, place
from DosePredictionScene.table_columns import set_columns

TABLE_ROLE = "DosePrediction.ScorecardTable"
#: The last line's structure.
TOTAL = "Total"
#: In the place of figures of a line that was left out.
NONE = "-"


def update_scorecard_table(dose_node: Any, scored: Scored) -> Any:
    """The scorecard of a dose; an earlier table is updated.

    Args:
        dose_node: the dose, which owns the table.
        scored: it on its card, and the dose beside it.

    Returns:
        The vtkMRMLTableNode. Its remarks say why a line was left out, and in the last line what to mind.
    """
    table = owned_node(dose_node, TABLE_ROLE, "vtkMRMLTableNode", f"{dose_node.GetName()} scorecard")
    result, other = scored.predicted, scored.compared
    table.SetDescription(result.scorecard.name)
    compared = {}
    if other is not None:
        compared = {
            f"{scored.compared_label} value": [*(_value(row) for row in other.rows), _percent(other)],
            f"{scored.compared_label} points": [*(_points(row) for row in other.rows), f"{other.score:.1f}"],
            f"{scored.compared_label} maximum": [*(_maximum(row) for row in other.rows), f"{other.maximum:g}"],
        }
    set_columns(
        table,
        {
            "Structure": [*(row.structure_label for row in result.rows), TOTAL],
            "Metric": [*(row.template.text for row in result.rows), ""],
            "Value": [*(_value(row) for row in result.rows), _percent(result)],
            "Points": [*(_points(row) for row in result.rows), f"{result.score:.1f}"],
            "Maximum": [*(_maximum(row) for row in result.rows), f"{result.maximum:g}"],
            **compared,
            "Remark": [*(row.reason for row in result.rows), " ".join(result.remarks)],
            "Source": [*(row.template.comment for row in result.rows), ""],
        },
    )
    place(table, item_of(dose_node))
    return table


def _value(row: TemplateScore) -> str:
    if not row.counts:
        return NONE
    unit = row.template.unit
    return f"{row.value:.2f} {unit}" if unit else f"{row.value:.3f}"


def _points(row: TemplateScore) -> str:
    return f"{row.score:.1f}" if row.counts else NONE


def _maximum(row: TemplateScore) -> str:
    return f"{row.template.maximum:g}" if row.counts else NONE


def _percent(result: ScorecardResult) -> str:
    return NONE if math.isnan(result.percent) else f"{result.percent:.1f} %"
