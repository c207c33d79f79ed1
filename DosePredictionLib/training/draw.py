"""Augmented training examples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np
import torch
from torch import Tensor

from DosePredictionLib.conditioning.channels import OAR_CHANNELS, ModelInput
from DosePredictionLib.conditioning.dose_units import gy_per_unit, in_model_units
from DosePredictionLib.conditioning.padding import pad_to, padded_shape, random_place, window
from DosePredictionLib.diffusion.interpolation import draw_time
from DosePredictionLib.inference.views import View
from DosePredictionLib.patient.geometry import index3
from DosePredictionLib.training.augmentation import draw_turn, turned
from DosePredictionLib.training.case_cache import TrainingCase
from DosePredictionLib.training.config import TrainingConfig
from DosePredictionLib.training.losses import ScoredStructure, StructureDoses, structure_doses
from DosePredictionLib.training.stretching import draw_stretch, stretched


class Augmented(Protocol):
    """What `augmented` asks of a system."""

    optional_conditions: ClassVar[tuple[str, ...]]

    @property
    def drop(self) -> float:
        """Probability that each optional condition is left out of a draw."""


class Drawn(Augmented, Protocol):
    """What `draw_batch` asks of a system."""

    @property
    def pure_noise(self) -> float:
        """Share of the draws that start from pure noise."""


@dataclass(frozen=True)
class Batch:
    """Patients of one padded shape.

    Attributes:
        clean, region: (N, 1, Z, Y, X); dose in model units (zero dose -1, highest prescription +1).
        conditions: (N, C, Z, Y, X).
        time: (N,). scalars: (N, S).
        gy_per_unit: (N,) what one model unit is worth.
        noise_seed: of the noise, which is drawn on the device that trains.
        structures: the targets (one a prescription level) and organs.
        patients: as they were drawn, before they were cut and padded; none where nobody asked for them.
    """

    clean: Tensor
    region: Tensor
    conditions: Tensor
    time: Tensor
    scalars: Tensor
    gy_per_unit: Tensor
    noise_seed: int
    structures: StructureDoses
    patients: tuple[ModelInput, ...]


def augmented(case: TrainingCase, system: Augmented, config: TrainingConfig, rng: np.random.Generator) -> TrainingCase:
    """A case as a draw sees it: of another build (`rebuilt`), and lying otherwise (`laid`)."""
    return laid(rebuilt(case, config, rng), system, config, rng)


def rebuilt(case: TrainingCase, config: TrainingConfig, rng: np.random.Generator) -> TrainingCase:
    """A case stretched to another build with the configuration's probability (`stretching`).

    It takes the whole patient: distances to targets are measured anew.
    """
    # No random number where nobody is stretched: runs from before there was this are had again.
    stretch = draw_stretch(rng, config.stretch_probability, config.stretch) if config.stretch_probability > 0 else None
    return case if stretch is None else stretched(case, stretch)


def laid(case: TrainingCase, system: Augmented, config: TrainingConfig, rng: np.random.Generator) -> TrainingCase:
    """A case, or a slab of one, as it lies in a draw.

    - turned about the long axis and resampled (`augmentation.draw_turn`),
    - an optional condition left out with the system's probability,
    - mirrored left to right (beams too) half of the time; paired organs change names, or keep theirs as configured,
    - mirrored head to feet with the configuration's probability: no patient lies so, but the beams' physics is the
      same, and C3D, the winner of the OpenKBP challenge, mirrored its patients so,
    - turned by quarters about the long axis with the configuration's probability; the beams turn along.
    """
    turn = draw_turn(rng, config.turn_probability, config.turn_degrees, config.resize, config.beam_turn_share)
    if turn is not None:
        case = turned(case, turn)
    inputs = case.inputs
    for condition in system.optional_conditions:
        if rng.random() < system.drop:
            inputs = inputs.without(condition)
    mirrored, upside_down = rng.random() < 0.5, rng.random() < config.upside_down
    # No random number where nobody is turned so: runs from before there were quarter turns are had again.
    turns = config.quarter_turns > 0 and rng.random() < config.quarter_turns
    view = View(mirrored, upside_down, int(rng.integers(1, 4)) if turns else 0, config.names_kept)
    return TrainingCase(case.identifier, view.of(inputs), view.moved(case.dose_gy))


def draw_batch(
    cases: Sequence[TrainingCase],
    system: Drawn,
    config: TrainingConfig,
    multiple: int,
    seeds: Sequence[tuple[int, ...]],
    with_structures: bool = True,
    with_patients: bool = False,
) -> Batch:
    """Augment cases and lay each at a random place into the padded volume.

    The random place moves the network's halving grid over the anatomy. The volume is the smallest that holds all the
    cases in multiples of ``multiple``, or the configuration's canvas; what doesn't fit into a canvas is cut off at
    random. Everything random follows from ``seeds``, so a resumed run draws the same. Without ``with_structures``,
    which DVH terms need and which take a third of the time, the batch has none; ``with_patients`` it keeps the drawn
    patients, which take half as much memory again.
    """
    generators = [np.random.default_rng(seed) for seed in seeds]
    drawn = [augmented(case, system, config, rng) for case, rng in zip(cases, generators, strict=True)]
    largest = np.max([case.inputs.region.shape for case in drawn], axis=0)
    shape = config.canvas or padded_shape(tuple(int(size) for size in largest), multiple)
    units = [gy_per_unit(case.inputs) for case in drawn]
    clean, region, conditions, structures, doses = [], [], [], [], []
    for case, rng in zip(drawn, generators, strict=True):
        inputs, dose = cut(case.inputs, case.dose_gy, shape, rng)
        offset = random_place(inputs.region.shape, shape, rng)
        padded_dose = pad_to(dose.astype(np.float32), shape, offset)
        channels = inputs.padded_channels(shape, offset)
        clean.append(torch.from_numpy(in_model_units(padded_dose, inputs)))
        region.append(torch.from_numpy(pad_to(inputs.region, shape, offset)))
        conditions.append(torch.from_numpy(channels))
        structures.append(scored_structures(inputs, channels) if with_structures else ())
        doses.append(padded_dose)
    generator = torch.Generator().manual_seed(int(generators[0].integers(2**62)))
    return Batch(
        clean=torch.stack(clean)[:, None],
        region=torch.stack(region)[:, None],
        conditions=torch.stack(conditions),
        time=draw_time(len(drawn), system.pure_noise, generator),
        scalars=torch.from_numpy(np.stack([case.inputs.scalars for case in drawn])),
        gy_per_unit=torch.tensor(units, dtype=torch.float32),
        noise_seed=int(generators[0].integers(2**62)),
        structures=structure_doses(structures, doses, units),
        patients=tuple(case.inputs for case in drawn) if with_patients else (),
    )


def scored_structures(inputs: ModelInput, padded: np.ndarray) -> tuple[ScoredStructure, ...]:
    """The structures that the channels show: each prescription level's target, and the organs.

    Args:
        inputs: the augmented patient.
        padded: (C, Z, Y, X) its channels, padded.
    """
    volume_cc = inputs.geometry.voxel_volume_cc
    prescription = padded[inputs.names.index("prescription")]
    masks = [(prescription == level, True) for level in np.unique(prescription) if level > 0]
    masks += [(padded[inputs.names.index(organ)] > 0.5, False) for organ in OAR_CHANNELS if organ in inputs.names]
    return tuple(ScoredStructure(np.flatnonzero(mask), is_target, volume_cc) for mask, is_target in masks if mask.any())


def cut(
    inputs: ModelInput, dose: np.ndarray, shape: tuple[int, ...], rng: np.random.Generator
) -> tuple[ModelInput, np.ndarray]:
    """What fits into ``shape``, from a random place."""
    size = index3(np.minimum(inputs.region.shape, shape))
    if size == inputs.region.shape:
        return inputs, dose
    start = index3(random_place(size, inputs.region.shape, rng))
    return inputs.cropped(start, size), dose[window(size, start)]
