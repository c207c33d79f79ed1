"""The constrained structures of training cases: made once, then moved with the patient by every augmentation."""

from __future__ import annotations

import threading
import weakref
from dataclasses import dataclass, replace

import numpy as np
import torch

from DosePredictionLib.conditioning.channels import ModelInput
from DosePredictionLib.dosimetry.goal import GoalSet
from DosePredictionLib.training.case_cache import TrainingCase
from DosePredictionLib.training.case_patient import patient_of
from DosePredictionLib.training.clinical_loss import PatientConstraint, StructureVoxels, constraints_for

#: Names of the channels that carry structures through augmentation.
PREFIX = "constrained_"
#: A voxel with less than this inside doesn't count.
LEAST_FRACTION = 0.01


@dataclass(frozen=True)
class CaseConstraints:
    """A patient's constraints and the structures that they are for.

    Attributes:
        constraints: see `PatientConstraint`.
        structures: on the grid of the case that they were made from.
    """

    constraints: tuple[PatientConstraint, ...]
    structures: tuple[StructureVoxels, ...]


class ConstraintMasks:
    """The constraints of every case that was asked for; rings and margins take seconds, so they are kept.

    They are kept for the case itself and as long as it lives, not for its name: the same patient at half the resolution
    has other voxels, and a training and a validation patient may share a name.

    Args:
        goals: the table.
    """

    def __init__(self, goals: GoalSet) -> None:
        self.goals = goals
        self._known: dict[int, tuple[weakref.ref[TrainingCase], CaseConstraints]] = {}
        self._making = threading.Lock()

    def of(self, case: TrainingCase) -> CaseConstraints:
        """A case's constraints; the case must not be augmented."""
        with self._making:
            place = id(case)  # of no other object while the case lives; when it goes, so does what is kept for it
            kept = self._known.get(place)
            if kept is None or kept[0]() is not case:
                going = weakref.ref(case, lambda _: self._known.pop(place, None))
                kept = self._known[place] = going, self._made(case)
            return kept[1]

    def _made(self, case: TrainingCase) -> CaseConstraints:
        geometry = case.inputs.geometry
        constraints, structures = constraints_for(patient_of(case.inputs, case.identifier), self.goals)
        rows = []
        for structure in structures:
            fractions = structure.mask.on_grid(geometry).array.astype(np.float32).reshape(-1)
            rows.append(structure_voxels(fractions, geometry.voxel_volume_cc))
        return CaseConstraints(tuple(constraints), tuple(rows))

    def carried_by(self, case: TrainingCase, count: int) -> TrainingCase:
        """The case with ``count`` channels more, the first of which hold its structures' fractions."""
        shape = case.inputs.region.shape
        masks = np.zeros((count, int(np.prod(shape))), dtype=np.float16)
        for mask, one in zip(masks, self.of(case).structures, strict=False):
            mask[one.voxels.numpy()] = one.fractions.numpy()
        inputs: ModelInput = case.inputs
        names = (*inputs.names, *(f"{PREFIX}{number}" for number in range(count)))
        channels = np.concatenate([inputs.channels, masks.reshape(count, *shape)])
        return TrainingCase(case.identifier, replace(inputs, names=names, channels=channels), case.dose_gy)


def structure_voxels(fractions: np.ndarray, voxel_cc: float) -> StructureVoxels:
    """The voxels of a flattened mask of fractions."""
    places = np.flatnonzero(fractions > LEAST_FRACTION)
    inside = fractions[places].astype(np.float32)
    return StructureVoxels(torch.from_numpy(places), torch.from_numpy(inside), voxel_cc)
