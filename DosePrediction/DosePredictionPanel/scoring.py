"""The chosen prediction on the chosen scorecard, beside a dose as chosen now, without predicting again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import slicer
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
from DosePredictionPanel.measured_structures import measured_contours, structures_digest
from DosePredictionPanel.parameters import Parameters


class Scoring:
    """Scores anew when the dose, its structures, the scorecard or the dose to compare with change.

    Args:
        jobs: does it.
        measured: gives the dose with its patient.
        busy: whether a prediction is under way.
        changed: called when the table shows what is chosen.
    """

    def __init__(
        self,
        jobs: Jobs,
        measured: Callable[[], Pieces[Measured]],
        busy: Callable[[], bool],
        changed: Callable[[], None],
    ) -> None:
        self._jobs, self._measured, self._busy, self._changed = jobs, measured, busy, changed
        self._dose: Any = None
        self._parameters: Parameters | None = None
        self._known: tuple[Any, ScoredWith, int, Scored] | None = None
        #: What is being scored, or could not be: not to be tried again and again.
        self._asked: tuple[Any, ScoredWith, int] | None = None

    def forget(self) -> None:
        """The scene is gone, or the dose is another in the same node."""
        self._dose = self._parameters = self._known = self._asked = None

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
        contours = measured_contours(dose, parameters)
        drawn_since = self._known is not None and self._known[:2] == (dose, wanted) and self._known[2] != contours
        if (before != wanted or drawn_since) and self._asked != (dose, wanted, contours):
            self._asked = (dose, wanted, contours)
            self._jobs.add(unless(self._busy, self._shown(dose, wanted)), self._on_done)

    def in_pieces(self) -> Pieces[Scored | None]:
        """The dose on the chosen scorecard; None where none is chosen.

        Raises:
            InputError: the scorecard can't be read.
        """
        dose, parameters = self._dose, self._parameters
        if dose is None or parameters is None or not parameters.scorecard:
            return None
        wanted, contours = self._wanted(parameters), measured_contours(dose, parameters)
        if self._known is None or self._known[:3] != (dose, wanted, contours) or scored_with(dose) != wanted:
            scored = yield from self._scored(wanted)
            self._known = (dose, wanted, contours, scored)
        return self._known[3]

    def _shown(self, dose: Any, wanted: ScoredWith) -> Pieces[bool]:
        if not self._is_chosen(dose, wanted):
            return False
        assert self._parameters is not None
        contours = measured_contours(dose, self._parameters)
        gone = _("The dose was removed while it was scored.")
        scored = yield from while_in_scene((dose,), self._scored(wanted), gone)
        if not self._is_chosen(dose, wanted):
            return False
        update_scorecard_table(dose, scored)
        remember_scored_with(dose, wanted)
        self._known = (dose, wanted, contours, scored)
        return True

    def _scored(self, wanted: ScoredWith) -> Pieces[Scored]:
        card = yield from in_background(find_scorecard, wanted.card)
        other = slicer.mrmlScene.GetNodeByID(wanted.compared_id) if wanted.compared_id else None
        assert self._parameters is not None
        label = CLINICAL if other is self._parameters.clinical_dose else COMPARED
        measured = yield from self._measured()
        compared = None
        if other is not None:
            compared = yield from reference_dose_in_pieces(other)
        scored = yield from scored_in_pieces(card, measured.prediction, compared, label)
        return scored

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
