"""Conditioned training cases on disk, so that a run starts at once."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from DosePredictionLib.conditioning.channels import ModelInput, model_input
from DosePredictionLib.conditioning.padding import pad_to
from DosePredictionLib.conditioning.resampling import resample
from DosePredictionLib.errors import InputError
from DosePredictionLib.patient.geometry import Geometry, index3, vector3
from DosePredictionLib.patient.patient import Patient


@dataclass(frozen=True)
class TrainingCase:
    """A conditioned patient and its dose.

    Attributes:
        identifier: the patient's.
        inputs: channels in float16.
        dose_gy: (Z, Y, X) float16 on ``inputs.geometry``.
    """

    identifier: str
    inputs: ModelInput
    dose_gy: np.ndarray

    def padded_dose(self, shape: tuple[int, ...], offset: tuple[int, ...]) -> np.ndarray:
        """The dose in model units (zero dose -1, highest prescription +1), float32, laid into a larger volume."""
        padded = pad_to(self.dose_gy.astype(np.float32), shape, offset)
        return padded / np.float32(self.inputs.prescription_gy / 2) - 1


def training_case(patient: Patient, channels: Sequence[str]) -> TrainingCase:
    """Condition a patient for training, exactly as for prediction.

    Raises:
        InputError: the patient has no reference dose.
    """
    if patient.reference_dose is None:
        raise InputError(f"{patient.identifier} has no reference dose to learn from; add dose.nrrd or leave it out.")
    inputs = model_input(patient, channels)
    dose_gy = resample(patient.reference_dose, inputs.geometry)
    compact = replace(inputs, channels=inputs.channels.astype(np.float16))
    return TrainingCase(patient.identifier, compact, dose_gy.astype(np.float16))


def save_case(case: TrainingCase, path: Path) -> None:
    """Write a case; the file appears whole or not at all."""
    geometry = case.inputs.geometry
    temporary = path.with_suffix(f".partial-{os.getpid()}.npz")
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
        spacing_mm=geometry.spacing_mm,
        origin_mm=geometry.origin_mm,
        direction=geometry.direction,
    )
    os.replace(temporary, path)


def load_case(path: Path) -> TrainingCase:
    """Read what `save_case` wrote."""
    with np.load(path, allow_pickle=False) as data:
        region = data["region"]
        geometry = Geometry(
            index3(region.shape), vector3(data["spacing_mm"]), vector3(data["origin_mm"]), tuple(data["direction"])
        )
        inputs = ModelInput(
            tuple(str(name) for name in data["names"]), data["channels"], data["scalars"], region, geometry,
            float(data["prescription_gy"]), *(str(data[name]) or None if name in data else None
                                              for name in ("technique", "site")),
        )  # fmt: skip
        return TrainingCase(str(data["identifier"]), inputs, data["dose_gy"])


def cached_cases(folder: str | Path, cache: Path, channels: Sequence[str]) -> Iterator[TrainingCase]:
    """All cases of a folder that can be trained on, conditioned once and kept in ``cache``.

    A case's file is named by its identifier, its source's sizes and times, and the channel list; change one of these
    and it is made anew. Cases without a dose, a target or a dose region are passed over.
    """
    from DosePredictionLib.patient.cases import named_cases

    cache.mkdir(parents=True, exist_ok=True)
    for case in named_cases([folder]):
        # A folder's own time doesn't tell that a file in it was changed.
        sources = sorted(case.path.rglob("*")) if case.path.is_dir() else [case.path]
        facts = "".join(f"{about.st_size}{about.st_mtime_ns}" for about in map(Path.stat, sources))
        key = hashlib.sha256(f"{channels}{facts}".encode()).hexdigest()[:12]
        path = cache / f"{case.identifier}-{key}.npz"
        if not path.exists():
            try:
                save_case(training_case(case.read(), channels), path)
            except InputError as problem:
                print(f"passed over {case.identifier}: {problem}", flush=True)
                continue
        yield load_case(path)
