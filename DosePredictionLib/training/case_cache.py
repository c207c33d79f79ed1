"""Conditioned training cases on disk, so that a run starts at once."""

from __future__ import annotations

import hashlib
import os
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from DosePredictionLib.conditioning.channels import ModelInput, model_input
from DosePredictionLib.conditioning.dose_units import in_model_units
from DosePredictionLib.conditioning.padding import pad_to
from DosePredictionLib.conditioning.resampling import resample
from DosePredictionLib.errors import InputError
from DosePredictionLib.patient.case_files import case_files
from DosePredictionLib.patient.checks import check_patient
from DosePredictionLib.patient.geometry import Geometry, index3, vector3
from DosePredictionLib.patient.patient import Patient
from DosePredictionLib.patient.patient_digest import patient_digest
from DosePredictionLib.whole_file import whole_file


@dataclass(frozen=True)
class TrainingCase:
    """A conditioned patient and its dose.

    Attributes:
        identifier: the patient's.
        inputs: channels in float16.
        dose_gy: (Z, Y, X) float16 on ``inputs.geometry``.
        digest: of the patient (`patient_digest`), which the header of the weights names it by; empty when unknown, as
            for an augmented case.
    """

    identifier: str
    inputs: ModelInput
    dose_gy: np.ndarray
    digest: str = ""

    def padded_dose(self, shape: tuple[int, ...], offset: tuple[int, ...]) -> np.ndarray:
        """The dose in model units (zero dose -1, highest prescription +1), float32, laid into a larger volume."""
        padded = pad_to(self.dose_gy.astype(np.float32), shape, offset)
        return in_model_units(padded, self.inputs)

    def mean_error_gy(self, predicted_gy: np.ndarray) -> float:
        """Mean absolute error of another dose of the case, float32 (Z, Y, X), in the dose region."""
        return float(np.abs(predicted_gy - self.dose_gy.astype(np.float32))[self.inputs.region].mean())


def training_case(patient: Patient, channels: Sequence[str]) -> TrainingCase:
    """Condition a patient for training, exactly as for prediction.

    Raises:
        InputError: the patient has no reference dose, or can't be predicted (`check_patient`).
    """
    reference_dose = patient.reference_dose
    if reference_dose is None:
        raise InputError(f"{patient.identifier} has no reference dose to learn from; add dose.nrrd or leave it out.")
    patient = check_patient(patient)
    inputs = model_input(patient, channels)
    dose_gy = resample(reference_dose, inputs.geometry)
    compact = replace(inputs, channels=inputs.channels.astype(np.float16))
    return TrainingCase(patient.identifier, compact, dose_gy.astype(np.float16), patient_digest(patient) or "")


def save_case(case: TrainingCase, path: Path) -> None:
    """Write a case; the file appears whole or not at all.

    Raises:
        InputError: the folder can't be written to, or is full.
    """
    geometry = case.inputs.geometry
    with whole_file(path) as temporary:
        np.savez(
            temporary,
            identifier=case.identifier,
            names=np.array(case.inputs.names),
            channels=case.inputs.channels,
            scalars=case.inputs.scalars,
            region=case.inputs.region,
            prescription_gy=case.inputs.prescription_gy,
            technique=case.inputs.technique or "",
            site=case.inputs.site or "",
            dose_gy=case.dose_gy,
            digest=case.digest,
            spacing_mm=geometry.spacing_mm,
            origin_mm=geometry.origin_mm,
            direction=geometry.direction,
        )


def _stated(data: Mapping[str, np.ndarray], name: str) -> str | None:
    return str(data[name]) or None if name in data else None


def load_case(path: Path) -> TrainingCase:
    """Read what `save_case` wrote."""
    with np.load(path, allow_pickle=False) as data:
        region = data["region"]
        geometry = Geometry(
            index3(region.shape), vector3(data["spacing_mm"]), vector3(data["origin_mm"]), tuple(data["direction"])
        )
        inputs = ModelInput(
            tuple(str(name) for name in data["names"]), data["channels"], data["scalars"], region, geometry,
            float(data["prescription_gy"]), technique=_stated(data, "technique"), site=_stated(data, "site"),
        )  # fmt: skip
        digest = str(data["digest"]) if "digest" in data else ""  # files from before there were digests have none
        return TrainingCase(str(data["identifier"]), inputs, data["dose_gy"], digest)


def cached_cases(folder: str | Path, cache: Path, channels: Sequence[str]) -> Iterator[TrainingCase]:
    """All cases of a folder that can be trained on, conditioned once and kept in ``cache``.

    A case's file is named by its identifier, its files' names, sizes and times (`case_files`), and the channel list;
    change one of these and it is made anew, as it is when the file is damaged. Cases without a dose, and those that the
    predictor would refuse, are passed over.

    Raises:
        InputError: ``cache`` can't be written to, or is full.
    """
    from DosePredictionLib.patient.cases import named_cases

    try:
        cache.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"Cannot write to the cache {cache} ({error.strerror}); give another folder.") from error
    for case in named_cases([folder]):
        key = hashlib.sha256(f"{channels}{_facts(case.path)}".encode()).hexdigest()[:12]
        path = cache / f"{case.identifier}-{key}.npz"
        kept = _kept_case(path)
        if kept is None:
            try:
                made = training_case(case.read(), channels)
            except InputError as problem:
                print(f"passed over {case.identifier}: {problem}", flush=True)
                continue
            save_case(made, path)
            kept = load_case(path)
        elif not kept.digest:
            try:
                kept = replace(kept, digest=patient_digest(case.read()) or "")
            except InputError:  # it could be read once, and the run goes on with it
                yield kept
                continue
            save_case(kept, path)
        yield kept


def _facts(path: Path) -> list[tuple[str, int, int]]:
    """What tells that a case changed: each file's name from the case on, size, and time of its last change."""
    base = path if path.is_dir() else path.resolve().parent
    return [
        (Path(os.path.relpath(file, base)).as_posix(), about.st_size, about.st_mtime_ns)
        for file, about in ((file, file.stat()) for file in case_files(path))
    ]


def _kept_case(path: Path) -> TrainingCase | None:
    """The case in a file of the cache; None when there is none, or one that was cut off or damaged."""
    try:
        return load_case(path) if path.exists() else None
    except (BadZipFile, zlib.error, OSError, EOFError, ValueError, KeyError):
        return None
