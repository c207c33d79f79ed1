"""What is known of a dose in the scene: what was measured in it, and in which contours. No Qt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from DosePredictionScene.contours_state import NOT_READ, UNCERTAIN, Contours, Touched
from DosePredictionScene.measured import Measured
from DosePredictionScene.measured_contours import KeptContours, completed


@dataclass(frozen=True)
class KnownDose:
    """The dose that was measured last, at hand for exports and for other goals.

    Attributes:
        node: None before any was measured.
        measured: the dose with its patient.
        structures: what the segments were taken for (`choices_digest`); "" when unknown.
        contours: what was drawn when it was measured.
    """

    node: Any = None
    measured: Measured | None = None
    structures: str = ""
    contours: Contours = NOT_READ


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
