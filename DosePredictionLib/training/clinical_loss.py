"""Planning constraints as a loss: the clinical term of ADDiff-Dose (Xie et al., section 2.3, L_cond)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from DosePredictionLib.dosimetry.constraints import Constraint, ConstraintKind, constraints_of
from DosePredictionLib.dosimetry.goal import GoalSet
from DosePredictionLib.dosimetry.structure_expression import EACH, NotThereError, structures_named
from DosePredictionLib.patient.patient import Patient
from DosePredictionLib.patient.structure import Structure


@dataclass(frozen=True)
class Softness:
    """How far hard figures are smeared, so that they have a gradient.

    Attributes:
        step_gy: width of the logistic step at a V's dose.
        maximum_gy: temperature of the maximum.
        volume: standard deviation, as a part of the structure, of the volumes that a D is averaged over.
    """

    step_gy: float
    maximum_gy: float
    volume: float


#: Of the loss: a V's gradient reaches doses within some 10 Gy of its dose; a D95% looks at about 94 to 96 %.
SOFT = Softness(2.0, 0.5, 0.01)
#: Nearly none, to judge with.
HARD = Softness(1e-3, 1e-3, 1e-4)


@dataclass(frozen=True)
class PatientConstraint:
    """A constraint on structures that a patient has.

    Attributes:
        constraint: what is limited, and its weight (by priority; the paper's are "set by radiation oncologists" and not
            told).
        prescription_gy: what percentages of the prescription refer to.
        structures: numbers of the structures that it is for; of several, the one that comes off best counts.
    """

    constraint: Constraint
    prescription_gy: float
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

    @property
    def volume_cc(self) -> float:
        """The structure's volume."""
        return float(self.fractions.sum()) * self.voxel_cc


def constraints_for(patient: Patient, goals: GoalSet) -> tuple[list[PatientConstraint], list[Structure]]:
    """The goals that a patient has the structures for, and these structures; derived ones are made.

    Limits are taken as their source has them, whatever the plan's number of fractions.
    """
    ours: list[PatientConstraint] = []
    structures: list[Structure] = []
    places: dict[str, list[int]] = {}
    for constraint in constraints_of(goals.goals):
        asked = constraint.structure
        if asked not in places:
            try:
                found = [one for one in structures_named(asked, patient) if one.mask.array.any()]
            except NotThereError:
                found = []
            places[asked] = list(range(len(structures), len(structures) + len(found)))
            structures += found
        numbers = places[asked]
        # "Each" asks it of every one, "or" of the best one.
        each = asked.lower().startswith(EACH)
        for some in [(number,) for number in numbers] if each else [tuple(numbers)] if numbers else []:
            prescribed = structures[some[0]].prescription_gy or patient.prescription_gy
            if prescribed or not (constraint.amount_of_prescription or constraint.limit_of_prescription):
                ours.append(PatientConstraint(constraint, prescribed, some))
    return ours, structures


def clinical_loss(
    dose_gy: Tensor, constraints: Sequence[PatientConstraint], structures: Sequence[StructureVoxels]
) -> Tensor:
    """The weighted mean of all constraints' squared violations.

    As the paper has them: doses beyond their limit count relative to it, volumes by the difference of the parts of the
    structure (its formula for V20: the part of the lung minus 0.30); structures that a patient lacks, or of which
    augmentation left nothing, count nothing. Where it can't be followed:

    - The text contradicts itself on the targets' D95: its formula asks for 95 % of the prescription, its table of
      constraints for 100 %. Here it is the table's, which many clinical plans of OpenKBP miss by a little; and a target
      of a level is asked twice, as each target's V100% and as its level's D95.
    - Hard volumes and percentiles have no gradient, or that of one voxel, so soft ones stand in for them (`SOFT`).
    - Its Dmax formula, max(D - M) over the threshold, is read as the maximum in the structure over the limit.
    - Volumes that need their dose (V100%Rx >= 95 %) are asked as the dose that the volume gets (D95% >= 100 %Rx), which
      says the same. A soft step at 100 % would count half of the voxels that have 100 %, and lift targets well above.
    - The sum over constraints is divided by the sum of their weights, so that patients with many structures don't pull
      more, and the weight beside the squared error keeps its meaning; goals that aren't for a loss are left out.

    Args:
        dose_gy: of the whole volume, any shape, float32.
        constraints, structures: of the patient; ``structures`` in the order of their numbers, on the dose's grid.
    """
    total, weights = dose_gy.new_zeros(()), 0.0
    flat = dose_gy.reshape(-1)
    for constraint in _answerable(constraints, structures):
        if constraint.constraint.in_loss:
            weight = constraint.constraint.weight
            total = total + weight * _violation(flat, constraint, structures, SOFT).square()
            weights += weight
    return total / max(weights, 1e-9)


def missed_percent(
    dose_gy: Tensor, constraints: Sequence[PatientConstraint], structures: Sequence[StructureVoxels]
) -> float:
    """How many of the constraints a dose doesn't meet, %; NaN when there is none."""
    flat = dose_gy.reshape(-1)
    missed = [float(_violation(flat, constraint, structures, HARD)) > 1e-4
              for constraint in _answerable(constraints, structures)]  # fmt: skip
    return 100.0 * sum(missed) / len(missed) if missed else float("nan")


def _answerable(
    constraints: Sequence[PatientConstraint], structures: Sequence[StructureVoxels]
) -> Iterator[PatientConstraint]:
    """The constraints on structures that have voxels; of several structures, on those that do."""
    for constraint in constraints:
        there = tuple(number for number in constraint.structures if len(structures[number].voxels))
        if there:
            yield replace(constraint, structures=there)


def _violation(
    flat: Tensor, ours: PatientConstraint, structures: Sequence[StructureVoxels], softness: Softness
) -> Tensor:
    """How far beyond its limit a constraint is, relative to the limit (volumes: part of the structure); 0 if met."""
    constraint, found = _as_dose(ours.constraint), []
    limit = constraint.limit * (ours.prescription_gy / 100.0 if constraint.limit_of_prescription else 1.0)
    for number in ours.structures:
        one = structures[number]
        value = measured(flat[one.voxels], one, constraint, ours.prescription_gy, softness)
        beyond = value - limit if constraint.upper else limit - value
        in_percent = constraint.kind is ConstraintKind.VOLUME_PERCENT_AT_DOSE
        found.append(torch.relu(beyond / (100.0 if in_percent else max(limit, 1e-6))))
    return torch.stack(found).min()


def _as_dose(constraint: Constraint) -> Constraint:
    """At least x % of a volume with a dose, as at least the dose in x % of the volume; others as they are."""
    if constraint.upper or constraint.kind is not ConstraintKind.VOLUME_PERCENT_AT_DOSE:
        return constraint
    return replace(
        constraint, kind=ConstraintKind.DOSE_AT_VOLUME_PERCENT,
        amount=constraint.limit, amount_of_prescription=False,
        limit=constraint.amount or 0.0, limit_of_prescription=constraint.amount_of_prescription,
    )  # fmt: skip


def measured(
    doses_gy: Tensor, structure: StructureVoxels, constraint: Constraint, prescription_gy: float, softness: Softness
) -> Tensor:
    """What a constraint limits, in Gy, % or cc, with a gradient to every dose that it looks at.

    Args:
        doses_gy: (n,) at the structure's voxels.
        structure: its voxels.
        constraint: of which the kind and the amount matter.
        prescription_gy: for amounts in percent of it.
        softness: see `Softness`.
    """
    fractions, kind = structure.fractions, constraint.kind
    amount = constraint.amount or 0.0
    if kind in (ConstraintKind.VOLUME_PERCENT_AT_DOSE, ConstraintKind.VOLUME_CC_AT_DOSE):
        threshold = amount * prescription_gy / 100.0 if constraint.amount_of_prescription else amount
        inside = soft_volume(doses_gy, fractions, threshold, softness.step_gy)
        return inside * (100.0 if kind is ConstraintKind.VOLUME_PERCENT_AT_DOSE else structure.volume_cc)
    if kind is ConstraintKind.MEAN_DOSE:
        return (doses_gy * fractions).sum() / fractions.sum()
    if kind is ConstraintKind.MAXIMUM_DOSE:
        return soft_maximum(doses_gy, softness.maximum_gy)
    if kind is ConstraintKind.MINIMUM_DOSE:
        return -soft_maximum(-doses_gy, softness.maximum_gy)
    hottest = amount / (100.0 if kind is ConstraintKind.DOSE_AT_VOLUME_PERCENT else max(structure.volume_cc, 1e-9))
    return soft_quantile(doses_gy, fractions, 1.0 - min(1.0, hottest), softness.volume)


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
    """The mean dose weighted by exp(dose / temperature): the maximum, shared by voxels within about the temperature."""
    return (torch.softmax(doses_gy / temperature_gy, dim=0) * doses_gy).sum()
