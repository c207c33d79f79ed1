"""What a user chooses for a prediction, and what is kept of it."""

from __future__ import annotations

from dataclasses import dataclass

from DosePredictionLib.errors import InputError


@dataclass(frozen=True)
class PredictionOptions:
    """Settings of one prediction.

    Attributes:
        samples: how many doses are drawn; their mean is the prediction. None takes what the weights recommend.
        steps: denoiser calls a sample. None takes what the weights recommend.
        seed: of the noise.
    """

    samples: int | None = None
    steps: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        for name, value in (("samples", self.samples), ("steps", self.steps)):
            if value is not None and not 1 <= value <= 1000:
                raise InputError(f"{name} is {value}; give a number from 1 to 1000.")
        if not 0 <= self.seed < 2**31:
            raise InputError(f"seed is {self.seed}; give a number from 0 to {2**31 - 1}.")


@dataclass(frozen=True)
class Provenance:
    """Where a predicted dose came from, as prediction.json keeps it.

    Attributes:
        system, weights, weights_sha256: what predicted.
        trained_on: one sentence from the weights' header.
        patient: the patient's identifier; never a person's name.
        samples, steps, seed, device, device_name: how.
        seconds: wall-clock time by stage, and "total".
        versions: of the packages that matter.
        structures: matched structures, "name -> role [standard name, prescription]".
        warnings: what a careful physicist should know.
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
    warnings: tuple[str, ...] = ()
    intended_use: str = "Research use, not for clinical decisions."
