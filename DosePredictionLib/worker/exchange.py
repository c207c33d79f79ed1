"""Patients and doses as files between the worker and its client. Plain arrays and JSON; nothing is unpickled."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from DosePredictionLib.inference.options import Provenance
from DosePredictionLib.patient.beams import Beam, BeamArrangement
from DosePredictionLib.patient.geometry import Geometry, index3, vector3
from DosePredictionLib.patient.patient import Patient
from DosePredictionLib.patient.structure import Structure, StructureRole
from DosePredictionLib.patient.volume import Volume
from DosePredictionLib.whole_file import move_onto


def write_patient(patient: Patient, path: Path) -> None:
    """Write what a prediction needs of a patient; the reference dose stays behind, and what masks are measured by."""
    arrays: dict[str, np.ndarray] = {}
    if patient.ct is not None:
        arrays["ct"] = patient.ct.array
    structures = []
    for index, structure in enumerate(patient.structures):
        mask = structure.mask.cropped_to_nonzero()
        arrays[f"mask{index}"] = mask.array.astype(bool)
        structures.append({
            "name": structure.name, "role": structure.role.value, "standard_name": structure.standard_name,
            "prescription_gy": structure.prescription_gy, "color": structure.color, "grid": asdict(mask.geometry),
        })  # fmt: skip
    described = {
        "identifier": patient.identifier,
        "grid": asdict(patient.geometry),
        "ct_grid": None if patient.ct is None else asdict(patient.ct.geometry),
        "structures": structures,
        "fractions": patient.fractions,
        "technique": patient.technique,
        "site": patient.site,
        "beams": None if patient.beams is None else asdict(patient.beams),
        "warnings": patient.warnings,
    }
    _write(path, described, arrays)


def read_patient_exchange(path: Path) -> Patient:
    """Read what `write_patient` wrote."""
    with np.load(path, allow_pickle=False) as data:
        described = json.loads(str(data["described"]))
        geometry = _geometry(described["grid"])
        structures = tuple(
            Structure(
                name=entry["name"],
                mask=Volume(data[f"mask{index}"], _geometry(entry["grid"])),
                role=StructureRole(entry["role"]),
                standard_name=entry["standard_name"],
                prescription_gy=entry["prescription_gy"],
                color=None if entry["color"] is None else tuple(entry["color"]),
            )
            for index, entry in enumerate(described["structures"])
        )
        # The CT's own grid, for the check that it is the patient's.
        ct = Volume(data["ct"], _geometry(described["ct_grid"])) if "ct" in data else None
    beams = described["beams"]
    return Patient(
        identifier=described["identifier"],
        geometry=geometry,
        ct=ct,
        structures=structures,
        fractions=described["fractions"],
        technique=described["technique"],
        site=described["site"],
        beams=None if beams is None else BeamArrangement(
            tuple(Beam(**beam) for beam in beams["beams"]),
            None if beams["isocentre_mm"] is None else tuple(beams["isocentre_mm"]),
        ),
        warnings=tuple(described["warnings"]),
    )  # fmt: skip


def write_dose(
    dose: Volume, dose_std: Volume | None, provenance: Provenance, path: Path, uncalibrated: Volume | None = None
) -> None:
    """Write a predicted dose."""
    arrays = {"dose": dose.array}
    if dose_std is not None:
        arrays["dose_std"] = dose_std.array
    if uncalibrated is not None:
        arrays["uncalibrated"] = uncalibrated.array
    _write(path, {"grid": asdict(dose.geometry), "provenance": asdict(provenance)}, arrays)


def read_dose(path: Path) -> tuple[Volume, Volume | None, Provenance, Volume | None]:
    """Read what `write_dose` wrote: dose, standard deviation, provenance, dose before its calibration."""
    with np.load(path, allow_pickle=False) as data:
        described = json.loads(str(data["described"]))
        geometry = _geometry(described["grid"])
        dose = Volume(data["dose"], geometry)
        dose_std = Volume(data["dose_std"], geometry) if "dose_std" in data else None
        uncalibrated = Volume(data["uncalibrated"], geometry) if "uncalibrated" in data else None
    return dose, dose_std, Provenance.from_dict(described["provenance"]), uncalibrated


def _write(path: Path, described: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
    temporary = path.with_suffix(".partial.npz")
    np.savez(temporary, described=np.array(json.dumps(described)), **arrays)  # type: ignore[arg-type]
    move_onto(temporary, path)


def _geometry(entry: dict[str, Any]) -> Geometry:
    return Geometry(
        index3(entry["shape"]), vector3(entry["spacing_mm"]), vector3(entry["origin_mm"]), tuple(entry["direction"])
    )
