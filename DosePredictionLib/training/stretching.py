"""Patients of other builds: stretched along the three axes, each place of an axis by its own factor."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from DosePredictionLib.conditioning.distance import signed_distance
from DosePredictionLib.patient.geometry import Geometry
from DosePredictionLib.training.augmentation import SMOOTH
from DosePredictionLib.training.case_cache import TrainingCase

#: A place is stretched or squeezed by no more than this factor.
MOST = 1.3
#: Waves along an axis beside its constant factor: half a cosine over it, and a whole one.
WAVES = 2


@dataclass(frozen=True)
class Stretch:
    """How a patient is stretched.

    Attributes:
        logarithms: (3, 1 + WAVES), one row an axis (z, y, x): the logarithm of the factor at a place, as cosines over
            the axis, the first of them the constant.
    """

    logarithms: np.ndarray

    def factors(self, axis: int, size: int) -> np.ndarray:
        """The factor of each of an axis' ``size`` voxels."""
        place = (np.arange(size) + 0.5) / size
        waves = np.stack([np.cos(np.pi * wave * place) for wave in range(1 + WAVES)])
        return np.exp(np.clip(self.logarithms[axis] @ waves, -np.log(MOST), np.log(MOST)))


def draw_stretch(rng: np.random.Generator, probability: float, widest: float) -> Stretch | None:
    """A random stretch, or None with probability ``1 - probability``.

    Args:
        rng: source of randomness.
        probability: of a stretch.
        widest: standard deviation of the factor's logarithm over places and draws.
    """
    if rng.random() >= probability:
        return None
    # A cosine's square is one half on average: the constant has one part of the variance, the waves have the rest.
    shares = np.array([1.0] + [2.0] * WAVES) / (1 + WAVES)
    return Stretch(rng.normal(size=(3, 1 + WAVES)) * widest * np.sqrt(shares))


def stretched(case: TrainingCase, stretch: Stretch) -> TrainingCase:
    """The case as a patient of another build, on voxels of the same size.

    Dose, CT and beam channels are interpolated by cubic convolution, labels take their nearest voxel, distances are
    measured anew. The dose is carried along as it is: what more or less tissue on its way would take off it or add to
    it is left out, and straight beams bend by small angles. So wide stretches teach physics that is not there.
    """
    inputs = case.inputs
    places = [_places(stretch.factors(axis, size)) for axis, size in enumerate(inputs.region.shape)]
    nearest = np.ix_(*(np.rint(where).astype(int) for where in places))
    matrices = [_cubic(where, size) for where, size in zip(places, inputs.region.shape, strict=True)]

    def interpolated(array: np.ndarray) -> np.ndarray:
        whole = np.asarray(array, dtype=np.float32)
        for axis, matrix in enumerate(matrices):
            whole = np.moveaxis(np.tensordot(matrix, whole, axes=(1, axis)), 0, axis)
        # Cubic convolution swings beyond what it interpolates beside steep falls.
        return np.clip(whole, array.min(), array.max())

    region = inputs.region[nearest]
    channels = np.zeros((len(inputs.names), *region.shape), dtype=np.float32)
    spacing_mm = inputs.geometry.spacing_mm
    prescription = inputs.channel("prescription")[nearest]
    for index, name in enumerate(inputs.names):
        if name in ("distance_high", "distance_any"):
            target = prescription >= (1.0 - 1e-3 if name == "distance_high" else 1e-3)
            channels[index] = signed_distance(target, spacing_mm)
        elif name in SMOOTH:
            if inputs.channels[index].any():
                channels[index] = interpolated(inputs.channels[index]) * region
        else:
            channels[index] = inputs.channels[index][nearest]
    layers, height, width = region.shape
    geometry = Geometry((layers, height, width), spacing_mm, inputs.geometry.origin_mm, inputs.geometry.direction)
    return TrainingCase(
        case.identifier, replace(inputs, channels=channels, region=region, geometry=geometry),
        interpolated(case.dose_gy) * region,
    )  # fmt: skip


def _places(factors: np.ndarray) -> np.ndarray:
    """Where the new voxels lie on the old axis, in old voxels; the first one stays."""
    # From voxel to voxel by the mean of both factors.
    new_of_old = np.concatenate([[0.0], np.cumsum((factors[1:] + factors[:-1]) / 2)])
    return np.interp(np.arange(int(new_of_old[-1]) + 1), new_of_old, np.arange(len(factors)))


def _cubic(places: np.ndarray, size: int) -> np.ndarray:
    """(new, old) matrix of cubic convolution (Keys, 1981, a = -1/2); beyond the ends there is zero."""
    away = np.abs(places[:, None] - np.arange(size)[None])
    near = 1.5 * away**3 - 2.5 * away**2 + 1
    far = -0.5 * away**3 + 2.5 * away**2 - 4 * away + 2
    return np.where(away <= 1, near, np.where(away < 2, far, 0.0)).astype(np.float32)
