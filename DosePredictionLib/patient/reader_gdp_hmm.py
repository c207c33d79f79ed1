"""Reader of the GDP-HMM challenge's patients: a ``.npz`` file a plan with a pickled dictionary inside.

The challenge: AAPM 2025; Gao et al., "Automating High Quality RT Planning at Scale", arXiv:2501.11803. The pickle is
read by `restricted_unpickler`, which runs nothing.

The dictionary holds arrays (z, y, x) on voxels of 2.5 x 2.5 x 2 mm (x, y, z): ``img`` (HU), a mask a structure by its
name, ``dose`` and ``dose_scale`` whose product is Gy; ``isocenter`` in voxels (z, y, x), ``angle_list`` (gantry
angles in degrees), ``isVMAT``, ``beam_plate`` (z, y, x) and ``angle_plate`` (y, x); and in newer files ``origin``,
``spacing``, ``direction``.

Prescriptions are in a file of their own, ``PTV_DICT.json``: by patient (the file's name up to the first "+") and level,
the dose in Gy, the structure ("StructName") and the one it was optimised on ("OPTName"). It is looked for beside the
patient, in the two folders above, and in a ``meta_files`` folder of these. As in the challenge, the reference dose is
scaled so that 97 % of the highest target's OPTName get its prescription.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from DosePredictionLib.errors import InputError
from DosePredictionLib.json_file import read_json
from DosePredictionLib.patient.beams import Beam, BeamArrangement
from DosePredictionLib.patient.dicom_plan import ARC_STEP_DEG
from DosePredictionLib.patient.geometry import IDENTITY_DIRECTION, Geometry, index3, vector3
from DosePredictionLib.patient.identifier import patient_identifier
from DosePredictionLib.patient.naming import NameMatch, match_structure_names
from DosePredictionLib.patient.patient import Patient
from DosePredictionLib.patient.restricted_unpickler import RefusedPickle, holds_object_array, load_object_array
from DosePredictionLib.patient.structure import Structure, StructureRole
from DosePredictionLib.patient.volume import Volume

SPACING_MM = (2.5, 2.5, 2.0)
PRESCRIPTIONS_FILE = "PTV_DICT.json"
_NOT_MASKS = {"img", "dose", "beam_plate", "angle_plate"}
_HEAD_AND_NECK = ("brainstem", "larynx", "mandible", "ocavity", "parotid", "submand")
_LUNG = ("heart", "lad", "lung")
_LOWEST_HU = -1024


@dataclass(frozen=True)
class Level:
    """A target level of ``PTV_DICT.json``.

    Attributes:
        name: "PTV_High", "PTV_Mid" or "PTV_Low".
        dose_gy: the prescription.
        structure: name of the target; the highest level has only the one it was optimised on.
        optimised: name of the structure that the plan was optimised on.
    """

    name: str
    dose_gy: float
    structure: str
    optimised: str


def is_gdp_hmm(path: Path) -> bool:
    """Whether this is a patient of the challenge."""
    return path.suffix == ".npz" and path.is_file() and holds_object_array(path)


def read_gdp_hmm(path: Path) -> Patient:
    """Read a patient of the challenge.

    Without ``PTV_DICT.json`` the targets have the doses that their names tell, if any, and the dose is as stored; both
    are said in the warnings.

    Raises:
        InputError: the file is damaged or holds anything but data; the message names what.
    """
    content, geometry = _content(path)
    levels = read_levels(path)
    masks = {
        str(name): array != 0 for name, array in content.items()
        if name not in _NOT_MASKS and isinstance(array, np.ndarray) and array.shape == geometry.shape
    }  # fmt: skip
    masks = {name: mask for name, mask in masks.items() if mask.any()}
    matches = _with_levels(dict(zip(masks, match_structure_names(list(masks)), strict=True)), levels)
    structures = tuple(
        Structure(
            name, Volume(mask.astype(np.uint8), geometry).cropped_to_nonzero(), matches[name].role,
            matches[name].standard_name, matches[name].prescription_gy,
        )
        for name, mask in masks.items()
    )  # fmt: skip
    warnings = [] if levels else [
        f"There is no {PRESCRIPTIONS_FILE} beside {path.name} that has this patient, so the targets' prescriptions and "
        "the scale of the dose are unknown; put the challenge's file there."
    ]  # fmt: skip
    ct = np.maximum(np.rint(np.asarray(content["img"], dtype=np.float32)), _LOWEST_HU).astype(np.int16)
    return Patient(
        patient_identifier(path), geometry, Volume(ct, geometry), structures, technique=_technique(content),
        site=_site(masks), beams=_beams(content, geometry, path),
        reference_dose=_dose(content, geometry, levels, masks, path), warnings=tuple(warnings),
    )  # fmt: skip


def read_levels(path: Path) -> tuple[Level, ...]:
    """The patient's target levels, highest first; none when there is no ``PTV_DICT.json`` that has the patient.

    Raises:
        InputError: the file is no such table.
    """
    for table in prescription_tables(path):
        levels = _levels_of(table, path.stem.split("+")[0])
        if levels:
            return levels
    return ()


def prescription_tables(path: Path) -> list[Path]:
    """The tables of prescriptions that a patient is looked for in, in this order."""
    folders = (path.parent, *list(path.resolve().parents)[1:3])
    tables = [table for folder in folders
              for table in (folder / PRESCRIPTIONS_FILE, folder / "meta_files" / PRESCRIPTIONS_FILE)]  # fmt: skip
    return [table for table in tables if table.is_file()]


@lru_cache(maxsize=4)
def _table(path: str, _modified_ns: int) -> dict[str, Any]:
    content = read_json(path, "a table of patients")
    if not isinstance(content, dict):
        raise InputError(f"{path} is no table of patients; take it from the challenge again.")
    return content


def _levels_of(table: Path, patient: str) -> tuple[Level, ...]:
    patients = _table(str(table), table.stat().st_mtime_ns)
    entry = patients.get(patient.zfill(3)) or patients.get(patient) or {}
    try:
        levels = [
            Level(name, float(entry[name]["PDose"]), str(entry[name].get("StructName") or entry[name]["OPTName"]),
                  str(entry[name]["OPTName"]))
            for name in ("PTV_High", "PTV_Mid", "PTV_Low") if name in entry
        ]  # fmt: skip
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(f"{table}: the entry of {patient} lacks {error}; take it from the challenge again.") from error
    return tuple(sorted(levels, key=lambda level: -level.dose_gy))


def _content(path: Path) -> tuple[dict[str, Any], Geometry]:
    try:
        content = load_object_array(path)
    except RefusedPickle as reason:
        raise InputError(
            f"{path} was not opened: {reason}; a patient of the GDP-HMM challenge holds numpy arrays and nothing else, "
            "so take it from the challenge itself."
        ) from None
    image = content.get("img") if isinstance(content, dict) else None
    if not isinstance(image, np.ndarray) or image.ndim != 3 or image.dtype.kind not in "iuf" or not image.size:
        raise InputError(f"{path} holds no CT under the name img; take it from the challenge again.")
    spacing = _three(content.get("spacing"), SPACING_MM)
    if min(spacing) <= 0:
        raise InputError(f"{path} has a voxel spacing of {spacing} mm; take it from the challenge again.")
    direction = np.asarray(content.get("direction", IDENTITY_DIRECTION), dtype=float)
    if direction.size != 9 or abs(abs(np.linalg.det(direction.reshape(3, 3))) - 1.0) > 1e-3:
        direction = np.asarray(IDENTITY_DIRECTION)
    geometry = Geometry(
        index3(image.shape), vector3(spacing), vector3(_three(content.get("origin"), (0.0, 0.0, 0.0))),
        tuple(float(value) for value in direction.ravel()),
    )  # fmt: skip
    return content, geometry


def _three(values: Any, default: tuple[float, float, float]) -> tuple[float, float, float]:
    try:
        found = np.asarray(values, dtype=float).ravel()
    except (TypeError, ValueError):
        return default
    return vector3(found) if found.size == 3 and np.isfinite(found).all() else default


def _with_levels(matches: dict[str, NameMatch], levels: tuple[Level, ...]) -> dict[str, NameMatch]:
    """The matches with the levels' structures as the only targets, when levels are known."""
    if not levels:
        return matches
    targets = {level.structure if level.structure in matches else level.optimised: level for level in levels}
    result = {}
    for name, match in matches.items():
        if name in targets:
            level = targets[name]
            standard = match.standard_name or level.name
            result[name] = NameMatch(standard, StructureRole.TARGET, level.dose_gy, 1.0, f"{level.name} of the plan")
        elif match.role is StructureRole.TARGET:
            result[name] = NameMatch(None, StructureRole.OTHER, None, 0.9, "no level of the plan: measured")
        else:
            result[name] = match
    return result


def _dose(
    content: dict[str, Any], geometry: Geometry, levels: tuple[Level, ...], masks: dict[str, np.ndarray], path: Path
) -> Volume | None:
    stored = content.get("dose")
    if stored is None:
        return None
    if not isinstance(stored, np.ndarray) or stored.shape != geometry.shape or stored.dtype.kind not in "iuf":
        raise InputError(f"{path} has a dose that does not lie on its CT; take it from the challenge again.")
    dose = stored.astype(np.float64) * float(content.get("dose_scale", 1.0))
    if levels and levels[0].optimised in masks:
        # The challenge's own scaling, its small constant included.
        dose *= levels[0].dose_gy / (np.percentile(dose[masks[levels[0].optimised]], 3) + 1e-5)
    return Volume(dose.astype(np.float32), geometry)


def _technique(content: dict[str, Any]) -> str | None:
    turning = content.get("isVMAT")
    return None if turning is None else "VMAT" if bool(turning) else "IMRT"


def _site(masks: dict[str, np.ndarray]) -> str | None:
    names = [name.lower() for name in masks]
    if any(name.startswith(_HEAD_AND_NECK) for name in names):
        return "head-and-neck"
    return "lung" if any(part in name for name in names for part in _LUNG) else None


def _beams(content: dict[str, Any], geometry: Geometry, path: Path) -> BeamArrangement | None:
    if content.get("angle_list") is None:
        return None
    try:
        angles = np.unique(np.round(np.asarray(content["angle_list"], dtype=float).ravel() % 360.0, 3))
        centre = content.get("isocenter")
        index = None if centre is None else np.asarray(centre, dtype=float).ravel()
    except (TypeError, ValueError) as error:
        raise InputError(f"{path} has damaged beam angles ({error}); take it from the challenge again.") from error
    if not len(angles):
        return None
    if content.get("isVMAT"):
        kept = [angles[0]]
        for angle in angles[1:]:
            if angle - kept[-1] >= ARC_STEP_DEG - 1e-6 and angles[0] + 360.0 - angle >= ARC_STEP_DEG / 2:
                kept.append(angle)
        angles = np.array(kept)
    isocentre = None
    if index is not None and index.size == 3 and np.isfinite(index).all():
        isocentre = vector3(geometry.lps_of_index(index))
    return BeamArrangement(tuple(Beam(float(angle)) for angle in angles), isocentre)
