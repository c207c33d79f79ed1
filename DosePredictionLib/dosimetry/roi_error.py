"""How far a predicted dose is from the clinical one, structure by structure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from DosePredictionLib.dosimetry.dvh import Dvh, compute_dvhs
from DosePredictionLib.dosimetry.metric import Metric
from DosePredictionLib.dosimetry.part_on_dose import part_on_dose, part_on_grid
from DosePredictionLib.dosimetry.sampling import sample_doses
from DosePredictionLib.patient.patient import Patient
from DosePredictionLib.patient.structure import Structure, StructureRole
from DosePredictionLib.patient.volume import Volume

#: The DVH criteria of the OpenKBP challenge (Babier et al., Medical Physics 48, 2021), for structures of any name.
TARGET_CRITERIA = ("D99%", "D95%", "D1%")
ORGAN_CRITERIA = ("D0.1cc", "Dmean")


@dataclass(frozen=True)
class Criterion:
    """One DVH figure in both doses, Gy."""

    name: str
    predicted_gy: float
    reference_gy: float

    @property
    def difference_gy(self) -> float:
        """Predicted minus clinical."""
        return self.predicted_gy - self.reference_gy


@dataclass(frozen=True)
class RoiError:
    """A structure's errors.

    Attributes:
        structure: TG-263 name or, without one, the user's; targets by their prescription.
        is_target: a target or an organ.
        volume_cc: its volume, as its DVHs have it.
        mae_gy: mean absolute error over its voxels, or where its DVHs are read (see `roi_errors`).
        mean_difference_gy: mean of predicted minus clinical over the same.
        criteria: the DVH criteria of a target (D99%, D95%, D1%) or an organ (D0.1cc, Dmean), interpolated as in `Dvh`.
    """

    structure: str
    is_target: bool
    volume_cc: float
    mae_gy: float
    mean_difference_gy: float
    criteria: tuple[Criterion, ...]


def roi_errors(patient: Patient, dose: Volume, reference: Volume) -> list[RoiError]:
    """Errors in every target and organ that lies on the clinical dose's grid, in the patient's order.

    Of structures that reach beyond that grid the part on it counts: outside there is nothing to compare with. One that
    holds no voxel's centre of the patient's grid, as a lens or a nerve on thick slices may, is read where its DVHs are;
    one that lies beside that grid is in no prediction.

    Args:
        patient: whose structures are looked at.
        dose: predicted, Gy, on any grid.
        reference: clinical, Gy, on any grid.

    Raises:
        InputError: a dose inside a structure is not a number somewhere.
    """
    difference = dose.on_grid(patient.geometry).array.astype(np.float64) - reference.on_grid(patient.geometry).array
    known = reference.geometry.covers(patient.geometry)
    found = []
    for structure in patient.structures:
        if structure.role not in (StructureRole.TARGET, StructureRole.OAR):
            continue
        inside = (structure.mask.on_grid(patient.geometry, nearest=True).array != 0) & known
        part = part_on_dose(structure, reference)
        on_both = part_on_grid(part, patient.geometry)
        errors = difference[inside] if inside.any() else _between_voxels(on_both, dose, reference)
        if not errors.size:
            continue
        both = compute_dvhs([dose, reference], part)
        is_target = structure.role is StructureRole.TARGET
        found.append(RoiError(
            structure=_label(structure),
            is_target=is_target,
            volume_cc=both[0].volume_cc,
            mae_gy=float(np.abs(errors).mean()),
            mean_difference_gy=float(errors.mean()),
            criteria=tuple(
                Criterion(name, *(_value(name, dvh) for dvh in both))
                for name in (TARGET_CRITERIA if is_target else ORGAN_CRITERIA)
            ),
        ))  # fmt: skip
    return found


def _between_voxels(part: Structure, dose: Volume, reference: Volume) -> np.ndarray:
    """Predicted minus clinical at the points where a structure's DVHs are read, Gy; none where it is empty."""
    predicted, clinical = (samples.dose_gy for samples in sample_doses([dose, reference], part.measured, part.name))
    return predicted.astype(np.float64) - clinical


def _label(structure: Structure) -> str:
    if structure.role is StructureRole.TARGET and structure.prescription_gy:
        return f"PTV{structure.prescription_gy:g}"
    return structure.standard_name or structure.name


def _value(name: str, dvh: Dvh) -> float:
    metric = Metric.parse(name)
    if metric.amount is None:
        return dvh.mean_gy
    return dvh.dose_at_volume_cc(metric.amount) if metric.amount_unit == "cc" else dvh.dose_at_volume_percent(
        metric.amount
    )  # fmt: skip
