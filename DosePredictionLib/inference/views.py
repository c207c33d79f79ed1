"""How a patient is shown to a network whose samples are averaged.

A network errs differently on mirror images of a patient, and the physics of coplanar beams is the same in all of them,
so the mean over mirror images takes away some of the error for nothing but time (test-time augmentation, as the
entries of the OpenKBP challenge had it: Babier et al., Medical Physics 48, 2021).
"""

from __future__ import annotations

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
    """

    mirrored: bool
    upside_down: bool
    quarters: int = 0

    def of(self, inputs: ModelInput) -> ModelInput:
        """The patient so seen."""
        if self.mirrored:
            inputs = inputs.mirrored()
        if self.upside_down:
            inputs = inputs.upside_down()
        return inputs.quarter_turned(self.quarters) if self.quarters else inputs

    def back(self, dose: np.ndarray) -> np.ndarray:
        """A dose (Z, Y, X) of the patient so seen, laid back onto the patient as it lies."""
        dose = np.rot90(dose, -self.quarters, axes=(1, 2))
        if self.mirrored:
            dose = dose[:, :, ::-1]
        return dose[::-1] if self.upside_down else dose


def view_of_sample(index: int, samples: int, upside_down: bool, quarter_turns: bool = False) -> View:
    """Which view a sample sees: every second one the mirror image, every second pair the patient upside down.

    With quarter turns each sample is turned a quarter further than the one before, and sixteen samples see all the
    views there are.

    Args:
        index: of the sample, from 0.
        samples: in all; a single one sees the patient as it lies.
        upside_down: the weights were trained on patients mirrored head to feet, too.
        quarter_turns: they were trained on patients turned by quarters, too.
    """
    if samples == 1:
        return View(False, False)
    if not quarter_turns:
        return View(index % 2 == 1, upside_down and index // 2 % 2 == 1)
    quarters, lap = index % 4, index // 4
    return View((quarters + lap) % 2 == 1, upside_down and (quarters // 2 + lap // 2) % 2 == 1, quarters)
