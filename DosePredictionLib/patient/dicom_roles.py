"""What a DICOM structure is to the prediction: its name first, then its type in the RTSTRUCT, then the RTPLAN."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from DosePredictionLib.patient.dicom_plan import DicomPlan
from DosePredictionLib.patient.dicom_structures import RegionOfInterest
from DosePredictionLib.patient.naming import NameMatch, match_structure_name
from DosePredictionLib.patient.plan_applied import apply_plan
from DosePredictionLib.patient.plan_file import PlanDescription
from DosePredictionLib.patient.structure import StructureRole
from DosePredictionLib.patient.target_names import names_a_target

#: RTROIInterpretedType of what is no anatomy (PS3.3 C.8.8.8).
_NO_ANATOMY = {
    "BOLUS", "BRACHY_ACCESSORY", "BRACHY_CHANNEL", "BRACHY_CHNL_SHLD", "BRACHY_SRC_APP", "CONTRAST_AGENT", "CONTROL",
    "DOSE_MEASUREMENT", "DOSE_REGION", "FIXATION", "IRRAD_VOLUME", "ISOCENTER", "MARKER", "REGISTRATION", "SUPPORT",
    "TREATED_VOLUME",
}  # fmt: skip
#: A prescription that differs from the one in the target's name by more than this part is worth a word.
_DIFFERS = 0.01


def with_types(regions: Sequence[RegionOfInterest], matches: Sequence[NameMatch]) -> list[NameMatch]:
    """The matches of the names, where a name says nothing sure amended by the structure's type.

    The one structure of type EXTERNAL is the body whatever it is called; then no other is. A nameless PTV is a target.
    What is no anatomy (supports, markers, isodose regions) is ignored.
    """
    result = [_with_type(region.kind, match) for region, match in zip(regions, matches, strict=True)]
    bodies = [index for index, region in enumerate(regions) if region.kind == "EXTERNAL"]
    if len(bodies) == 1 and matches[bodies[0]].role in (StructureRole.EXTERNAL, StructureRole.OTHER):
        for index, match in enumerate(result):
            if match.role is StructureRole.EXTERNAL:
                result[index] = NameMatch(
                    None, StructureRole.OTHER, None, 0.9, f"{regions[bodies[0]].name!r} is the body's outline"
                )
        result[bodies[0]] = NameMatch("External", StructureRole.EXTERNAL, None, 1.0, "of type EXTERNAL")
    return result


def _with_type(kind: str, match: NameMatch) -> NameMatch:
    if match.sure:
        return match
    if kind in _NO_ANATOMY:
        return NameMatch(None, StructureRole.IGNORED, None, 0.9, f"of type {kind}")
    if kind == "PTV" and match.standard_name is None and match.role is StructureRole.OTHER:
        return NameMatch(None, StructureRole.TARGET, None, 0.9, "of type PTV")
    if kind == "ORGAN" and match.role is StructureRole.EXTERNAL:
        return NameMatch(None, StructureRole.OTHER, None, 0.9, "an organ by its type, not the body's outline")
    return match


def with_prescriptions(
    regions: Sequence[RegionOfInterest], matches: Sequence[NameMatch], plan: DicomPlan
) -> tuple[list[NameMatch], list[str]]:
    """The matches with the plan's prescriptions, and what to tell of them, one sentence each.

    A structure to which the plan prescribes is a target whatever its name. A prescription to a site or a point goes to
    the structure of that name (but to no organ where there are targets: "Lung R" says where these are), or else to the
    highest target. Once any target has a dose, PTVs without one are only
    measured.
    """
    names = [region.name for region in regions]
    result = list(matches)
    warnings: list[str] = []
    numbers = [region.number for region in regions]
    left = [plan.prescription_gy] if plan.prescription_gy is not None else []
    for number, dose_gy in plan.prescriptions_by_roi.items():
        if number in numbers:
            _prescribe(result, numbers.index(number), dose_gy, names, warnings)
        else:
            warnings.append(f"The plan prescribes {dose_gy:g} Gy to ROI {number}, which has no contours.")
    for name, dose_gy in plan.prescriptions_by_name.items():
        index = _called(name, names, matches)
        if index is None:
            left.append(dose_gy)
        else:
            _prescribe(result, index, dose_gy, names, warnings)
    if left and not _targets_of(plan, numbers, names, matches):
        highest = apply_plan(result, names, PlanDescription(Path("RTPLAN"), prescription_gy=max(left)))
        for index, (old, new) in enumerate(zip(result, highest, strict=True)):
            if old is not new:
                _prescribe(result, index, max(left), names, warnings)
    targets = [i for i, match in enumerate(result) if match.role is StructureRole.TARGET]
    open_ones = [i for i in targets if result[i].prescription_gy is None]
    if open_ones and len(open_ones) < len(targets):
        for index in open_ones:
            result[index] = replace(result[index], role=StructureRole.OTHER, confidence=1.0)
        warnings.append(
            f"Neither plan nor name tells a prescription for {', '.join(names[i] for i in open_ones)}; measured, but "
            "no target. Give the dose in prescription.json if that is wrong."
        )
    return result, warnings


def _targets_of(
    plan: DicomPlan, numbers: Sequence[int], names: Sequence[str], matches: Sequence[NameMatch]
) -> list[int]:
    """Structures to which the plan prescribes by number or name."""
    by_number = [numbers.index(number) for number in plan.prescriptions_by_roi if number in numbers]
    by_name = [_called(name, names, matches) for name in plan.prescriptions_by_name]
    return [*by_number, *(index for index in by_name if index is not None)]


def _prescribe(matches: list[NameMatch], index: int, dose_gy: float, names: Sequence[str], warnings: list[str]) -> None:
    old = matches[index]
    named = old.prescription_gy
    if named is not None and abs(named - dose_gy) > _DIFFERS * dose_gy:
        warnings.append(f"The plan prescribes {dose_gy:g} Gy to {names[index]}, whose name says {named:g} Gy.")
    matches[index] = replace(
        old, role=StructureRole.TARGET, prescription_gy=dose_gy, confidence=1.0,
        reason=f"the plan prescribes {dose_gy:g} Gy",
    )  # fmt: skip


def _called(name: str, names: Sequence[str], matches: Sequence[NameMatch]) -> int | None:
    """The one structure that a prescription's description names; no organ, where there is a target by its name."""
    meant = match_structure_name(name)
    if meant.standard_name is not None and not names_a_target(name):
        if any(match.role is StructureRole.TARGET for match in matches):
            return None
    for found in (
        [i for i, own in enumerate(names) if own.casefold() == name.casefold()],
        [i for i, match in enumerate(matches) if match.standard_name is not None
         and match.standard_name == meant.standard_name and meant.sure],
    ):  # fmt: skip
        if len(found) == 1:
            return found[0]
    return None
