"""Planning goals as a table with coloured verdicts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from DosePredictionLib.dosimetry.comparison_tables import label_of
from DosePredictionLib.dosimetry.goals import GoalResult, Verdict, format_value
from DosePredictionScene.measured import CLINICAL
from DosePredictionScene.owned_nodes import owned_node
from DosePredictionScene.subject_hierarchy import item_of, place
from DosePredictionScene.table_columns import set_columns

TABLE_ROLE = "DosePrediction.GoalsTable"
#: Slicer's table view has no colours for cells, so the colour is a character; the word beside it says the same.
VERDICT_TEXT = {
    Verdict.PASS: "\N{LARGE GREEN CIRCLE} pass",
    Verdict.TOLERANCE: "\N{LARGE YELLOW CIRCLE} tolerance",
    Verdict.FAIL: "\N{LARGE RED CIRCLE} fail",
    Verdict.NOT_APPLICABLE: "\N{MEDIUM WHITE CIRCLE} not applicable",
}


def update_goals_table(
    dose_node: Any,
    results: Sequence[GoalResult],
    reference_results: Sequence[GoalResult] | None = None,
    reference_label: str = CLINICAL,
) -> Any:
    """The goals of a dose with what was found; an earlier table is updated.

    Args:
        dose_node: the dose, which owns the table.
        results: of the dose.
        reference_results: of a reference dose, goal by goal; two columns more.
        reference_label: heading of its column.

    Returns:
        The vtkMRMLTableNode, a line a goal.
    """
    table = owned_node(dose_node, TABLE_ROLE, "vtkMRMLTableNode", f"{dose_node.GetName()} goals")
    compared = {} if reference_results is None else _comparison(results, reference_results, reference_label)
    set_columns(
        table,
        {
            "Verdict": [VERDICT_TEXT[result.verdict] for result in results],
            "Structure": _structures(results, reference_results),
            "Goal": [_goal_text(result) for result in results],
            "Predicted": [result.shown_value for result in results],
            **compared,
            "Tolerance": [_limit(result, result.goal.tolerance) for result in results],
            "Priority": [str(result.goal.priority) for result in results],
            "Reason": [result.reason for result in results],
            "Source": [result.goal.source for result in results],
        },
    )
    place(table, item_of(dose_node))
    return table


def _structures(results: Sequence[GoalResult], reference: Sequence[GoalResult] | None) -> list[str]:
    """The structures judged; both where the better of two is another one for each dose."""
    if reference is None:
        return [result.structure_label for result in results]
    return [label_of(pair) for pair in zip(results, reference, strict=True)]


def _comparison(results: Sequence[GoalResult], reference: Sequence[GoalResult], label: str) -> dict[str, list[str]]:
    others, differences = [], []
    for result, other in zip(results, reference, strict=True):
        others.append(other.shown_value)
        difference = format_value(result.value - other.value, result.unit)
        differences.append(difference if difference.startswith("-") else f"+{difference}")
    return {label: others, "Difference": differences}


def _goal_text(result: GoalResult) -> str:
    text = f"{result.goal.metric.text} {result.goal.comparator} {_limit(result, result.goal.limit)}"
    return text if result.conversion is None else f"{text} (EQD2)"


def _limit(result: GoalResult, limit: float | None) -> str:
    return "" if limit is None else f"{limit:g} {result.unit}".strip()
