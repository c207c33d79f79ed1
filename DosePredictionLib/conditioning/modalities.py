"""A patient's channels as modalities, each of which may be given or asked for."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from DosePredictionLib.conditioning.channels import OAR_CHANNELS, SCALARS, ModelInput
from DosePredictionLib.conditioning.distance import DEEPEST_MM, FARTHEST_MM

DOSE = "dose"
#: Modality to its channels, in the order of the slots; the dose is slot 0 and no channel of a patient.
MODALITY_CHANNELS: dict[str, tuple[str, ...]] = {
    DOSE: (DOSE,),
    "ct": ("ct",),
    "ptv": ("prescription", "distance_high", "distance_any"),
    "oar": OAR_CHANNELS,
    "body": ("region",),
    "beam": ("beams_high", "beams_any"),
    "angle": ("beams_angles",),
}
#: What a channel's values lie between; -1 and +1 in a modality. Channels that are not here are masks, from 0 to 1.
_RANGES = {
    "ct": (-1.0, 1.5),
    "distance_high": (DEEPEST_MM / 50.0, FARTHEST_MM / 50.0),
    "distance_any": (DEEPEST_MM / 50.0, FARTHEST_MM / 50.0),
    "beams_high": (0.0, 2.0),
    "beams_any": (0.0, 2.0),
}
#: Modalities that a patient may lack, and the scalar that tells.
_TOLD_BY = {"ct": "has_ct", "beam": "has_beams", "angle": "has_beams"}


def modalities_of(inputs: ModelInput) -> tuple[str, ...]:
    """The modalities of a conditioned patient, without the dose; those without their channels are missing."""
    return tuple(
        modality
        for modality, channels in MODALITY_CHANNELS.items()
        if modality != DOSE
        and set(channels) <= set(inputs.names)
        and (modality not in _TOLD_BY or inputs.scalars[SCALARS.index(_TOLD_BY[modality])] > 0)
    )


def modality_volume(modality: str, names: Sequence[str], channels: np.ndarray) -> np.ndarray:
    """A modality's channels, (C', Z, Y, X) float32 between about -1 and +1.

    Args:
        modality: any but the dose.
        names: of the channels.
        channels: (C, Z, Y, X).
    """
    chosen = [channels[list(names).index(name)] for name in MODALITY_CHANNELS[modality]]
    volume: np.ndarray = np.stack(chosen, dtype=np.float32)
    low, high = _limits(modality)
    volume -= low  # in place: for each sample this is done with all of a patient's channels
    volume /= high - low
    volume *= 2
    volume -= 1
    return volume


def channel_values(modality: str, volume: np.ndarray) -> np.ndarray:
    """The inverse of `modality_volume`, in the channels' own units; masks stay fractions."""
    low, high = _limits(modality)
    return (volume + 1) / 2 * (high - low) + low


def _limits(modality: str) -> tuple[np.ndarray, np.ndarray]:
    limits = [_RANGES.get(name, (0.0, 1.0)) for name in MODALITY_CHANNELS[modality]]
    low, high = np.array(limits, dtype=np.float32).T[..., None, None, None]
    return low, high
