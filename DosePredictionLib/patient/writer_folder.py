"""Writer of patients as a folder that this library, Slicer and other tools open (see `reader_folder`)."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from DosePredictionLib.errors import InputError
from DosePredictionLib.patient.geometry import Geometry
from DosePredictionLib.patient.patient import Patient
from DosePredictionLib.patient.plan_file import PLAN_FILE, write_plan_file
from DosePredictionLib.patient.segmentation_nrrd import Segment, start_within, write_segmentation
from DosePredictionLib.whole_file import move_onto, partial_folder


def write_patient_folder(patient: Patient, path: str | Path) -> None:
    """Write ``ct.nrrd``, ``structures.seg.nrrd``, ``prescription.json`` and, with a reference dose, ``dose.nrrd``.

    Structures whose voxels aren't the CT's get files of their own (``structures-2.seg.nrrd``, ...), so that none is
    resampled. Segments hold zeros and ones: what was measured by its contours or surface (see `OutlinedMask`) is
    measured by its voxels after that. The folder appears whole or not at all.

    Raises:
        InputError: the folder exists and isn't empty, or can't be written.
    """
    path = Path(path)
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise InputError(f"{path} exists and is not an empty folder; choose another name or empty it first.")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with partial_folder(path.parent) as folder:
            _write(patient, folder)
            move_onto(folder, path)
    except OSError as error:
        reason = error.strerror or str(error)
        raise InputError(f"Cannot write {path}: {reason}; choose a folder that you may write to.") from error


def _write(patient: Patient, folder: Path) -> None:
    if patient.ct is not None:
        patient.ct.write(folder / "ct.nrrd")
    for number, (geometry, segments) in enumerate(_by_grid(patient), start=1):
        name = "structures" if number == 1 else f"structures-{number}"
        write_segmentation(segments, geometry, folder / f"{name}.seg.nrrd")
    write_plan_file(patient, folder / PLAN_FILE)
    if patient.reference_dose is not None:
        patient.reference_dose.write(folder / "dose.nrrd")


def _by_grid(patient: Patient) -> list[tuple[Geometry, list[Segment]]]:
    """Segments grouped by the grid whose voxels they are on; the CT's grid first."""
    groups: list[tuple[Geometry, list[Segment]]] = [(patient.geometry, [])]
    for structure in patient.structures:
        mask = structure.mask.cropped_to_nonzero()
        group = next((g for g in groups if start_within(g[0], mask.geometry, anywhere=True) is not None), None)
        if group is None:
            group = (mask.geometry, [])
            groups.append(group)
        group[1].append(Segment(structure.name, mask, structure.color))
    return [(_covering(geometry, segments), segments) for geometry, segments in groups if segments]


def _covering(geometry: Geometry, segments: list[Segment]) -> Geometry:
    """The grid continued as far as the segments reach."""
    low, high = np.zeros(3, int), np.asarray(geometry.shape)
    for segment in segments:
        start = start_within(geometry, segment.mask.geometry, anywhere=True)
        assert start is not None
        low = np.minimum(low, start)
        high = np.maximum(high, np.asarray(start) + segment.mask.array.shape)
    if not low.any() and tuple(high) == geometry.shape:
        return geometry
    z, y, x = (int(index) for index in low)
    depth, height, width = (int(count) for count in high - low)
    return geometry.cropped((z, y, x), (depth, height, width))
