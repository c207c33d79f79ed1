"""The contours that the scene's doses came with, and those that their charts and tables were made in. No Qt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from DosePredictionScene.contours_state import UNCERTAIN, Contours, Touched
from DosePredictionScene.measured_contours import KeptContours, completed, measured_contours


@dataclass
class ContoursOfDose:
    """What was drawn when a dose came, with a scene or as a prediction, and when its chart and tables were made.

    Attributes:
        touched: how it was touched when the dose was seen first.
        kept: what the scene says of it (`measured_contours`); None where it says nothing.
        came: what was drawn when it came; None where it has not been read yet.
        shown: what its chart and tables are of; None where that is not known (yet).
    """

    touched: Touched = Touched()
    kept: KeptContours | None = None
    came: Contours | None = None
    shown: Contours | None = None

    @classmethod
    def of_prediction(cls, contours: Contours) -> ContoursOfDose:
        """Of a dose that was measured in these before it came."""
        return cls(contours.touched, came=contours, shown=contours)

    def came_as(self, contours: Contours, now: Touched) -> None:
        """These are the ones that came with the dose's scene, unless that says otherwise.

        Where it says nothing, they are unless they were drawn on since the dose was seen.

        Args:
            contours: as they were read first.
            now: their touch after that.
        """
        came = contours if contours.touched == now == self.touched else UNCERTAIN
        if self.kept is not None:
            kept = completed(self.kept, came)
            came = contours if contours.are_drawn_as(kept) else kept
        self.came = came

    def are_drawn_as(self, contours: Contours) -> bool:
        """Whether chart and tables are of these: those of a dose that came with a scene fit what came with it."""
        measured_in = self.shown or self.came
        return measured_in is not None and contours.are_drawn_as(measured_in)


class ContoursOfDoses:
    """What was drawn when doses came, and when their charts and tables were made, as far as that is known."""

    def __init__(self) -> None:
        self._of_id: dict[str, ContoursOfDose] = {}

    def take(self, dose: Any, contours: Contours) -> None:
        """A prediction has come that was measured in these contours."""
        self._of_id[dose.GetID()] = ContoursOfDose.of_prediction(contours)

    def of(self, dose: Any) -> ContoursOfDose:
        """Of a dose that may never have been seen."""
        return self._of_id.get(dose.GetID()) or ContoursOfDose()

    def of_seen(self, dose: Any, touched: Touched) -> ContoursOfDose:
        """Of a dose that is seen now, with the last touch of its contours, whether for the first time or again."""
        if dose.GetID() not in self._of_id:
            self._of_id[dose.GetID()] = ContoursOfDose(touched, measured_contours(dose))
        return self._of_id[dose.GetID()]

    def forget(self) -> None:
        """The scene is gone."""
        self._of_id.clear()
