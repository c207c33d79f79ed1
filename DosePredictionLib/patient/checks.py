"""What keeps a patient from being predicted, said in one sentence each."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace
from functools import partial
from operator import gt

import numpy as np

from DosePredictionLib.errors import InputError
from DosePredictionLib.patient.geometry import Geometry
from DosePredictionLib.patient.patient import Patient
from DosePredictionLib.patient.structure import Structure, StructureRole
from DosePredictionLib.patient.volume import Volume
from DosePredictionLib.rounding import rounded

#: No course of fractionated radiotherapy prescribes more; larger numbers are cGy.
HIGHEST_PRESCRIPTION_GY = 100.0
HIGHEST_DOSE_GY = 150.0
#: How far below 0 a dose may go, as a part of its maximum: splines and windowed sincs undershoot by a fifth of it
#: beside the step at the edge of a dose that is cut off. What goes further is a difference.
LARGEST_UNDERSHOOT = 0.3
#: A CT whose every voxel is below this holds nothing but air.
AIR_HU = -900.0
_CORRECT = "in prescription.json or in the structure table"


def check_patient(patient: Patient) -> Patient:
    """The patient with what there is to know added to its warnings.

    Raises:
        InputError: the patient can't be predicted: no `Patient` of volumes and structures; CT of NaN, all air or on
            another grid than the patient's; no target, an empty one, one outside the CT; a prescription that is
            missing, not positive or in cGy; two structures in one role; a reference dose in cGy, below 0 or
            outside the CT.
    """
    _check_kinds(patient)
    _check_ct(patient)
    _check_targets(patient)
    _check_twice(patient)
    _check_reference(patient)
    patient = without_what_lies_outside(patient)
    return _told(patient, (*_ct_warnings(patient), *_name_warnings(patient)))


def without_what_lies_outside(patient: Patient) -> Patient:
    """The patient whose structures outside the CT are ignored, which its warnings say.

    Raises:
        InputError: a target lies outside.
    """
    structures, warnings = _check_places(patient)
    return _told(replace(patient, structures=tuple(structures)), warnings)


def _told(patient: Patient, warnings: Iterable[str]) -> Patient:
    known = list(patient.warnings)
    return replace(patient, warnings=(*known, *(text for text in warnings if text not in known)))


def check_units(patient: Patient) -> None:
    """Check that the reference dose and the prescriptions can be this patient's in Gy: all figures rest on it.

    Raises:
        InputError: one of them is in cGy, or no number, or the dose goes below 0 or lies outside the CT.
    """
    _check_reference(patient)
    for target in patient.targets:
        if target.prescription_gy is not None:
            _check_prescription(target, patient.identifier)


def goes_below_zero(dose: np.ndarray) -> str:
    """What to say of a dose that goes further below 0 than `LARGEST_UNDERSHOOT` of its maximum, Gy; "" of others."""
    lowest, highest = float(dose.min(initial=0.0)), float(dose.max(initial=0.0))
    too_low = partial(gt, -LARGEST_UNDERSHOOT * highest)
    if not too_low(lowest):
        return ""
    return (
        f"goes down to {rounded(lowest, 1, too_low):.8g} Gy, more than {100 * LARGEST_UNDERSHOOT:g} % of its maximum "
        f"({highest:.4g} Gy) below 0; give the dose itself, not a difference of doses."
    )


def _check_kinds(patient: object) -> None:
    if not isinstance(patient, Patient):
        raise InputError(f"This is no patient but of type {type(patient).__name__}; read a case with read_patient.")
    for structure in patient.structures:
        if not isinstance(structure, Structure):
            raise InputError(
                f"{patient.identifier} has a {type(structure).__name__} among its structures; give "
                "Structure(name, mask, role)."
            )
    volumes: list[tuple[str, object]] = [("CT", patient.ct), ("reference dose", patient.reference_dose)]
    volumes = [(name, volume) for name, volume in volumes if volume is not None]
    volumes += [(f"mask of {structure.name}", structure.mask) for structure in patient.structures]
    for name, volume in volumes:
        if not isinstance(volume, Volume) or not isinstance(volume.array, np.ndarray):
            raise InputError(
                f"The {name} of {patient.identifier} is no Volume of a NumPy array; give Volume(array, geometry)."
            )


def _check_ct(patient: Patient) -> None:
    if patient.ct is None:
        return
    if not patient.ct.geometry.is_close(patient.geometry):
        raise InputError(
            f"The CT of {patient.identifier} lies on another grid than the patient's; give "
            "ct.on_grid(patient.geometry, outside=-1000)."
        )
    array = patient.ct.array
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        count = int(np.size(array) - np.isfinite(array).sum())
        raise InputError(
            f"The CT of {patient.identifier} holds {count} voxels that are not numbers (NaN or infinite); export it "
            "again."
        )
    if float(array.max()) < AIR_HU:
        raise InputError(
            f"The CT of {patient.identifier} is all air, no voxel reaches {AIR_HU:.0f} HU; check that it is the "
            "planning CT and in HU."
        )


def _check_targets(patient: Patient) -> None:
    targets = patient.with_role(StructureRole.TARGET)
    if not targets:
        names = ", ".join(structure.name for structure in patient.structures) or "no structure at all"
        # The target may be among these: its role is of no use then.
        left_out = f"; left out without a volume: {', '.join(patient.left_out)}" if patient.left_out else ""
        contour = "contour the target, or " if patient.left_out else ""
        raise InputError(
            f"{patient.identifier} has no target: none of its structures was recognised as a PTV (it has "
            f"{names}{left_out}); {contour}"
            f'give one of them the role "target" and a prescription {_CORRECT}.'
        )
    for target in targets:
        if not target.mask.array.any():
            raise InputError(
                f"The target {target.name} of {patient.identifier} is empty; contour it or take it out of the "
                "structures."
            )
        _check_prescription(target, patient.identifier)


def _check_prescription(target: Structure, identifier: str) -> None:
    dose_gy = target.prescription_gy
    if dose_gy is None or math.isnan(dose_gy):
        raise InputError(
            f"The target {target.name} of {identifier} has no prescription; give its dose in Gy, or another role, "
            f"{_CORRECT}."
        )
    if dose_gy <= 0.0:
        raise InputError(
            f"The prescription of {target.name} of {identifier} is {dose_gy:g} Gy; give the dose of the whole course "
            "in Gy, more than 0."
        )
    if dose_gy > HIGHEST_PRESCRIPTION_GY:
        looks = f"{dose_gy:g} looks like cGy; give {dose_gy / 100:g}" if dose_gy >= 1000.0 else "give the dose in Gy"
        raise InputError(
            f"The prescription of {target.name} of {identifier} is {dose_gy:g} Gy, more than "
            f"{HIGHEST_PRESCRIPTION_GY:g} Gy: {looks}."
        )


def _check_twice(patient: Patient) -> None:
    seen: dict[str, Structure] = {}
    for structure in patient.structures:
        if structure.name in seen:
            raise InputError(
                f"Two structures of {patient.identifier} are named {structure.name}; rename or remove one."
            )
        seen[structure.name] = structure
    roles = (StructureRole.TARGET, StructureRole.OAR, StructureRole.EXTERNAL)
    taken: dict[str, Structure] = {}
    for structure in patient.structures:
        standard = structure.standard_name
        if structure.role not in roles or standard is None:
            continue
        if standard in taken:
            raise InputError(
                f"{taken[standard].name} and {structure.name} of {patient.identifier} were both taken for {standard}; "
                f'give one of them the role "other" or another standard name {_CORRECT}.'
            )
        taken[standard] = structure


def _check_reference(patient: Patient) -> None:
    if patient.reference_dose is None:
        return
    array = patient.reference_dose.array
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise InputError(
            f"The reference dose of {patient.identifier} holds voxels that are not numbers; export it again."
        )
    if float(array.max()) > HIGHEST_DOSE_GY:
        raise InputError(
            f"The reference dose of {patient.identifier} reaches {float(array.max()):g}, which looks like cGy; save it "
            "in Gy."
        )
    negative = goes_below_zero(array)
    if negative:
        raise InputError(f"The reference dose of {patient.identifier} {negative}")
    if not patient.reference_dose.geometry.meets(patient.geometry):
        raise InputError(
            f"The reference dose of {patient.identifier} lies wholly outside the CT; check that it belongs to this "
            "patient."
        )


def _check_places(patient: Patient) -> tuple[list[Structure], list[str]]:
    """The structures, those outside the CT ignored, and warnings."""
    structures, warnings = [], []
    for structure in patient.structures:
        # Of a surface, the voxels may have been cut at the CT's edge already.
        inside = min(_share_inside(one, patient.geometry) for one in (structure.mask, structure.measured))
        if inside == 0.0 and structure.role is StructureRole.TARGET:
            raise InputError(
                f"The target {structure.name} of {patient.identifier} lies wholly outside the CT; check that the "
                "structures were drawn on this CT."
            )
        if inside == 0.0 and structure.role is not StructureRole.IGNORED:
            warnings.append(f"{structure.name} lies wholly outside the CT and is ignored.")
            structure = replace(structure, role=StructureRole.IGNORED)
        elif inside < 0.999 and structure.role is StructureRole.TARGET:
            warnings.append(f"{1.0 - inside:.0%} of the target {structure.name} lies outside the CT.")
        structures.append(structure)
    return structures, warnings


def _share_inside(mask: Volume, geometry: Geometry) -> float:
    """Share of a mask's voxels whose centres lie in a voxel of a grid; 1 for an empty mask."""
    if _within(geometry.index_of_lps(mask.geometry.lps_of_index(mask.geometry.corners())), geometry).all():
        return 1.0
    voxels = np.argwhere(mask.array)
    if not len(voxels):
        return 1.0
    return float(_within(geometry.index_of_lps(mask.geometry.lps_of_index(voxels)), geometry).mean())


def _within(index_zyx: np.ndarray, geometry: Geometry) -> np.ndarray:
    edge = 0.5 + 1e-6
    return np.all((index_zyx >= -edge) & (index_zyx <= np.asarray(geometry.shape) - 1 + edge), axis=-1)


def _ct_warnings(patient: Patient) -> Iterable[str]:
    if patient.ct is None:
        yield "There is no CT; the prediction rests on the structures alone."
    elif float(patient.ct.array.min()) > -500.0:
        yield "The CT holds no air at all; check that its values are HU."


def _name_warnings(patient: Patient) -> Iterable[str]:
    nameless = [s.name for s in patient.with_role(StructureRole.OTHER) if s.standard_name is None]
    if nameless:
        yield f"Not recognised or not needed, so measured but not seen by the model: {', '.join(nameless)}."
