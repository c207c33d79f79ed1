"""What a user chooses for a prediction, and what is kept of it."""

from __future__ import annotations

import operator
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from DosePredictionLib.errors import InputError
from DosePredictionLib.intended_use import INTENDED_USE
from DosePredictionLib.review.review_warning import ReviewWarning


@dataclass(frozen=True)
class PredictionOptions:
    """Settings of one prediction.

    Attributes:
        samples: how many doses are drawn, every second one of the patient's mirror image; their mean is the
            prediction. None takes what the weights recommend.
        steps: denoiser calls a sample. None takes what the weights recommend.
        seed: of the noise.

    Raises:
        InputError: one of them is no whole number, or out of range.
    """

    samples: int | None = None
    steps: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        for name, least, most in (("samples", 1, 1000), ("steps", 1, 1000), ("seed", 0, 2**31 - 1)):
            given = getattr(self, name)
            if given is None and name != "seed":
                continue
            try:
                if isinstance(given, bool):
                    raise TypeError("a yes or no, which Python counts as 1 or 0")
                value = operator.index(given)  # NumPy's integers, too
            except TypeError:
                raise InputError(f"{name} is {given!r}; give a whole number from {least} to {most}.") from None
            if not least <= value <= most:
                raise InputError(f"{name} is {value}; give a number from {least} to {most}.")
            object.__setattr__(self, name, value)


@dataclass(frozen=True)
class Provenance:
    """Where a predicted dose came from, as prediction.json keeps it.

    Attributes:
        system, weights, weights_sha256: what predicted.
        companions: other weights that drew their share of the samples, each with its sha256.
        trained_on: one sentence from the weights' header.
        patient: the patient's identifier; never a person's name.
        ct_digest: which tells the CT from any other patient's; "" without a CT, or from a version that did not keep it.
        plan_digest: which tells the plan from any other (`plan_digest`); "" from a version that did not keep it.
        channels: the weights'; with ``unusual_percent`` what a review of another plan needs, see `review_prediction`.
        unusual_percent: mean uncertainty from which a prediction of these weights is less certain than usual.
        samples, steps, seed, device, device_name: how.
        views: how the patient lay in each sample: "as it lies", "mirrored left to right" ...
        seconds: wall-clock time by stage, and "total".
        versions: of the packages that matter.
        structures: matched structures, "name -> role [standard name, prescription]".
        warnings: what a careful physicist should know.
        review: the warnings about this prediction with reasons and figures; their texts stand in ``warnings`` too.
        uncertainty: what the standard deviation is worth; "not calibrated" or the patients it was calibrated on.
        dose_calibration, dose_calibration_sha256: file of the Adaptive Dose Calibration; empty when there was none.
        format: that the doses were written in by the command line ("nrrd", "openkbp" ...); "" elsewhere.
        dvh_band: the 68 % band of a dose-volume curve is this many standard deviations wide to each side.
        intended_use: always the same sentence.
    """

    system: str
    weights: str
    weights_sha256: str
    trained_on: str
    patient: str
    samples: int
    steps: int
    seed: int
    device: str
    device_name: str
    seconds: dict[str, float]
    versions: dict[str, str]
    structures: tuple[str, ...] = ()
    companions: tuple[str, ...] = ()
    views: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    review: tuple[ReviewWarning, ...] = ()
    uncertainty: str = "not calibrated"
    dvh_band: float = 1.0
    format: str = ""
    dose_calibration: str = ""
    dose_calibration_sha256: str = ""
    ct_digest: str = ""
    plan_digest: str = ""
    channels: tuple[str, ...] = ()
    unusual_percent: float | None = None
    intended_use: str = INTENDED_USE

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Provenance:
        """Read what ``dataclasses.asdict`` made of a provenance (prediction.json); unknown entries are left out."""
        known = {field.name: values[field.name] for field in fields(cls) if field.name in values}
        known["review"] = tuple(ReviewWarning.from_dict(entry) for entry in known.get("review", ()))
        for name in ("structures", "companions", "views", "warnings", "channels"):
            known[name] = tuple(known.get(name, ()))
        return cls(**known)
