"""Adaptive Dose Calibration after any system: its weights files, and their use."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from DosePredictionLib.conditioning.channels import ModelInput
from DosePredictionLib.errors import InputError
from DosePredictionLib.inference.weights import LoadedWeights, fill_network, read_weights
from DosePredictionLib.inference.weights_header import WeightsHeader
from DosePredictionLib.systems.adaptive_calibration import AdaptiveCalibration


@dataclass(frozen=True)
class DoseCalibration:
    """A calibration ready for use, and where it came from.

    Attributes:
        calibration: its make-up.
        network: on the processor, in evaluation mode, float32.
        header: see `WeightsHeader`.
        path: the file.
        sha256: of the whole file.
    """

    calibration: AdaptiveCalibration
    network: nn.Module
    header: WeightsHeader
    path: Path
    sha256: str

    def apply(self, inputs: ModelInput, dose_gy: np.ndarray, device: torch.device | None = None) -> np.ndarray:
        """The dose refined inside the structures; see `AdaptiveCalibration.calibrated_dose`."""
        network = self.network if device is None else self.network.to(device)
        return self.calibration.calibrated_dose(network, inputs, dose_gy)

    def belongs_to(self, weights: LoadedWeights) -> bool:
        """Whether it was trained on samples of these very weights."""
        return self.calibration.after_weights == parameters_sha256(weights)


def is_calibration(header: WeightsHeader) -> bool:
    """Whether a weights file is a dose calibration's, not a system's."""
    return header.system == AdaptiveCalibration.name


def parameters_sha256(weights: LoadedWeights) -> str:
    """Of a network's parameters in half precision, so that it is the same whatever the file's header says.

    The companions' parameters belong to it.
    """
    digest = hashlib.sha256()
    for member in (weights, *weights.companions):
        for name, value in sorted(member.network.state_dict().items()):
            digest.update(f"{name}{tuple(value.shape)}".encode())
            digest.update(value.detach().cpu().half().numpy().tobytes())
    return digest.hexdigest()


def load_calibration(path: str | Path, weights: LoadedWeights) -> DoseCalibration:
    """Read a calibration's weights file, check it to the last byte, and build its network.

    Args:
        path: the file.
        weights: whose doses it will calibrate.

    Raises:
        InputError: the file is missing, damaged, no calibration, or one of another system.
    """
    path = Path(path)
    file = read_weights(path)
    if not is_calibration(file.header):
        raise InputError(
            f"{path} holds weights of the system {file.header.system!r}, not a dose calibration; choose a file that "
            "the training stage calibration made."
        )
    try:
        calibration = AdaptiveCalibration(**file.header.config)  # type: ignore[arg-type]
    except TypeError as error:
        raise InputError(f"The dose calibration {path} does not fit this version: {error}.") from error
    if calibration.after != weights.header.system or calibration.channels != tuple(weights.system.channels):
        raise InputError(
            f"The dose calibration {path} was trained for the system {calibration.after!r} and the channels "
            f"{', '.join(calibration.channels)}, not for {weights.path.name}; choose the one made for these weights."
        )
    network = fill_network(calibration.build_network(), file, path)
    return DoseCalibration(calibration, network, file.header, path, file.sha256)
