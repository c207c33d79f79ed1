"""One warning with its reason and its numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class ReviewWarning:
    """Something about a patient or a prediction that its reader should know.

    Attributes:
        id: the kind of warning, the same in every language and version ("hot-spot-outside-targets").
        text: one short sentence with the figure that matters.
        explanation: why it matters and what to do, one or two sentences.
        evidence: the figures that were looked at and the thresholds they were held against, by a name with its unit.
    """

    id: str
    text: str
    explanation: str
    evidence: Mapping[str, float | str] = field(default_factory=dict)

    @classmethod
    def from_dict(cls, entry: Mapping[str, Any]) -> ReviewWarning:
        """Read what ``dataclasses.asdict`` made of a warning (prediction.json)."""
        evidence = {str(key): value for key, value in dict(entry.get("evidence") or {}).items()}
        return cls(str(entry["id"]), str(entry["text"]), str(entry.get("explanation", "")), evidence)
