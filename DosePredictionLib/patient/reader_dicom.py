"""Reader of DICOM RT: CT, RTSTRUCT and, when they are there, RTPLAN and RTDOSE.

A case is a folder with all the files of one (in folders below it, too; names and endings don't matter), or a file: its
RTPLAN or RTSTRUCT, where a folder holds several. What belongs together is found by the objects' references and their
frame of reference (`dicom_case`).

From the RTPLAN come prescriptions (of structures that it names by number or by name, or of the highest target),
fractions, technique, beam angles and isocentre (`dicom_plan`); from the RTDOSE the clinical dose on its own grid
(`dicom_dose`). Structures are recognised by name, then by type (`dicom_roles`); contours become masks as
`dicom_contours` says. A ``prescription.json`` beside the files corrects all that (see `reader_folder`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from DosePredictionLib.errors import InputError
from DosePredictionLib.patient.dicom_case import DicomCase, choose_case, find_dicom_cases, holds_dicom_case
from DosePredictionLib.patient.dicom_contours import ContoursRefused, rasterise
from DosePredictionLib.patient.dicom_ct import read_ct
from DosePredictionLib.patient.dicom_dose import read_clinical_dose
from DosePredictionLib.patient.dicom_files import is_dicom
from DosePredictionLib.patient.dicom_plan import DicomPlan, read_plan
from DosePredictionLib.patient.dicom_roles import with_prescriptions, with_types
from DosePredictionLib.patient.dicom_structures import RegionOfInterest, read_structure_set
from DosePredictionLib.patient.geometry import Geometry
from DosePredictionLib.patient.identifier import patient_identifier
from DosePredictionLib.patient.naming import NameMatch, match_structure_names
from DosePredictionLib.patient.patient import Patient
from DosePredictionLib.patient.plan_applied import apply_plan, dose_is_given
from DosePredictionLib.patient.plan_file import PLAN_FILE, PlanDescription, read_plan_file
from DosePredictionLib.patient.structure import Structure, StructureRole

__all__ = ["find_dicom_cases", "holds_dicom_case", "is_dicom", "read_dicom"]


def read_dicom(path: Path) -> Patient:
    """Read a DICOM case.

    Raises:
        InputError: CT or structures are missing, there are several candidates, or the data can't be used; the message
            names the file and says what to do.
    """
    case = choose_case(path)
    warnings = list(case.warnings)
    ct, told = read_ct(case.ct)
    warnings.extend(told)
    plan = read_plan(case.plan.path, case.ct[0].text("PatientPosition")) if case.plan is not None else DicomPlan()
    warnings.extend(plan.warnings)
    beams = plan.beams
    if case.plan_elsewhere and beams is not None and beams.isocentre_mm is not None:
        beams = replace(beams, isocentre_mm=None)
        warnings.append(
            "The plan lies in another frame of reference than the CT, so its isocentre means nothing there; the "
            "targets' centroid was taken instead."
        )

    every_region = read_structure_set(case.structure_set.path)
    regions, told = _drawn_here(every_region, case)
    warnings.extend(told)
    names = [region.name for region in regions]
    guesses = with_types(regions, match_structure_names([region.written_name for region in regions]))
    matches, told = with_prescriptions(regions, guesses, plan)
    warnings.extend(told)
    folder = path if path.is_dir() else path.parent
    corrections = read_plan_file(folder / PLAN_FILE)
    matches = apply_plan(matches, names, corrections)
    structures, told = _structures(regions, matches, ct.geometry)
    warnings.extend(told)
    if case.plan is None:
        warnings.append(_without_plan(matches, corrections))
    dose, told = read_clinical_dose(case.doses, plan, plan.beam_count)
    warnings.extend(told)
    return Patient(
        patient_identifier(path), ct.geometry, ct, structures, fractions=corrections.fractions or plan.fractions,
        technique=corrections.technique or plan.technique, site=corrections.site,
        beams=corrections.beams or beams, reference_dose=dose, warnings=tuple(warnings),
        frame_of_reference_uid=case.ct[0].text("FrameOfReferenceUID") or None,
        left_out=tuple(r.name for r in every_region if r.name not in {structure.name for structure in structures}),
    )  # fmt: skip


def _without_plan(matches: Sequence[NameMatch], corrections: PlanDescription) -> str:
    """One sentence: where prescriptions and beams come from when there is no RTPLAN."""
    sources = {
        PLAN_FILE if dose_is_given(match) else "the structures' names"
        for match in matches
        if match.role is StructureRole.TARGET and match.prescription_gy is not None
    }
    told = f"come from {' and '.join(sorted(sources))}" if sources else "are not known"
    if corrections.beams is not None:
        return f"There is no plan (RTPLAN); prescriptions {told}, the beams from prescription.json."
    return (
        f"There is no plan (RTPLAN); prescriptions {told}, and the beams are not known, without which doses are "
        "predicted somewhat worse: give their angles in prescription.json."
    )


def _drawn_here(regions: list[RegionOfInterest], case: DicomCase) -> tuple[list[RegionOfInterest], list[str]]:
    """The structures with closed contours in the CT's frame of reference, and what was left out."""
    frame = case.ct[0].text("FrameOfReferenceUID")
    shared = {region.frame_uid for region in regions if region.frame_uid}
    # When no structure is in the CT's frame, the structure set was matched by its images and the frame's name is lost.
    elsewhere = [r for r in regions if r.frame_uid and r.frame_uid != frame] if frame in shared else []
    empty = [r for r in regions if r not in elsewhere and not r.contours and not r.others]
    points = [r for r in regions if r not in elsewhere and not r.contours and r.others]
    warnings = []
    for left_out, reason in (
        (empty, "Without contours"), (points, "Only points or open contours"), (elsewhere, "Drawn on other images"),
    ):  # fmt: skip
        if left_out:
            warnings.append(f"{reason}, so left out: {', '.join(region.name for region in left_out)}.")
    left = {id(region) for region in (*empty, *points, *elsewhere)}
    return [region for region in regions if id(region) not in left], warnings


def _structures(
    regions: Sequence[RegionOfInterest], matches: Sequence[NameMatch], geometry: Geometry
) -> tuple[tuple[Structure, ...], list[str]]:
    structures, warnings, flat = [], [], []
    for region, match in zip(regions, matches, strict=True):
        try:
            built = rasterise(region.contours, geometry, region.exclusive)
        except ContoursRefused as reason:
            if match.role is StructureRole.TARGET:
                raise InputError(
                    f"The target {region.name} {reason}; contour it in planes that are parallel, the CT's slices best."
                ) from None
            warnings.append(f"{region.name} {reason}, so it was left out.")
            continue
        if built is None:
            flat.append(region.name)
            continue
        if built.filled_planes:
            warnings.append(f"{region.name} lacks contours on {built.filled_planes} slices; they were interpolated.")
        if built.coarse_mm:
            warnings.append(
                f"{region.name} was contoured every {built.coarse_mm:g} mm only; what lies between was interpolated."
            )
        if built.crossing_planes:
            warnings.append(
                f"{region.name} has contours that cross each other on {built.crossing_planes} slices; what they "
                "enclose together was taken."
            )
        if built.open_gap_mm:
            warnings.append(
                f"{region.name} has no contours over {built.open_gap_mm:g} mm between shapes that lie over each other; "
                "it was read as two parts, so contour what lies between if it is one."
            )
        if not match.sure and match.confidence > 0.0:
            taken_for = match.standard_name or match.role.value
            warnings.append(
                f"{region.name} was taken for {taken_for}: {match.reason}. Correct it in prescription.json if that is "
                "wrong."
            )
        structures.append(
            Structure(region.name, built.mask, match.role, match.standard_name, match.prescription_gy, region.color)
        )
    if flat:
        warnings.append(f"With contours that enclose nothing, so left out: {', '.join(flat)}.")
    return tuple(structures), warnings
