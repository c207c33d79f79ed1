"""Reader of a patient as a folder of image files.

What belongs in the folder:

``ct.nrrd`` (or ``ct.nii.gz``, ``ct.nii``, ``ct.mha``)
    The planning CT in HU. Any spacing, any direction. It may be missing for models that can do without; the first
    segmentation's grid takes its place. Where the folder holds DICOM files too, they are the patient then.

``*.seg.nrrd``
    One or more segmentations as 3D Slicer saves them. Overlapping segments, and grids other than the CT's, are fine.

``Parotid_L.nrrd``, ``PTV70.nii.gz``, ...
    Instead, or besides: one mask a structure (0 and one other value); the file's name is the structure's.

``dose.nrrd`` (or ``dose.nii.gz``, ...)
    Optional: a reference dose in Gy on any grid, to compare with; not one that was predicted, with its
    ``prediction.json`` beside it. What a prediction or a comparison leaves beside it
    (``dose_std.nrrd``, ``difference_NAME.nrrd``) is passed over.

``prescription.json``
    Optional where the targets' names tell the dose (PTV70, PTV_7000). Every key is optional::

        {
          "prescriptions_gy": {"PTV70": 70, "PTV56": 56},
          "prescription_gy": 70,
          "fractions": 35,
          "technique": "IMRT",
          "site": "head-and-neck",
          "beams": {"gantry_deg": [0, 40, 80], "couch_deg": [0, 0, 0], "isocentre_mm": [0, 12.5, -40]},
          "structures": {
            "my boost": {"role": "target", "prescription_gy": 70},
            "gl par li": {"standard_name": "Parotid_L"},
            "Skin": {"role": "other"}
          }
        }

    ``prescriptions_gy``: dose of the whole course by target, in Gy; whatever is named here is a target.
    ``prescription_gy``: dose of the highest target alone. ``structures`` corrects what the names were taken for:
    ``role`` is target, oar, external, dose_region, other (measured, not seen by the model) or ignored;
    ``standard_name`` is the TG-263 name however spelt, "" for none. ``isocentre_mm`` is LPS; without it the targets'
    centroid is the isocentre.

Structures are recognised by their names (`DosePredictionLib.patient.naming`); guesses come as warnings.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from DosePredictionLib.errors import InputError
from DosePredictionLib.patient.geometry import Geometry
from DosePredictionLib.patient.identifier import patient_identifier
from DosePredictionLib.patient.image_file import image_stem, image_suffix, read_scalar_volume
from DosePredictionLib.patient.made_by_model import PREDICTION, is_predicted_dose, is_sampled_modality
from DosePredictionLib.patient.naming import NameMatch, match_structure_names
from DosePredictionLib.patient.patient import Patient
from DosePredictionLib.patient.plan_applied import apply_plan
from DosePredictionLib.patient.plan_file import PLAN_FILE, read_plan_file
from DosePredictionLib.patient.segmentation_nrrd import Segment, read_segmentation
from DosePredictionLib.patient.structure import Structure, StructureRole
from DosePredictionLib.patient.volume import Volume

_SEGMENTATION_SUFFIX = ".seg.nrrd"
#: The clinical dose, and what a prediction and a comparison of doses leave beside it: no masks.
_DOSES = {"dose", "dose_std", "dose_uncalibrated"}
_DIFFERENCE = "difference_"


@dataclass(frozen=True)
class _Files:
    """The image files of a folder, by what they are."""

    ct: Path | None
    dose: Path | None
    segmentations: tuple[Path, ...]
    masks: tuple[Path, ...]


def is_patient_folder(path: Path) -> bool:
    """Whether this folder holds a patient: a CT or a segmentation, or masks with a ``prescription.json``."""
    if not path.is_dir():
        return False
    structures = structure_images(path)
    if holds_ct_image(path) or any(image_suffix(entry) == _SEGMENTATION_SUFFIX for entry in structures):
        return True
    return (path / PLAN_FILE).is_file() and bool(structures)


def holds_ct_image(path: Path, sampled: bool = True) -> bool:
    """Whether a folder holds a CT as an image file; without ``sampled``, one that no model made."""
    images = (entry for entry in _images(path) if image_stem(entry).lower() == "ct")
    return any(sampled or not is_sampled_modality(entry) for entry in images)


def structure_images(path: Path) -> list[Path]:
    """The image files of a folder that are read as structures: segmentations and masks, in the order of their names."""
    return [entry for entry in _images(path) if image_suffix(entry) == _SEGMENTATION_SUFFIX or _is_mask(entry)]


def patient_images(path: Path) -> list[Path]:
    """The image files of a folder that make up a patient: a CT, and what is read as structures."""
    return [entry for entry in _images(path) if image_stem(entry).lower() == "ct"] + structure_images(path)


def read_patient_folder(path: Path) -> Patient:
    """Read a patient's folder.

    Raises:
        InputError: a file is broken, or ``prescription.json`` names what isn't there; the message names the file.
    """
    files = _files(path)
    ct = read_scalar_volume(files.ct) if files.ct is not None else None
    grid = ct.geometry if ct is not None else None
    segments: list[Segment] = []
    for file in files.segmentations:
        geometry, found = read_segmentation(file)
        grid = grid or geometry
        segments.extend(found)
    for file in files.masks:
        geometry, segment = _read_mask(file)
        grid = grid or geometry
        segments.append(segment)
    if grid is None:
        raise InputError(f"{path} holds neither a CT nor structures; put ct.nrrd and a .seg.nrrd file into it.")

    plan = read_plan_file(path / PLAN_FILE)
    names = [segment.name for segment in segments]
    guesses = match_structure_names(names)
    matches = apply_plan(guesses, names, plan)
    warnings: list[str] = []
    structures = []
    for segment, match in zip(segments, matches, strict=True):
        if not segment.mask.array.any() and match.role is not StructureRole.TARGET:
            warnings.append(f"{segment.name} has no voxels and was left out.")
            continue
        warnings.extend(_doubts(segment.name, match))
        structures.append(
            Structure(segment.name, segment.mask, match.role, match.standard_name, match.prescription_gy, segment.color)
        )
    if files.ct is not None and is_sampled_modality(files.ct):
        warnings.append(
            f"{files.ct.name} was sampled by a model, as ct.json beside it says; put the planning CT in its place and "
            "take ct.json away."
        )
    dose = None
    if files.dose is not None and is_predicted_dose(files.dose):
        warnings.append(
            f"{files.dose.name} was predicted, as {PREDICTION} beside it says, so it is no clinical dose and was "
            f"passed over; if it is one, take {PREDICTION} away."
        )
    elif files.dose is not None:
        read = read_scalar_volume(files.dose)
        dose = Volume(read.array.astype(np.float32), read.geometry)
    return Patient(
        patient_identifier(path), grid, ct, tuple(structures), fractions=plan.fractions, technique=plan.technique,
        site=plan.site, beams=plan.beams, reference_dose=dose, warnings=tuple(warnings),
    )  # fmt: skip


def _files(path: Path) -> _Files:
    images = _images(path)
    segmentations = [entry for entry in images if image_suffix(entry) == _SEGMENTATION_SUFFIX]
    others = [entry for entry in images if entry not in segmentations]
    return _Files(
        ct=_only(others, "ct"),
        dose=_only(others, "dose"),
        segmentations=tuple(segmentations),
        masks=tuple(entry for entry in others if _is_mask(entry)),
    )


def _images(path: Path) -> list[Path]:
    return sorted(entry for entry in path.iterdir() if image_suffix(entry) and not entry.name.startswith("."))


def _is_mask(image: Path) -> bool:
    stem = image_stem(image).lower()
    return stem not in {"ct", *_DOSES} and not stem.startswith(_DIFFERENCE)


def _only(files: Sequence[Path], stem: str) -> Path | None:
    found = [file for file in files if image_stem(file).lower() == stem]
    if len(found) > 1:
        raise InputError(
            f"{found[0].parent} holds {' and '.join(file.name for file in found)}; keep the one that belongs to the "
            "plan."
        )
    return found[0] if found else None


def _read_mask(path: Path) -> tuple[Geometry, Segment]:
    volume = read_scalar_volume(path)
    positive = volume.array > 0  # NaN isn't
    value = volume.array[positive].max() if positive.any() else 0
    if (
        volume.array.dtype.kind == "f"
        and not np.isfinite(volume.array).all()
        or (volume.array[positive] != value).any()
    ):
        raise InputError(
            f"{path} holds more than zero and one other value, so it is no mask of one structure; save one file a "
            "structure, or a .seg.nrrd file, and keep other images elsewhere."
        )
    mask = Volume(positive.astype(np.uint8), volume.geometry)
    if positive.any():
        mask = mask.cropped_to_nonzero()
    else:
        mask = Volume(np.zeros((1, 1, 1), np.uint8), volume.geometry.cropped((0, 0, 0), (1, 1, 1)))
    return volume.geometry, Segment(image_stem(path), mask, None)


def _doubts(name: str, match: NameMatch) -> list[str]:
    """What to tell the user of a match that is only a guess."""
    if match.sure or match.confidence == 0.0:
        return []  # what matches nothing at all is said once for all by `check_patient`
    taken_for = match.standard_name or match.role.value
    return [f"{name} was taken for {taken_for}: {match.reason}. Correct it in prescription.json if that is wrong."]
