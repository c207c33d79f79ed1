"""RTDOSE as a volume in Gy on its own grid."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from DosePredictionLib.errors import InputError
from DosePredictionLib.patient.dicom_files import DicomFile, read_whole
from DosePredictionLib.patient.dicom_plan import DicomPlan
from DosePredictionLib.patient.dicom_stack import TooWideGap, even_stack
from DosePredictionLib.patient.geometry import Geometry, vector3
from DosePredictionLib.patient.volume import Volume

if TYPE_CHECKING:
    from pydicom import Dataset

#: Highest value of a relative dose that is a fraction of the prescription, and range of one in percent.
_HIGHEST_FRACTION = 3.0
_PERCENT_RANGE = (20.0, 300.0)
_USED = (
    "DoseGridScaling", "DoseUnits", "ImageOrientationPatient", "ImagePositionPatient", "PixelSpacing",
    "GridFrameOffsetVector",
)  # fmt: skip


def read_clinical_dose(files: Sequence[DicomFile], plan: DicomPlan, beam_count: int) -> tuple[Volume | None, list[str]]:
    """The dose of a plan out of its RTDOSE objects.

    A dose of the whole plan (DoseSummationType PLAN) comes first; without one the doses of all beams are added up,
    where a plan says which these are. A dose of several plans is taken only when it is all there is. Physical dose
    comes before effective dose; error doses are passed over. Relative doses are scaled with the plan's highest
    prescription.

    Args:
        files: the candidates.
        plan: for relative doses, and the numbers of the beams whose doses are added up.
        beam_count: how many beams must be there when beams are added up; 0 when unknown, then none are.

    Returns:
        Gy (float32) or None, and what was chosen or passed over, one sentence each.

    Raises:
        InputError: there are several candidates, beams are missing or there twice, a relative dose has nothing to be
            scaled with, or a file is broken.
    """
    usable = [file for file in files if file.text("DoseType") != "ERROR"]
    if files and not usable:
        names = ", ".join(file.path.name for file in files)
        return None, [f"The only dose ({names}) is the difference of two doses (DoseType ERROR); no clinical dose was "
                      "read."]  # fmt: skip
    if any(file.text("DoseType") == "PHYSICAL" for file in usable):
        usable = [file for file in usable if file.text("DoseType") == "PHYSICAL"]
    warnings: list[str] = []
    if usable and usable[0].text("DoseType") == "EFFECTIVE":
        warnings.append("The clinical dose is an effective one, corrected for its biological effect.")
    for kind in ("PLAN", "BEAM", "MULTI_PLAN"):
        chosen = [file for file in usable if file.text("DoseSummationType") == kind]
        if not chosen:
            continue
        if kind == "BEAM" and not beam_count:
            # A sum of which nobody knows whether it is whole would be taken for the dose of the whole plan.
            names = ", ".join(file.path.name for file in chosen)
            warnings.append(
                f"There are doses of single beams ({names}), but no plan says which beams there are; no clinical dose "
                "was read."
            )
            return None, warnings
        if kind == "BEAM":
            return _sum_of_beams(chosen, plan, beam_count, warnings), warnings
        if len(chosen) > 1:
            names = ", ".join(file.path.name for file in chosen)
            raise InputError(
                f"{chosen[0].path.parent} holds {len(chosen)} doses of one plan ({names}); take out all but one."
            )
        if kind == "MULTI_PLAN":
            warnings.append("The clinical dose is the sum of several plans.")
        return read_dose(chosen[0].path, plan.highest_gy, warnings), warnings
    kinds = sorted({file.text("DoseSummationType") or "unknown" for file in usable})
    if kinds:
        warnings.append(
            f"There is no dose of a whole plan, only of kind {', '.join(kinds)}; no clinical dose was read."
        )
    return None, warnings


def read_dose(
    path: Path, prescription_gy: float | None, warnings: list[str], called: str = "The clinical dose"
) -> Volume:
    """Read an RTDOSE file as Gy (float32) on its own grid.

    Frame offsets may be relative or absolute, ascending or descending, uneven (then interpolated) and, with relative
    ones, along any direction (PS3.3 C.8.8.3.2).

    Args:
        path: the file.
        prescription_gy: 100 % of a relative dose; None when unknown.
        warnings: what was odd is appended.
        called: what they call the dose.

    Raises:
        InputError: the file is broken, holds no grid, or is relative without a prescription.
    """
    try:
        dataset = read_whole(path)
        stored = dataset.pixel_array
        for keyword in _USED:
            dataset.get(keyword)
    except Exception as error:  # noqa: BLE001 - whatever pydicom's decoders raise, the file is to blame
        raise InputError(f"The dose {path} cannot be read, it is truncated or damaged; export it again.") from error
    if stored.ndim != 3 or len(stored) < 2:
        raise InputError(f"The dose {path} is a single plane; export the dose of the whole volume.")
    try:
        scaling = float(dataset.get("DoseGridScaling"))
    except (TypeError, ValueError):
        scaling = 0.0
    if not np.isfinite(scaling) or scaling <= 0:
        raise InputError(f"The dose {path} has no DoseGridScaling, so its values mean nothing; export it again.")
    values = (stored * scaling).astype(np.float32)
    units = str(dataset.get("DoseUnits") or "").upper()
    if units == "RELATIVE":
        values = _absolute(values, prescription_gy, path, warnings, called)
    elif units != "GY":
        raise InputError(f"The dose {path} is in {units or 'no unit'}; export it in GY.")
    return _placed(values, dataset, path, warnings, called)


def _absolute(
    values: np.ndarray, prescription_gy: float | None, path: Path, warnings: list[str], called: str
) -> np.ndarray:
    if prescription_gy is None:
        raise InputError(
            f"The dose {path} is relative and no prescription says what 100 % is; export it in GY, or add the RTPLAN."
        )
    highest = float(values.max())
    if 0.0 < highest <= _HIGHEST_FRACTION:
        factor, meaning = prescription_gy, "1"
    elif _PERCENT_RANGE[0] <= highest <= _PERCENT_RANGE[1]:
        factor, meaning = prescription_gy / 100.0, "100 %"
    else:
        raise InputError(
            f"The dose {path} is relative but reaches {highest:g}, neither a fraction nor per cent; export it in GY."
        )
    warnings.append(f"{called} is relative; {meaning} was taken to be the prescribed {prescription_gy:g} Gy.")
    return values * np.float32(factor)


def _placed(values: np.ndarray, dataset: Dataset, path: Path, warnings: list[str], called: str) -> Volume:
    """The values with their geometry; frames ascend along the cross product of rows and columns."""
    try:
        cosines = np.array([float(value) for value in dataset.ImageOrientationPatient])
        origin = np.array([float(value) for value in dataset.ImagePositionPatient])
        row_mm, column_mm = (float(value) for value in dataset.PixelSpacing)
        offsets = np.array([float(value) for value in dataset.GridFrameOffsetVector])
        placed = cosines.shape == (6,) and origin.shape == (3,)
        if not placed or not np.isfinite([*cosines, *origin, row_mm, column_mm]).all():
            raise ValueError("not six cosines and three coordinates")
    except (AttributeError, TypeError, ValueError):
        raise InputError(f"The dose {path} does not say where its voxels lie; export it again.") from None
    row, column = cosines[:3] / np.linalg.norm(cosines[:3]), cosines[3:] / np.linalg.norm(cosines[3:])
    normal = np.cross(row, column)
    if len(offsets) != len(values) or abs(row @ column) > 1e-3 or min(row_mm, column_mm) <= 0:
        raise InputError(f"The dose {path} has {len(values)} frames but no positions that fit them; export it again.")
    along = offsets - offsets[0]
    if offsets[0] != 0.0:
        # Absolute offsets are z coordinates, which ascend against a normal that points to the feet.
        if abs(abs(normal[2]) - 1.0) < 1e-4 and abs(offsets[0] - origin[2]) < 0.1:
            along = along * np.sign(normal[2])
        else:
            warnings.append(f"{called} places its frames in an undefined way; their distances alone were used.")
    if not ((np.diff(along) > 0).all() or (np.diff(along) < 0).all()):
        raise InputError(f"The dose {path} has frames whose positions do not ascend or descend; export it again.")
    if along[-1] < 0:
        values, along = values[::-1], along[::-1]
    try:
        stack = even_stack(values, along)
    except TooWideGap as gap:
        raise InputError(
            f"The dose {path} lacks frames between {gap.below_mm:g} and {gap.above_mm:g} mm; export it again."
        ) from None
    if stack.missing or stack.resampled:
        warnings.append(f"{called} has unevenly spaced frames; they were put {stack.spacing_mm:g} mm apart.")
    depth, rows, columns = stack.array.shape
    geometry = Geometry(
        (depth, rows, columns), (column_mm, row_mm, stack.spacing_mm), vector3(origin + along[0] * normal),
        tuple(float(value) for value in np.column_stack([row, column, normal]).ravel()),
    )  # fmt: skip
    return Volume(np.ascontiguousarray(stack.array), geometry)


def _sum_of_beams(files: Sequence[DicomFile], plan: DicomPlan, beam_count: int, warnings: list[str]) -> Volume:
    folder = files[0].path.parent
    _check_beams(files, plan, beam_count)
    doses = [read_dose(file.path, plan.highest_gy, warnings) for file in files]
    if not all(dose.geometry.is_close(doses[0].geometry, 0.01) for dose in doses):
        raise InputError(f"The doses of single beams in {folder} lie on different grids; export the plan's dose.")
    warnings.append(f"The clinical dose is the sum of {beam_count} beams.")
    total = np.zeros_like(doses[0].array)
    for dose in doses:
        total += dose.array
    return Volume(total, doses[0].geometry)


def _check_beams(files: Sequence[DicomFile], plan: DicomPlan, beam_count: int) -> None:
    """Check that the files hold the doses of all beams, each once; a file that names no beam counts as one."""
    folder = files[0].path.parent
    of_beam: dict[int, DicomFile] = {}
    nameless = 0
    for file in files:
        beams = _beams_of(file)
        nameless += not beams
        for number in beams:
            if number in of_beam:
                raise InputError(
                    f"{folder} holds the dose of beam {number} twice, in {of_beam[number].path.name} and "
                    f"{file.path.name}; export the dose of the whole plan, or take out one of them if it is a copy."
                )
            of_beam[number] = file
    strange = sorted(set(of_beam) - plan.beam_numbers) if plan.beam_numbers else []
    if strange:
        raise InputError(
            f"{of_beam[strange[0]].path} holds the dose of beam {strange[0]}, which does not treat in the plan; export "
            "the dose of the whole plan."
        )
    if len(of_beam) + nameless != beam_count:
        raise InputError(
            f"{folder} holds the doses of {len(of_beam) + nameless} beams of a plan with {beam_count}; export the dose "
            "of the whole plan, or of every beam."
        )


def _beams_of(file: DicomFile) -> list[int]:
    """The numbers of the beams that a dose names, ascending."""
    beams = [
        beam
        for plan in file.header.get("ReferencedRTPlanSequence") or []
        for group in plan.get("ReferencedFractionGroupSequence") or []
        for beam in group.get("ReferencedBeamSequence") or []
    ]
    try:
        return sorted({int(beam.ReferencedBeamNumber) for beam in beams})
    except (AttributeError, TypeError, ValueError):
        raise InputError(f"The dose {file.path} names a beam without a number; export it again.") from None
