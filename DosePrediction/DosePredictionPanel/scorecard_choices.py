"""Scorecards to choose from. No Qt."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from DosePredictionScene.file_time import file_time
from DosePredictionScene.scored_with import is_file
from slicer.i18n import tr as _

from DosePredictionLib.dosimetry.scorecard import Scorecard
from DosePredictionLib.dosimetry.scorecard_reading import bundled_scorecards, find_scorecard
from DosePredictionPanel.parameters import Parameters

#: Not a card: asks for a file.
FROM_FILE = "file"
#: Sites that the panel calls by another name than the bundled cards.
_SITES = {"lung": "thorax"}


@dataclass(frozen=True)
class ScorecardChoice:
    """A scorecard as a choice.

    Attributes:
        name: a bundled card's name, a file's path, "" for none, or `FROM_FILE`.
        title: what to show.
        tip: more of it.
    """

    name: str
    title: str
    tip: str


def scorecard_choices(parameters: Parameters) -> list[ScorecardChoice]:
    """None, the bundled cards, those for the plan's site first, the user's file if one is chosen, and another file."""
    bundled = {name: _bundled(name) for name in bundled_scorecards()}
    ordered = sorted(bundled, key=lambda name: _site(bundled[name]) != parameters.site)  # stable: by name
    choices = [ScorecardChoice("", _("None"), "")]
    for name in ordered:
        tip = _("{points:g} points at most. {creator}.").format(
            points=bundled[name].maximum, creator=bundled[name].creator
        )
        choices.append(ScorecardChoice(name, bundled[name].name, tip))
    chosen = parameters.scorecard
    if chosen and chosen not in bundled:
        title = Path(chosen).name
        there = is_file(chosen) and file_time(chosen)
        choices.append(
            ScorecardChoice(chosen, title if there else _("{name} (not found here)").format(name=title), chosen)
        )
    return [*choices, ScorecardChoice(FROM_FILE, _("From a file..."), _("A scorecard in PlanScoreCard's JSON format"))]


@cache
def _bundled(name: str) -> Scorecard:
    return find_scorecard(name)


def _site(card: Scorecard) -> str:
    """A card's site as the panel has it."""
    name = card.site.lower().replace(" ", "-")
    return _SITES.get(name, name)
