"""Whom the weights that a run starts from were trained on, and whether it is validated on patients it has seen."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from DosePredictionLib.inference.patients_seen import PatientsSeen
from DosePredictionLib.inference.shipped_weights import default_weights
from DosePredictionLib.inference.weights_header import read_weights_header
from DosePredictionLib.training.case_cache import TrainingCase
from DosePredictionLib.training.config import TrainingConfig

CALIBRATION = "calibration"


def patients_before(config: TrainingConfig) -> PatientsSeen:
    """Whom a run's weights were trained on before its first step.

    Of a published backbone's folder nobody is counted: those are no patients with a dose.
    """
    source = None if config.from_weights is None else Path(config.from_weights)
    if source is None and config.stage == CALIBRATION:
        source = default_weights(config.system)  # what is calibrated, if the configuration names nothing else
    if source is None or not source.is_file():
        return PatientsSeen()
    return PatientsSeen.of_header(read_weights_header(source).training)


def told_of_overlap(seen: PatientsSeen, validation: Sequence[TrainingCase]) -> str:
    """A sentence on the validation patients that were trained on; empty when there are none."""
    known = [case.identifier for case in validation if seen.knows(case.digest)]
    if not known:
        return ""
    names = ", ".join(known[:5]) + (" ..." if len(known) > 5 else "")
    return (
        f"{len(known)} of the {len(validation)} validation patients are among the training patients ({names}): what is "
        "validated on them doesn't hold for new patients."
    )
