"""What holds for a whole plan, as numbers: technique, site, prescriptions, limits of the organs that are there."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from DosePredictionLib.conditioning.channels import OAR_CHANNELS, ModelInput

TECHNIQUES = ("IMRT", "VMAT")
#: Each with the names that data use for it.
SITES = (("head-and-neck",), ("thorax", "lung"))
PRESCRIPTION_LEVELS = 3
TYPICAL_PRESCRIPTION_GY = 70.0
#: Numbers that `plan_context` gives besides one for each organ of `OAR_CHANNELS`.
_OTHERS = len(TECHNIQUES) + len(SITES) + PRESCRIPTION_LEVELS
CONTEXT_LENGTH = _OTHERS + len(OAR_CHANNELS)


def plan_context(inputs: ModelInput, limits_gy: Mapping[str, float]) -> np.ndarray:
    """The plan's context, (`CONTEXT_LENGTH`,) float32; 0 stands for "unknown" and "not there" throughout.

    In this order: 1 for the technique and 1 for the site that it is (SBRT and other values count as unknown); the
    three highest prescriptions over 70 Gy, highest first; for each organ that the patient has, its limit over the
    highest prescription.

    Args:
        inputs: the conditioned patient, not yet padded.
        limits_gy: by the organ's name.
    """
    values = [float(inputs.technique == name) for name in TECHNIQUES] + [float(inputs.site in names) for names in SITES]
    channel = inputs.channel("prescription")
    levels = sorted((float(level) for level in np.unique(channel) if level > 0), reverse=True)[:PRESCRIPTION_LEVELS]
    prescribed = [level * inputs.prescription_gy / TYPICAL_PRESCRIPTION_GY for level in levels]
    values += prescribed + [0.0] * (PRESCRIPTION_LEVELS - len(prescribed))
    for organ in OAR_CHANNELS:
        there = organ in inputs.names and bool(inputs.channel(organ).any())
        values.append(limits_gy.get(organ, 0.0) / inputs.prescription_gy if there else 0.0)
    return np.array(values, dtype=np.float32)
