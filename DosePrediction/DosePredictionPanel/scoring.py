"""The chosen prediction on the chosen scorecard, beside a dose as chosen now, without predicting again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import slicer
from DosePredictionScene.contours_state import Contours, Touched
from DosePredictionScene.measured import CLINICAL, COMPARED
from DosePredictionScene.measured_contours import completed, measured_contours, remember_measured_contours
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
from DosePredictionPanel.measured_structures import (
    measured_contours_in_pieces,
    measured_contours_touched,
    structures_digest,
    unless_touched,
)
from DosePredictionPanel.measurement import Measurement
from DosePredictionPanel.parameters import Parameters


class Scoring:
    """Scores anew when the dose, its structures, the scorecard or the dose to compare with change.

    Args:
        jobs: does it.
        measurement: gives the dose with its patient, and what was drawn when it was measured.
        busy: whether a prediction is under way.
        changed: called when the table shows what is chosen.
    """

    def __init__(
        self,
        jobs: Jobs,
        measurement: Measurement,
        busy: Callable[[], bool],
        changed: Callable[[], None],
    ) -> None:
        self._jobs, self._measurement, self._busy, self._changed = jobs, measurement, busy, changed
        self._dose: Any = None
        self._parameters: Parameters | None = None
        self._known: tuple[Any, ScoredWith, Contours, Scored] | None = None
        #: What was drawn when a dose's table was made, by the dose's ID.
        self._shown: dict[str, Contours] = {}
        #: What is being scored, or could not be: not to be tried again and again.
        self._asked: tuple[Any, ScoredWith, Touched] | None = None

    def forget(self) -> None:
        """The scene is gone."""
        self._dose = self._parameters = self._known = self._asked = None
        self._shown.clear()

    def forget_dose(self, dose: Any) -> None:
        """The dose is another in the same node."""
        self._dose = self._parameters = self._known = self._asked = None
        self._shown.pop(dose.GetID(), None)

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
        if before == wanted and dose.GetID() not in self._shown:  # a table that came with a scene
            came = self._measurement.contours_of_doses.of(dose).came
            self._shown |= {} if came is None else {dose.GetID(): _scored_in(dose, came)}
        touched = measured_contours_touched(dose, parameters)
        touched_since = dose.GetID() in self._shown and self._shown[dose.GetID()].touched != touched
        if (before != wanted or touched_since) and self._asked != (dose, wanted, touched):
            self._asked = (dose, wanted, touched)
            work = unless(self._busy, self._scored_anew(dose, wanted, before == wanted))
            self._jobs.add(work, self._on_done, name="scoring")

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
        if known is not None and known[0].touched == measured_contours_touched(dose, parameters):
            return known[1]
        scored = yield from self._scored(dose, wanted)
        return scored

    def _scored_anew(self, dose: Any, wanted: ScoredWith, if_drawn: bool) -> Pieces[bool]:
        if not self._is_chosen(dose, wanted):
            return False
        assert self._parameters is not None
        work = self._scored_and_shown(dose, wanted, self._parameters, if_drawn)
        gone = _("The dose was removed while it was scored.")
        done = yield from while_in_scene((dose,), unless_touched(dose, self._parameters, work), gone)
        return done

    def _scored_and_shown(self, dose: Any, wanted: ScoredWith, parameters: Parameters, if_drawn: bool) -> Pieces[bool]:
        """Score and show; with ``if_drawn`` only what was drawn since: saving a scene touches contours, too."""
        shown, read = self._shown.get(dose.GetID()), self._measurement.contours_of_doses.of(dose).shown
        if if_drawn and shown is not None:
            contours = yield from measured_contours_in_pieces(dose, parameters, read or shown)
            if contours.are_drawn_as(shown):
                self._shown[dose.GetID()] = contours
                return False
        scored = yield from self._scored(dose, wanted)
        if self._known is None or not self._is_chosen(dose, wanted):
            return False
        update_scorecard_table(dose, scored)
        remember_scored_with(dose, wanted)
        remember_measured_contours(dose.GetNodeReference(TABLE_ROLE), self._known[2])
        self._shown[dose.GetID()] = self._known[2]
        return True

    def _scored(self, dose: Any, wanted: ScoredWith) -> Pieces[Scored]:
        """As before where contours were only touched since, as by saving a scene."""
        card = yield from in_background(find_scorecard, wanted.card)
        other = slicer.mrmlScene.GetNodeByID(wanted.compared_id) if wanted.compared_id else None
        assert self._parameters is not None
        label = CLINICAL if other is self._parameters.clinical_dose else COMPARED
        measured = yield from self._measurement.in_pieces()
        contours, known = self._measurement.contours, self._known_with(dose, wanted)
        if known is not None and known[0].are_drawn_as(contours):
            self._known = (dose, wanted, contours, known[1])
            return known[1]
        compared = None
        if other is not None:
            compared = yield from reference_dose_in_pieces(other)
        scored = yield from scored_in_pieces(card, measured.prediction, compared, label)
        self._known = (dose, wanted, contours, scored) if self._measurement.knows(measured) else None
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


def _scored_in(dose: Any, came: Contours) -> Contours:
    """What was drawn when a table that came with a scene was made: unless it says otherwise, what came with it.

    The dose may have been measured after that, and the scene been saved before it was scored.
    """
    kept = measured_contours(dose.GetNodeReference(TABLE_ROLE))
    scored_in = came if kept is None else completed(kept, came)
    return came if came.are_drawn_as(scored_in) else scored_in
