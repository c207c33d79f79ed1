"""What a worker's client reports."""

from __future__ import annotations

from dataclasses import dataclass

from DosePredictionLib.inference.options import Provenance
from DosePredictionLib.inference.progress import Progress
from DosePredictionLib.patient.volume import Volume


@dataclass(frozen=True, kw_only=True)
class OfRequest:
    """What all events tell.

    Attributes:
        request: number of the prediction, as `submit` gave it; None where it is about the process as a whole.
    """

    request: int | None = None

    def concerns(self, number: int | None) -> bool:
        """Whether it is news for whoever waits for the prediction ``number``: its own, or about the process."""
        return self.request is None or self.request == number


@dataclass(frozen=True)
class Ready(OfRequest):
    """The process has its weights and waits. ``device``: where it computes."""

    device: str


@dataclass(frozen=True)
class Advanced(OfRequest):
    """A prediction has come so far."""

    progress: Progress


@dataclass(frozen=True)
class Told(OfRequest):
    """A sentence for the user, such as the fall back from a full GPU to the processor."""

    text: str


@dataclass(frozen=True)
class Finished(OfRequest):
    """A prediction is done. Dose, standard deviation and dose before its calibration in Gy on the patient's grid."""

    dose: Volume
    dose_std: Volume | None
    provenance: Provenance
    uncalibrated: Volume | None = None


@dataclass(frozen=True)
class Failed(OfRequest):
    """A prediction failed.

    Attributes:
        text: why.
        by_input: whether the user can mend it as ``text`` says; otherwise it is a fault.
        for_all: whether no patient can be predicted with this model on this device.
    """

    text: str
    by_input: bool
    for_all: bool = False


@dataclass(frozen=True)
class Stopped(OfRequest):
    """A prediction was cancelled."""


Event = Ready | Advanced | Told | Finished | Failed | Stopped
#: After one of these the request is over.
FINAL_EVENTS = (Finished, Failed, Stopped)
