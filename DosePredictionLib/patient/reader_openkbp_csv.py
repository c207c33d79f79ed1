"""Reader of the OpenKBP challenge's own layout: a folder a patient, with sparse tables.

``ct.csv`` and ``dose.csv`` have a row for each voxel other than zero: its index in the flattened 128 x 128 x 128 array
(C order, the challenge's axes) and its value. ``Brainstem.csv``, ``PTV70.csv``, ``possible_dose_mask.csv`` and so on
list the voxels of a structure, their second column is empty. ``voxel_dimensions.csv`` has the spacing along the axes in
mm, a number a line. A structure that the patient hasn't got has no file; ``ct.csv`` and ``dose.csv`` may be missing.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from DosePredictionLib.errors import InputError
from DosePredictionLib.patient.geometry import Geometry
from DosePredictionLib.patient.identifier import patient_identifier
from DosePredictionLib.patient.openkbp_axes import OPENKBP_SHAPE, openkbp_to_zyx
from DosePredictionLib.patient.openkbp_patient import DOSE_REGION_NAME, OPENKBP_STRUCTURES, openkbp_patient
from DosePredictionLib.patient.patient import Patient
from DosePredictionLib.patient.plan_file import PLAN_FILE
from DosePredictionLib.patient.volume import Volume


def is_openkbp_csv(path: Path) -> bool:
    """Whether this folder holds a patient in the challenge's layout."""
    return path.is_dir() and (path / "voxel_dimensions.csv").is_file()


def is_openkbp_table(path: Path) -> bool:
    """Whether a patient in the challenge's layout is read from this table, there or not."""
    known = {"voxel_dimensions", "ct", "dose", DOSE_REGION_NAME, *OPENKBP_STRUCTURES}
    return path.name.lower() in {f"{name}.csv".lower() for name in known} and is_openkbp_csv(path.parent)


def read_openkbp_csv(path: Path) -> Patient:
    """Read a patient's folder.

    Raises:
        InputError: a table is damaged; the message names it.
    """
    spacing = _table(path / "voxel_dimensions.csv", skip=0, columns=0)
    if spacing.shape != (3,) or not (spacing > 0).all():
        raise InputError(
            f"{path / 'voxel_dimensions.csv'} must hold three positive numbers (mm), one a line; correct it."
        )
    masks = {}
    for name in (*OPENKBP_STRUCTURES, DOSE_REGION_NAME):
        table = path / f"{name}.csv"
        if table.is_file():
            mask = np.zeros(np.prod(OPENKBP_SHAPE), dtype=bool)
            mask[_indices(table, _table(table, columns=0))] = True
            masks[name] = mask.reshape(OPENKBP_SHAPE)
    ct = _read_values(path / "ct.csv") if (path / "ct.csv").is_file() else None
    dose = _read_values(path / "dose.csv") if (path / "dose.csv").is_file() else None
    stored_ct = None if ct is None else np.rint(ct).astype(np.int16)
    patient = openkbp_patient(patient_identifier(path), spacing, masks, stored_ct, dose)
    if not (path / PLAN_FILE).exists():
        return patient
    told = (
        f"{PLAN_FILE} is not read beside the challenge's tables, whose plan is known; write the patient as a case "
        "folder (write_patient_folder) to change what is in it."
    )
    return replace(patient, warnings=(*patient.warnings, told))


def read_openkbp_dose(path: str | Path, geometry: Geometry) -> Volume:
    """Read a dose in the challenge's layout (``dose.csv``, or a prediction ``pt_201.csv``) as float32 Gy.

    Args:
        path: the table.
        geometry: the patient's grid, 128 x 128 x 128.

    Raises:
        InputError: the table is missing or damaged, or the grid is of another size.
    """
    path = Path(path)
    if geometry.shape != OPENKBP_SHAPE:
        raise InputError(
            f"{path} lists voxels of a {OPENKBP_SHAPE} grid, but the patient's is {geometry.shape}; use NRRD."
        )
    return Volume(openkbp_to_zyx(_read_values(path)).astype(np.float32), geometry)


def _read_values(path: Path) -> np.ndarray:
    """The full array (float64, the challenge's axes) of a table with values."""
    table = _table(path, columns=(0, 1)).reshape(-1, 2)
    values = np.zeros(np.prod(OPENKBP_SHAPE))
    if not np.isfinite(table[:, 1]).all():
        raise InputError(f"{path} has rows without a number in the second column; export it again.")
    values[_indices(path, table[:, 0])] = table[:, 1]
    return values.reshape(OPENKBP_SHAPE)


def _table(path: Path, columns: int | tuple[int, ...], skip: int = 1) -> np.ndarray:
    try:
        text = path.read_text(encoding="utf-8-sig").splitlines()[skip:]
        if not any(line.strip() for line in text):
            return np.zeros(0)
        return np.loadtxt(text, delimiter=",", usecols=columns, dtype=np.float64, ndmin=1)
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read as a table of voxels ({error}); export it again.") from error


def _indices(path: Path, column: np.ndarray) -> np.ndarray:
    indices = column.astype(np.int64)
    if (indices != column).any() or (indices < 0).any() or (indices >= np.prod(OPENKBP_SHAPE)).any():
        raise InputError(f"{path} has voxel numbers outside of 0 to {np.prod(OPENKBP_SHAPE) - 1}; export it again.")
    return indices
