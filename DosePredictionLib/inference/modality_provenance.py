"""Where a sampled modality came from."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

from DosePredictionLib.intended_use import INTENDED_USE
from DosePredictionLib.json_file import write_json


@dataclass(frozen=True)
class ModalityProvenance:
    """Where a sampled CT, contours ... came from, as MODALITY.json beside MODALITY.nrrd keeps it.

    Attributes:
        modality: that was sampled: "ct", "ptv" ...
        values: what its voxels hold: "HU, air outside the body", or which label is which organ.
        system, weights, weights_sha256: what sampled it.
        trained_on: one sentence from the weights' header.
        patient: identifier of the patient whose other modalities it was sampled from; never a person's name.
        samples, steps, seed: how.
        versions: of the packages that matter.
        intended_use: always the same sentence.
    """

    modality: str
    values: str
    system: str
    weights: str
    weights_sha256: str
    trained_on: str
    patient: str
    samples: int
    steps: int
    seed: int
    versions: dict[str, str]
    intended_use: str = INTENDED_USE

    def write(self, path: str | Path) -> None:
        """Write MODALITY.json; it appears whole or not at all.

        Raises:
            InputError: it can't be written.
        """
        write_json(path, asdict(self))
