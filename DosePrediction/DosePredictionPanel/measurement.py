"""The chosen prediction held against goals, for fractions and beside a dose as chosen now, without predicting again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from DosePredictionScene.measured import Measured, goal_set
from DosePredictionScene.measured_with import MeasuredWith, measured_with, remember_measured_with
from DosePredictionScene.pieces import Pieces, unless
from DosePredictionScene.prediction_request import Request
from DosePredictionScene.prediction_run import Shown
from DosePredictionScene.restored import measured_again_in_pieces, restored_in_pieces
from DosePredictionScene.scene_result import measures_updated_in_pieces
from slicer.i18n import tr as _

from DosePredictionPanel.comparison import compared_dose
from DosePredictionPanel.jobs import Jobs
from DosePredictionPanel.parameters import Parameters


class Measurement:
    """Measures anew when goals, the number of fractions or the dose to compare with change.

    Args:
        jobs: does it.
        tell: shows a sentence to the user.
        request, goals: give what is chosen.
        busy: whether a prediction is under way, which will be measured itself.
        changed: called when chart and table show what is chosen.
    """

    def __init__(
        self, jobs: Jobs, tell: Callable[[str], None], request: Callable[[], Request], goals: Callable[[], str],
        busy: Callable[[], bool], changed: Callable[[], None],
    ) -> None:  # fmt: skip
        self._jobs, self._tell, self._changed = jobs, tell, changed
        self._request, self._goals, self._busy = request, goals, busy
        self._dose: Any = None
        self._known: Measured | None = None
        self._known_dose: Any = None
        #: What is being measured, or could not be: not to be tried again and again.
        self._asked: tuple[Any, MeasuredWith] | None = None

    def take(self, shown: Shown) -> None:
        """A prediction has come, measured."""
        self._know(shown.nodes.dose, shown)
        self._asked = None

    def forget(self) -> None:
        """The scene is gone."""
        self._know(None, None)
        self._dose = self._asked = None

    def follow(self, parameters: Parameters, dose: Any) -> None:
        """Measure a dose anew if what it was measured with is not what is chosen."""
        self._dose = dose
        goals = self._goals()
        if dose is None or self._busy() or not goals or (goals.endswith(".json") and not Path(goals).is_file()):
            return
        wanted = self._wanted(parameters)
        before = measured_with(dose)
        if before is None:  # made by a script, which does not say
            remember_measured_with(dose, wanted)
        elif before != wanted and self._asked != (dose, wanted):
            self._begin(dose, wanted)

    def again(self, parameters: Parameters) -> None:
        """Measure anew though the goals' name is the same: what they ask for has changed."""
        if self._dose is not None and not self._busy():
            self._begin(self._dose, self._wanted(parameters))

    def in_pieces(self) -> Pieces[Measured]:
        """The dose as it was measured; after a scene was loaded, it is measured first."""
        if self._known is None or self._known_dose is not self._dose:
            self._tell(_("Measuring the dose of the scene..."))
            dose = self._dose
            self._know(dose, (yield from restored_in_pieces(self._request(), goal_set(self._goals()))))
        assert self._known is not None
        return self._known

    def _wanted(self, parameters: Parameters) -> MeasuredWith:
        return MeasuredWith.of(self._goals(), compared_dose(parameters), parameters.fractions)

    def _begin(self, dose: Any, wanted: MeasuredWith) -> None:
        self._asked = (dose, wanted)
        # A prediction that begins meanwhile would write to the same chart and table: it does the measuring itself.
        self._jobs.add(unless(self._busy, self._measured_anew(dose, wanted)), self._on_done)

    def _measured_anew(self, dose: Any, wanted: MeasuredWith) -> Pieces[bool]:
        if dose is not self._dose:
            return False  # another CT was chosen meanwhile
        request, goals = self._request(), goal_set(wanted.goals)
        if self._known is not None and self._known_dose is dose:
            measured = yield from measured_again_in_pieces(self._known, request, goals)
        else:
            measured = yield from restored_in_pieces(request, goals)
        yield from measures_updated_in_pieces(dose, measured)
        remember_measured_with(dose, wanted)
        self._know(dose, measured)
        return True

    def _on_done(self, done: bool) -> None:
        self._asked = None
        if done:
            self._changed()

    def _know(self, dose: Any, measured: Measured | None) -> None:
        self._known_dose, self._known = dose, measured
