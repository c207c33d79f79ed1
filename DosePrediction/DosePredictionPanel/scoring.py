"""The chosen prediction on the chosen scorecard, beside a dose as chosen now, without predicting again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import slicer
from DosePredictionScene.contours_state import Contours
from DosePredictionScene.measured import CLINICAL, COMPARED, Measured
from DosePredictionScene.owned_nodes import remove_owned
from DosePredictionScene.patient_from_nodes import reference_dose_in_pieces
from DosePredictionScene.pieces import Pieces, in_background, unless, while_in_scene
from DosePredictionScene.scorecard_table import TABLE_ROLE, update_scorecard_table
from DosePredictionScene.scored import Scored, scored_in_pieces
from DosePredictionScene.scored_with import ScoredWith, is_file, remember_scored_with, scored_with
from slicer.i18n import tr as _

from DosePredictionLib.dosimetry.scorecard_reading import find_scorecard
from DosePredictionPanel.comparison import compared_dose
from DosePredictionPanel.jobs import Jobs
from DosePredictionPanel.measured_structures import measured_contours_time, structures_digest
from DosePredictionPanel.parameters import Parameters


class Scoring:
    """Scores anew when the dose, its structures, the scorecard or the dose to compare with change.

    Args:
        jobs: does it.
        measured: gives the dose with its patient.
        contours: what was drawn when that was measured.
        busy: whether a prediction is under way.
        changed: called when the table shows what is chosen.
    """

    def __init__(
        self,
        jobs: Jobs,
        measured: Callable[[], Pieces[Measured]],
        contours: Callable[[], Contours],
        busy: Callable[[], bool],
        changed: Callable[[], None],
    ) -> None:
        self._jobs, self._measured, self._contours = jobs, measured, contours
        self._busy, self._changed = busy, changed
        self._dose: Any = None
        self._parameters: Parameters | None = None
        self._known: tuple[Any, ScoredWith, Contours, Scored] | None = None
        #: What the table shows.
        self._tabled: Scored | None = None
        #: What is being scored, or could not be: not to be tried again and again.
        self._asked: tuple[Any, ScoredWith, int] | None = None

    def forget(self) -> None:
        """The scene is gone, or the dose is another in the same node."""
        self._dose = self._parameters = self._known = self._tabled = self._asked = None

    def follow(self, parameters: Parameters, dose: Any) -> None:
        """Score a dose anew if what it was scored with is not what is chosen."""
        self._dose, self._parameters = dose, parameters
        if dose is None or self._busy():
            return
        before = scored_with(dose)
        if not parameters.scorecard:
            self._asked = None
            if before is not None:
                remove_owned(dose, TABLE_ROLE)
                self._changed()
            return
        wanted = self._wanted(parameters)
        if before is not None and not before.structures:  # a scene from before this was kept
            before = replace(before, structures=wanted.structures)
        if before is not None and before.card == wanted.card and is_file(wanted.card) and not wanted.file_time:
            return  # a scene from another computer: what it holds stays
        touched = measured_contours_time(dose, parameters)
        known = self._known_with(dose, wanted)
        touched_since = known is not None and (known[0].time != touched or known[1] is not self._tabled)
        if (before != wanted or touched_since) and self._asked != (dose, wanted, touched):
            self._asked = (dose, wanted, touched)
            self._jobs.add(unless(self._busy, self._shown(dose, wanted)), self._on_done)

    def in_pieces(self) -> Pieces[Scored | None]:
        """The dose on the chosen scorecard; None where none is chosen.

        Raises:
            InputError: the scorecard can't be read.
        """
        dose, parameters = self._dose, self._parameters
        if dose is None or parameters is None or not parameters.scorecard:
            return None
        wanted = self._wanted(parameters)
        known = self._known_with(dose, wanted) if scored_with(dose) == wanted else None
        if known is not None and known[0].time == measured_contours_time(dose, parameters):
            return known[1]
        scored = yield from self._scored(dose, wanted)
        return scored

    def _shown(self, dose: Any, wanted: ScoredWith) -> Pieces[bool]:
        if not self._is_chosen(dose, wanted):
            return False
        gone = _("The dose was removed while it was scored.")
        scored = yield from while_in_scene((dose,), self._scored(dose, wanted), gone)
        if not self._is_chosen(dose, wanted) or (scored is self._tabled and scored_with(dose) == wanted):
            return False
        update_scorecard_table(dose, scored)
        remember_scored_with(dose, wanted)
        self._tabled = scored
        return True

    def _scored(self, dose: Any, wanted: ScoredWith) -> Pieces[Scored]:
        """As before where contours were only touched since, as by saving a scene."""
        card = yield from in_background(find_scorecard, wanted.card)
        other = slicer.mrmlScene.GetNodeByID(wanted.compared_id) if wanted.compared_id else None
        assert self._parameters is not None
        label = CLINICAL if other is self._parameters.clinical_dose else COMPARED
        measured = yield from self._measured()
        contours, known = self._contours(), self._known_with(dose, wanted)
        if known is not None and known[0].are_drawn_as(contours):
            self._known = (dose, wanted, contours, known[1])
            return known[1]
        compared = None
        if other is not None:
            compared = yield from reference_dose_in_pieces(other)
        scored = yield from scored_in_pieces(card, measured.prediction, compared, label)
        if known is None and scored_with(dose) == wanted:  # a table that came with a scene
            self._tabled = scored
        self._known = (dose, wanted, contours, scored)
        return scored

    def _known_with(self, dose: Any, wanted: ScoredWith) -> tuple[Contours, Scored] | None:
        """What was drawn when a dose was scored with this, and what came of it; None where that is not known."""
        return None if self._known is None or self._known[:2] != (dose, wanted) else self._known[2:]

    def _on_done(self, done: bool) -> None:
        self._asked = None
        if done:
            self._changed()
        if self._parameters is not None:
            self.follow(self._parameters, self._dose)  # what was chosen while this was scored

    def _is_chosen(self, dose: Any, wanted: ScoredWith) -> bool:
        """Whether the choice is still the one that the work began for."""
        parameters = self._parameters
        if dose is not self._dose or parameters is None or not parameters.scorecard:
            return False
        return self._wanted(parameters) == wanted

    def _wanted(self, parameters: Parameters) -> ScoredWith:
        digest = structures_digest(self._dose, parameters)
        return ScoredWith.of(parameters.scorecard, compared_dose(parameters), digest)
