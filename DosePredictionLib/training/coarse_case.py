"""Training cases of half the resolution."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from DosePredictionLib.conditioning.channels import SCALARS
from DosePredictionLib.conditioning.grid import NOMINAL_SPACING_MM
from DosePredictionLib.patient.geometry import index3, vector3
from DosePredictionLib.training.augmentation import SMOOTH
from DosePredictionLib.training.case_cache import TrainingCase


def halved(case: TrainingCase) -> TrainingCase:
    """A case on a grid of half the resolution: means of eight voxels; a label is where it has half of them."""
    inputs = case.inputs
    z, y, x = (size // 2 * 2 for size in inputs.region.shape)

    def mean(arrays: np.ndarray) -> np.ndarray:
        eights = arrays[..., :z, :y, :x].astype(np.float32)
        eights = eights.reshape(*eights.shape[:-3], z // 2, 2, y // 2, 2, x // 2, 2)
        return np.asarray(eights.mean((-5, -3, -1)))

    channels, region = mean(inputs.channels), mean(inputs.region) >= 0.5
    for index, name in enumerate(inputs.names):
        if name == "prescription":  # its values are levels, which have no means
            channels[index] = inputs.channels[index, :z:2, :y:2, :x:2]
        elif name not in SMOOTH:
            channels[index] = channels[index] >= 0.5
    spacing = vector3(2 * size for size in inputs.geometry.spacing_mm)
    scalars = inputs.scalars.copy()
    for axis, name in enumerate(("spacing_x", "spacing_y", "spacing_z")):
        scalars[SCALARS.index(name)] = spacing[axis] / NOMINAL_SPACING_MM[axis] - 1.0
    geometry = replace(inputs.geometry, shape=index3(region.shape), spacing_mm=spacing)
    coarse = replace(inputs, channels=channels, scalars=scalars, region=region, geometry=geometry)
    return TrainingCase(case.identifier, coarse, mean(case.dose_gy) * region, case.digest)
