"""Training examples of slice-wise systems: neighbouring slices of augmented patients."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from DosePredictionLib.conditioning.channels import ModelInput
from DosePredictionLib.conditioning.dose_units import gy_per_unit, in_model_units
from DosePredictionLib.conditioning.padding import pad_to, padded_shape, random_place
from DosePredictionLib.diffusion.interpolation import draw_time
from DosePredictionLib.patient.geometry import index3
from DosePredictionLib.systems.magdiff_adc import MagdiffAdcSystem
from DosePredictionLib.training.case_cache import TrainingCase
from DosePredictionLib.training.config import TrainingConfig
from DosePredictionLib.training.draw import cut, laid, rebuilt, scored_structures
from DosePredictionLib.training.losses import StructureDoses, structure_doses


@dataclass(frozen=True)
class SlabBatch:
    """Slabs of Z neighbouring slices, one a patient; M = N Z slices in all.

    Attributes:
        clean, region: (N, 1, Z, Y, X); dose in model units (zero dose -1, highest prescription +1).
        anatomy: (N, C, margin + Z + margin, Y, X), the slabs with their neighbours.
        time: (M,) whole steps of the noise process, of each slice by itself.
        scalars: (M, S).
        gy_per_unit: (N,) what one model unit is worth.
        noise_seed: of the noise, which is drawn on the device that trains.
        structures: the parts of targets and organs that lie in the slabs.
    """

    clean: Tensor
    region: Tensor
    anatomy: Tensor
    time: Tensor
    scalars: Tensor
    gy_per_unit: Tensor
    noise_seed: int
    structures: StructureDoses


def draw_slabs(
    cases: Sequence[TrainingCase],
    system: MagdiffAdcSystem,
    config: TrainingConfig,
    multiple: int,
    margin: int,
    seeds: Sequence[tuple[int, ...]],
) -> SlabBatch:
    """Augment a slab of each case and lay it at a random place into the padded plane.

    Every slice of a patient is drawn equally often, but for those near its ends. The plane is the smallest that holds
    all slabs in multiples of ``multiple``, or the configuration's canvas (whose slices don't matter here).

    Args:
        cases: the patients.
        system: whose noise process and conditions count.
        config: `TrainingConfig.slices` is Z; a patient with fewer is padded.
        multiple: of the plane's sizes.
        margin: slices beyond the slab on each side.
        seeds: of all random draws.
    """
    generators = [np.random.default_rng(seed) for seed in seeds]
    slabs = [
        _slab(rebuilt(case, config, rng), config.slices, margin, rng)
        for case, rng in zip(cases, generators, strict=True)
    ]
    # Cut before it is turned: turning is about the long axis, and a slab is cheaper to turn than a patient.
    drawn = [laid(slab, system, config, rng) for slab, rng in zip(slabs, generators, strict=True)]
    largest = np.max([case.inputs.region.shape[1:] for case in drawn], axis=0)
    plane = padded_shape(tuple(int(size) for size in largest), multiple)
    if config.canvas is not None:
        plane = config.canvas[1:]
    shape = (config.slices + 2 * margin, *plane)
    middle = slice(margin, margin + config.slices)
    units = [gy_per_unit(case.inputs) for case in drawn]
    clean, region, anatomy, structures, doses = [], [], [], [], []
    for case, rng in zip(drawn, generators, strict=True):
        inputs, dose = cut(case.inputs, case.dose_gy, shape, rng)
        offset = (0, *random_place(inputs.region.shape[1:], plane, rng))
        padded_dose = pad_to(dose.astype(np.float32), shape, offset)
        channels = inputs.padded_channels(shape, offset)
        clean.append(torch.from_numpy(in_model_units(padded_dose[middle], inputs)))
        region.append(torch.from_numpy(pad_to(inputs.region, shape, offset)[middle]))
        anatomy.append(torch.from_numpy(channels))
        structures.append(scored_structures(inputs, channels[:, middle]))
        doses.append(padded_dose[middle])
    generator = torch.Generator().manual_seed(int(generators[0].integers(2**62)))
    share = draw_time(len(drawn) * config.slices, system.pure_noise, generator)
    scalars = np.repeat(np.stack([case.inputs.scalars for case in drawn]), config.slices, axis=0)
    return SlabBatch(
        clean=torch.stack(clean)[:, None],
        region=torch.stack(region)[:, None],
        anatomy=torch.stack(anatomy),
        time=(share * system.noise_steps).ceil().clamp(min=1).long(),
        scalars=torch.from_numpy(scalars),
        gy_per_unit=torch.tensor(units, dtype=torch.float32),
        noise_seed=int(generators[0].integers(2**62)),
        structures=structure_doses(structures, doses, units),
    )


def _slab(case: TrainingCase, slices: int, margin: int, rng: np.random.Generator) -> TrainingCase:
    """A part of a patient with its margins, padded where the patient ends, so that what mirrors it moves the end."""
    layers, *plane = case.inputs.region.shape
    # Where the slab without its margins begins; before 0 when the patient has fewer slices.
    least, most = sorted((0, layers - slices))
    first = int(rng.integers(least, most + 1)) - margin
    shape = index3((slices + 2 * margin, *plane))
    low, high = max(0, first), min(layers, first + shape[0])
    part: ModelInput = case.inputs.cropped((low, 0, 0), index3((high - low, *plane)))
    if part.region.shape == shape:
        return TrainingCase(case.identifier, part, case.dose_gy[low:high])
    offset = (low - first, 0, 0)
    inputs = replace(
        part, channels=part.padded_channels(shape, offset), region=pad_to(part.region, shape, offset),
        geometry=case.inputs.geometry.cropped((first, 0, 0), shape),
    )  # fmt: skip
    return TrainingCase(case.identifier, inputs, pad_to(case.dose_gy[low:high], shape, offset))
