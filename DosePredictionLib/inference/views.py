"""How a patient is shown to a network whose samples are averaged.

A network errs differently on mirror images of a patient, and the physics of coplanar beams is the same in all of them,
so the mean over mirror images takes away some of the error for nothing but time (test-time augmentation, as the
entries of the OpenKBP challenge had it: Babier et al., Medical Physics 48, 2021).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from DosePredictionLib.conditioning.channels import ModelInput


@dataclass(frozen=True)
class View:
    """A patient as it lies, or mirrored left to right, head to feet, or both, then turned about the long axis.

    Attributes:
        mirrored: left to right.
        upside_down: mirrored head to feet.
        quarters: of a turn, with the beams.
        names_kept: paired organs of the mirrored patient keep their names (`ModelInput.mirrored`).
    """

    mirrored: bool
    upside_down: bool
    quarters: int = 0
    names_kept: bool = False

    @property
    def words(self) -> str:
        """How the patient lies, for people: "as it lies", "mirrored left to right and head to feet"."""
        mirrors = [name for name, on in (("left to right", self.mirrored), ("head to feet", self.upside_down)) if on]
        parts = [f"mirrored {' and '.join(mirrors)}"] if mirrors else []
        parts += [f"turned by {90 * self.quarters} degrees"] if self.quarters else []
        return ", ".join(parts) or "as it lies"

    def of(self, inputs: ModelInput) -> ModelInput:
        """The patient so seen."""
        if self.mirrored:
            inputs = inputs.mirrored(self.names_kept)
        if self.upside_down:
            inputs = inputs.upside_down()
        return inputs.quarter_turned(self.quarters) if self.quarters else inputs

    def moved(self, dose: np.ndarray) -> np.ndarray:
        """A dose (Z, Y, X) of the patient as it lies, laid onto the patient so seen."""
        dose = dose[:, :, ::-1] if self.mirrored else dose
        dose = dose[::-1] if self.upside_down else dose
        return np.rot90(dose, self.quarters, axes=(1, 2))

    def back(self, dose: np.ndarray) -> np.ndarray:
        """A dose (Z, Y, X) of the patient so seen, laid back onto the patient as it lies."""
        dose = np.rot90(dose, -self.quarters, axes=(1, 2))
        if self.mirrored:
            dose = dose[:, :, ::-1]
        return dose[::-1] if self.upside_down else dose


@dataclass(frozen=True)
class KnownViews:
    """Which views of patients weights were trained on, besides mirror images left to right.

    Attributes:
        upside_down: patients mirrored head to feet.
        quarter_turns: patients turned by quarters.
        names_kept: mirrored patients' paired organs kept their names.
    """

    upside_down: bool = False
    quarter_turns: bool = False
    names_kept: bool = False

    @classmethod
    def of_training(cls, training: Mapping[str, object]) -> KnownViews:
        """What a weights file's header says of its training."""
        return cls(
            bool(training.get("upside_down")), bool(training.get("quarter_turns")), bool(training.get("names_kept"))
        )

    def of_sample(self, index: int, samples: int) -> View:
        """Which view a sample sees: every second one the mirror image, every second pair the patient upside down.

        With quarter turns each sample is turned a quarter further than the one before, and sixteen samples see all the
        views there are.

        Args:
            index: of the sample, from 0.
            samples: in all; a single one sees the patient as it lies.
        """
        if samples == 1:
            return View(False, False)
        quarters, lap = (index % 4, index // 4) if self.quarter_turns else (0, 0)
        mirrored = (index + lap) % 2 == 1
        upside_down = self.upside_down and (index // 2 + lap // 2) % 2 == 1
        return View(mirrored, upside_down, quarters, self.names_kept and mirrored)
