"""Planning constraints as a loss: the clinical term of ADDiff-Dose (Xie et al., section 2.3, L_cond)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from DosePredictionLib.dosimetry.goal import Goal, GoalSet
from DosePredictionLib.dosimetry.goal_fractions import GoalForPlan, goals_for_fractions
from DosePredictionLib.dosimetry.metric import Metric, MetricKind
from DosePredictionLib.dosimetry.structure_expression import EACH, NotThereError, structures_named
from DosePredictionLib.patient.patient import Patient
from DosePredictionLib.patient.structure import Structure, StructureRole

#: Weights by the goals' priority. The paper's are "set by radiation oncologists" and not told.
PRIORITY_WEIGHTS = {1: 1.0, 2: 0.5, 3: 0.1}


@dataclass(frozen=True)
class Softness:
    """How far hard figures are smeared, so that they have a gradient.

    Attributes:
        dose_gy: width of the logistic step at a V's dose, and the temperature of the maximum.
        volume: standard deviation, as a part of the structure, of the volumes that a D is averaged over.
    """

    dose_gy: float
    volume: float


#: Of the loss: half a Gy moves a V by what lies near its dose; a D95% looks at about 94 to 96 %.
SOFT = Softness(0.5, 0.01)
#: Nearly none, to judge with.
HARD = Softness(1e-3, 1e-4)


@dataclass(frozen=True)
class Constraint:
    """A goal for the structures of one patient.

    Attributes:
        goal: its metric, comparator and limit.
        prescription_gy: what %Rx refers to.
        weight: in the loss.
        structures: numbers of the structures that it is for; of several, the one that comes off best counts.
    """

    goal: Goal
    prescription_gy: float
    weight: float
    structures: tuple[int, ...]


@dataclass(frozen=True)
class StructureVoxels:
    """One structure on a dose grid.

    Attributes:
        voxels: (n,) flat places.
        fractions: (n,) part of each voxel that lies inside, above 0.
        voxel_cc: a voxel's volume.
    """

    voxels: Tensor
    fractions: Tensor
    voxel_cc: float


def constraints_of(patient: Patient, goals: GoalSet) -> tuple[list[Constraint], list[Structure]]:
    """The goals that a patient has the structures for, and these structures; derived ones are made.

    Goals are taken as their source has them; whether the plan has the set's fractions isn't asked.
    """
    constraints: list[Constraint] = []
    structures: list[Structure] = []
    places: dict[str, list[int]] = {}
    for entry in goals_for_fractions(goals, None):
        if not isinstance(entry, GoalForPlan) or entry.goal.metric.kind not in _MEASURES:
            continue
        goal = entry.goal
        if goal.structure not in places:
            try:
                found = [one for one in structures_named(goal.structure, patient) if one.mask.array.any()]
            except NotThereError:
                found = []
            places[goal.structure] = list(range(len(structures), len(structures) + len(found)))
            structures += found
        numbers = places[goal.structure]
        several = goal.structure.lower().startswith(EACH)
        for some in [(number,) for number in numbers] if several else [tuple(numbers)] if numbers else []:
            one = structures[some[0]]
            own = one.prescription_gy if one.role is StructureRole.TARGET or one.prescription_gy else None
            prescribed = own or patient.prescription_gy
            if prescribed or not goal.metric.needs_prescription:
                weight = PRIORITY_WEIGHTS.get(goal.priority, min(PRIORITY_WEIGHTS.values()))
                constraints.append(Constraint(goal, prescribed, weight, some))
    return constraints, structures


def clinical_loss(dose_gy: Tensor, constraints: Sequence[Constraint], structures: Sequence[StructureVoxels]) -> Tensor:
    """The weighted sum of all constraints' squared violations.

    As the paper has them: doses beyond their limit count relative to it, volumes by the difference of the parts of the
    structure (its formula for V20: the part of the lung minus 0.30); structures that a patient lacks count nothing.
    Where it can't be followed: hard volumes and percentiles have no gradient, or that of one voxel, so soft ones stand in
    for them (`SOFT`); its Dmax formula, max(D - M) over the threshold, is read as the maximum in the structure
    over the limit.

    Args:
        dose_gy: of the whole volume, any shape, float32.
        constraints, structures: of the patient; ``structures`` in the order of their numbers, on the dose's grid.
    """
    total = dose_gy.new_zeros(())
    flat = dose_gy.reshape(-1)
    for constraint in constraints:
        total = total + constraint.weight * _violation(flat, constraint, structures, SOFT).square()
    return total


def missed_percent(
    dose_gy: Tensor, constraints: Sequence[Constraint], structures: Sequence[StructureVoxels]
) -> float:
    """How many of the constraints a dose doesn't meet, %; NaN when there is none."""
    if not constraints:
        return float("nan")
    flat = dose_gy.reshape(-1)
    missed = [float(_violation(flat, constraint, structures, HARD)) > 1e-4 for constraint in constraints]
    return 100.0 * sum(missed) / len(missed)


def _violation(
    flat: Tensor, constraint: Constraint, structures: Sequence[StructureVoxels], softness: Softness
) -> Tensor:
    """How far beyond its limit a constraint is, relative to the limit (volumes: as a part of the structure); 0 if met."""
    goal, found = constraint.goal, []
    for number in constraint.structures:
        one = structures[number]
        value = measured(flat[one.voxels], one, goal.metric, constraint.prescription_gy, softness)
        beyond = value - goal.limit if goal.is_upper_limit else goal.limit - value
        scale = 100.0 if goal.unit == "%" else max(goal.limit, 1e-6)
        found.append(torch.relu(beyond / scale))
    return torch.stack(found).min()


def measured(
    doses_gy: Tensor, structure: StructureVoxels, metric: Metric, prescription_gy: float, softness: Softness
) -> Tensor:
    """A structure's metric in the metric's unit, with a gradient to every dose that it looks at.

    Args:
        doses_gy: (n,) at the structure's voxels.
        structure: its voxels.
        metric: Dmax, Dmin, Dmean, D at a volume or V at a dose.
        prescription_gy: for %Rx.
        softness: see `Softness`.
    """
    fractions = structure.fractions
    if metric.kind is MetricKind.VOLUME_AT_DOSE:
        amount = metric.amount or 0.0
        threshold = amount if metric.amount_unit == "Gy" else amount * prescription_gy / 100.0
        inside = soft_volume(doses_gy, fractions, threshold, softness.dose_gy)
        return inside * (100.0 if metric.unit == "%" else float(fractions.sum()) * structure.voxel_cc)
    if metric.kind is MetricKind.DOSE_AT_VOLUME:
        amount = metric.amount or 0.0
        if metric.amount_unit == "cc":
            hottest = min(1.0, amount / max(float(fractions.sum()) * structure.voxel_cc, 1e-9))
        else:
            hottest = amount / 100.0
        value = soft_quantile(doses_gy, fractions, 1.0 - hottest, softness.volume)
    elif metric.kind is MetricKind.MEAN_DOSE:
        value = (doses_gy * fractions).sum() / fractions.sum()
    elif metric.kind is MetricKind.MAXIMUM_DOSE:
        value = soft_maximum(doses_gy, softness.dose_gy)
    else:
        value = -soft_maximum(-doses_gy, softness.dose_gy)
    return value if metric.unit == "Gy" else 100.0 * value / prescription_gy


_MEASURES = (
    MetricKind.DOSE_AT_VOLUME, MetricKind.VOLUME_AT_DOSE, MetricKind.MEAN_DOSE, MetricKind.MAXIMUM_DOSE,
    MetricKind.MINIMUM_DOSE,
)  # fmt: skip


def soft_volume(doses_gy: Tensor, fractions: Tensor, threshold_gy: float, width_gy: float) -> Tensor:
    """The part of a structure, 0 to 1, that gets at least a dose; each voxel counts by a logistic step there."""
    return (torch.sigmoid((doses_gy - threshold_gy) / width_gy) * fractions).sum() / fractions.sum()


def soft_quantile(doses_gy: Tensor, fractions: Tensor, part: float, width: float) -> Tensor:
    """The dose below which ``part`` of the structure's volume lies, averaged over volumes nearby (Gaussian weights).

    Sorting only permutes, so the gradient goes to the voxels whose doses are averaged.
    """
    ascending, order = doses_gy.sort()
    volumes = fractions[order]
    total = volumes.sum()
    middle = (volumes.cumsum(0) - volumes / 2) / total
    # Volumes only reach from the middle of the first voxel to that of the last.
    aim = torch.clamp(torch.as_tensor(part, device=middle.device, dtype=middle.dtype), middle[0], middle[-1])
    weights = torch.softmax(-((middle - aim) ** 2) / (2 * width**2) + volumes.log(), dim=0)
    return (weights * ascending).sum()


def soft_maximum(doses_gy: Tensor, temperature_gy: float) -> Tensor:
    """The mean dose weighted by exp(dose / temperature): the maximum, shared by all voxels within about the temperature."""
    return (torch.softmax(doses_gy / temperature_gy, dim=0) * doses_gy).sum()
