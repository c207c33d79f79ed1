"""Changing lines of goals. No Qt."""

from __future__ import annotations

from dataclasses import replace

from DosePredictionLib.dosimetry.goal_editing import GoalDraft
from DosePredictionLib.dosimetry.goal_reading import bundled_goal_names

#: The columns of the editor's table.
FIELDS = ("structure", "metric", "comparator", "limit", "unit", "tolerance", "priority", "fractions", "source")
#: What a limit was compared with its source by; changed, it is the source's no more.
FROM_SOURCE = FIELDS[:6] + ("fractions", "source")


def edited(draft: GoalDraft, line: int, field: str, text: str) -> GoalDraft:
    """A draft with one field changed; a changed limit no longer counts as compared with its source."""
    if getattr(draft.lines[line], field) == text:
        return draft
    changed = draft.with_line(line, **{field: text})
    return changed.with_line(line, checked=False) if field in FROM_SOURCE else changed


def own_draft(draft: GoalDraft) -> GoalDraft:
    """A draft under a name that is none of the bundled sets'."""
    return replace(draft, name=f"my-{draft.name}") if draft.name in bundled_goal_names() else draft
