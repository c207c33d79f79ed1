"""The chosen prediction held against goals, for fractions and beside a dose as chosen now, without predicting again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from DosePredictionScene.contours_state import NOT_READ, Contours, Touched
from DosePredictionScene.measured import Measured
from DosePredictionScene.measured_contours import measured_contours, remember_measured_contours
from DosePredictionScene.measured_with import MeasuredWith, measured_with, remember_measured_with
from DosePredictionScene.pieces import ChangedMeanwhile, Pieces, unless
from DosePredictionScene.predicted_plan import lost_structures
from DosePredictionScene.prediction_request import Request
from DosePredictionScene.prediction_run import Shown
from DosePredictionScene.restored import measured_again_in_pieces, restored_in_pieces
from DosePredictionScene.scene_result import measures_updated_in_pieces
from slicer.i18n import tr as _

from DosePredictionLib.dosimetry.goal_reading import goals_of, is_goals_file
from DosePredictionLib.errors import InputError
from DosePredictionPanel.comparison import compared_dose
from DosePredictionPanel.contours_of_doses import ContoursOfDoses
from DosePredictionPanel.jobs import Jobs
from DosePredictionPanel.known_dose import KnownDose
from DosePredictionPanel.measured_structures import (
    contours_of_patient,
    measured_contours_in_pieces,
    measured_contours_touched,
    structures_digest,
    unless_touched,
)
from DosePredictionPanel.parameters import Parameters


class Measurement:
    """Measures anew when goals, fractions, the dose to compare with, the contours or what they are taken for change.

    Args:
        jobs: does it.
        tell: shows a sentence to the user.
        request, goals: give what is chosen.
        busy: whether a prediction is under way, which will be measured itself.
        looked: called when that was looked at; with True when chart and table were made anew.
    """

    def __init__(
        self, jobs: Jobs, tell: Callable[[str], None], request: Callable[[], Request], goals: Callable[[], str],
        busy: Callable[[], bool], looked: Callable[[bool], None],
    ) -> None:  # fmt: skip
        self._jobs, self._tell, self._looked = jobs, tell, looked
        self._request, self._goals, self._busy = request, goals, busy
        self._dose: Any = None
        self._known = KnownDose()
        self.contours_of_doses = ContoursOfDoses()
        #: What is being measured, or could not be: not to be tried again and again.
        self._asked: tuple[Any, MeasuredWith, Touched] | None = None
        self._parameters: Parameters | None = None

    def take(self, shown: Shown) -> None:
        """A prediction has come, measured."""
        dose = shown.nodes.dose
        before = measured_with(dose)
        self._known = KnownDose(dose, shown, "" if before is None else before.structures, shown.contours)
        self.contours_of_doses.take(dose, shown.contours)
        self._asked = None

    def forget(self) -> None:
        """The scene is gone."""
        self._known = KnownDose()
        self.contours_of_doses.forget()
        self._dose = self._asked = self._parameters = None

    @property
    def contours(self) -> Contours:
        """What was drawn when the dose that is known was measured."""
        return self._known.contours

    def knows(self, measured: Measured) -> bool:
        """Whether this is still what is known: no new dose has come since it was given."""
        return measured is self._known.measured

    def follow(self, parameters: Parameters, dose: Any) -> None:
        """Measure a dose anew if what it was measured with is not what is chosen."""
        self._dose, self._parameters = dose, parameters
        goals = self._goals()
        if lost_structures(dose):
            return  # its figures stay as they were
        if dose is None:
            return
        touched = measured_contours_touched(dose, parameters)
        drawn = self.contours_of_doses.of_seen(dose, touched)
        if self._busy() or not goals or (is_goals_file(goals) and not Path(goals).is_file()):
            return
        wanted = self._wanted(parameters)
        before = measured_with(dose)
        if before is None:  # made by a script, which does not say
            remember_measured_with(dose, wanted)
            return
        if not before.structures:  # a scene from before this was kept
            before = replace(before, structures=wanted.structures)
        if not before.file_time:
            before = replace(before, file_time=wanted.file_time)
        touched_since = touched != (drawn.shown or NOT_READ).touched
        if (before != wanted or touched_since) and self._asked != (dose, wanted, touched):
            self._begin(dose, wanted, touched, if_drawn=before == wanted, name="measuring")

    def again(self, parameters: Parameters) -> None:
        """Measure anew though the goals' name is the same: what they ask for has changed."""
        if self._dose is not None and not self._busy() and not lost_structures(self._dose):
            self._begin(self._dose, self._wanted(parameters), measured_contours_touched(self._dose, parameters))

    def in_pieces(self) -> Pieces[Measured]:
        """The dose as it was measured; after a scene was loaded or a contour changed, it is measured first."""
        dose, parameters = self._dose, self._parameters
        known = self._known.measured_of(dose)
        touched = Touched() if parameters is None else measured_contours_touched(dose, parameters)
        if known is not None and touched == self.contours.touched:
            return known
        if name := lost_structures(dose):
            text = _(
                "The structures that this dose was predicted for ({name}) are not in the scene any more, so it "
                "cannot be measured; predict again."
            )
            raise InputError(text.format(name=name))
        # Before the first piece: another patient may be chosen meanwhile.
        request, goals, contours, before = self._request(), self._goals(), NOT_READ, self._known.measured
        structures = "" if parameters is None else self._wanted(parameters).structures
        if parameters is not None:
            contours = yield from measured_contours_in_pieces(dose, parameters, self.contours)
        if known is not None and self.knows(known) and contours.are_drawn_as(self.contours):
            self._known = replace(self._known, contours=contours)
            return known
        self._tell(_("Measuring the dose of the scene..."))
        measured = yield from restored_in_pieces(request, goals_of(goals))
        if self._known.node is dose and self._known.measured is not before:  # which is known, and must stay so
            raise ChangedMeanwhile(_("A new dose has come while the one before was measured; try again."))
        if parameters is not None:
            contours = contours_of_patient(dose, parameters, contours)
        self._known = KnownDose(dose, measured, structures, contours)
        self._tell(_("The dose of the scene is measured."))
        return measured

    def _wanted(self, parameters: Parameters) -> MeasuredWith:
        digest = structures_digest(self._dose, parameters)
        return MeasuredWith.of(self._goals(), compared_dose(parameters), parameters.fractions, digest)

    def _begin(
        self, dose: Any, wanted: MeasuredWith, touched: Touched, *, if_drawn: bool = False, name: str = ""
    ) -> None:
        self._asked = (dose, wanted, touched)
        # A prediction that begins meanwhile would write to the same chart and table: it does the measuring itself.
        work = unless(self._busy, self._measured_anew(dose, wanted, if_drawn))
        self._jobs.add(work, self._on_done, name=name)

    def _measured_anew(self, dose: Any, wanted: MeasuredWith, if_drawn: bool) -> Pieces[bool]:
        if not self._is_chosen(dose, wanted):
            return False
        assert self._parameters is not None
        work = self._measured_and_shown(dose, wanted, self._parameters, if_drawn)
        done = yield from unless_touched(dose, self._parameters, work)
        return done

    def _measured_and_shown(
        self, dose: Any, wanted: MeasuredWith, parameters: Parameters, if_drawn: bool
    ) -> Pieces[bool]:
        """Measure and show; with ``if_drawn`` only what was drawn since: saving a scene touches contours, too."""
        request, goals = self._request(), goals_of(wanted.goals)
        known = self._known.measured_of(dose)
        drawn = self.contours_of_doses.of_seen(dose, measured_contours_touched(dose, parameters))
        read = self.contours if known is not None else drawn.shown or NOT_READ
        contours = yield from measured_contours_in_pieces(dose, parameters, read)
        if not self._is_chosen(dose, wanted):
            return False
        as_known = known is not None and contours.are_drawn_as(self.contours)
        if drawn.shown is None:
            drawn.came_as(contours, measured_contours_touched(dose, parameters))
        if if_drawn and drawn.are_drawn_as(contours):
            drawn.shown = contours
            if measured_contours(dose) is None:  # an older scene: the next time it is loaded, this is known
                remember_measured_contours(dose, contours)
            self._known = replace(self._known, contours=contours) if as_known else self._known
            return False
        if as_known and self._known.structures == wanted.structures:
            assert self._known.measured is not None
            measured = yield from measured_again_in_pieces(self._known.measured, request, goals)
        else:
            measured = yield from restored_in_pieces(request, goals)
            contours = contours_of_patient(dose, parameters, contours)
        if not self._is_chosen(dose, wanted):
            return False
        yield from measures_updated_in_pieces(dose, measured)
        remember_measured_with(dose, wanted)
        remember_measured_contours(dose, contours)
        self._known = KnownDose(dose, measured, wanted.structures, contours)
        drawn.shown = contours
        return True

    def _on_done(self, done: bool) -> None:
        self._asked = None
        self._looked(done)
        if self._parameters is not None:
            self.follow(self._parameters, self._dose)  # what was chosen while this was measured

    def _is_chosen(self, dose: Any, wanted: MeasuredWith) -> bool:
        """Whether the choice is still the one that the work began for."""
        return dose is self._dose and self._parameters is not None and self._wanted(self._parameters) == wanted
