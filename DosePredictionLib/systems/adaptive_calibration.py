"""Adaptive Dose Calibration (ADC): what follows a system and refines its dose inside the structures.

After MAGDiff-ADC (see `systems.magdiff_adc`), whose abstract asks for a lightweight, fully convolutional module that
refines dose values within the regions of interest. It is trained on one system's own samples and belongs to that
system's weights; it starts as the identity and leaves the dose outside targets and organs untouched.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, cast

import numpy as np
import torch
from torch import nn

from DosePredictionLib.conditioning.channels import CHANNELS, ModelInput
from DosePredictionLib.conditioning.grid import box_of
from DosePredictionLib.conditioning.padding import window
from DosePredictionLib.networks.calibration_net import CELL, REACH, CalibrationNet
from DosePredictionLib.systems.batch_of_one import batch_of_one
from DosePredictionLib.systems.tuples_from_json import TuplesFromJson


@dataclass(frozen=True)
class AdaptiveCalibration(TuplesFromJson):
    """A calibration's make-up. Its fields are the ``config`` of its weights file.

    Attributes:
        after: name of the system whose doses it calibrates.
        after_weights: SHA-256 of the parameters whose samples it was trained on.
        channels: the patient's channels, in order: the system's.
        width: channels of the hidden layers.
    """

    after: str = "default"
    after_weights: str = ""
    channels: tuple[str, ...] = CHANNELS
    width: int = 48

    name: ClassVar[str] = "adc"

    def build_network(self) -> CalibrationNet:
        """The network with fresh weights: the identity."""
        return CalibrationNet(len(self.channels), self.width)

    def calibrated_dose(self, network: nn.Module, inputs: ModelInput, dose_gy: np.ndarray) -> np.ndarray:
        """The dose in Gy with the structures' voxels refined, never negative.

        Args:
            network: what `build_network` made; its device is used.
            inputs: the conditioned patient, with the channels of this calibration.
            dose_gy: (Z, Y, X) on ``inputs.geometry``; left as it is.

        Returns:
            float32 (Z, Y, X).
        """
        calibrated = np.array(dose_gy, dtype=np.float32)
        inside = structures_mask(inputs)
        if not inside.any():
            return calibrated
        start, shape = reach_of(inside)
        part = inputs.cropped(start, shape)
        place = window(shape, start)
        device = next(network.parameters()).device
        relative = batch_of_one(calibrated[place] / np.float32(inputs.prescription_gy), device)[None]
        conditions = batch_of_one(part.channels.astype(np.float32), device)
        mask = batch_of_one(inside[place], device)[None]
        with torch.inference_mode(), torch.autocast(device.type, dtype=torch.bfloat16):
            refined = cast(CalibrationNet, network)(relative, conditions, mask)
        new_gy = refined[0, 0].float().cpu().numpy() * np.float32(inputs.prescription_gy)
        calibrated[place] = np.where(inside[place], np.maximum(new_gy, 0.0), calibrated[place])
        return calibrated


def structures_mask(inputs: ModelInput) -> np.ndarray:
    """(Z, Y, X) boolean: the targets and organs that the channels show, within the dose region."""
    inside = inputs.channel("prescription") > 0
    for mask in inputs.organ_masks().values():
        inside = inside | mask
    return inside & inputs.region


def reach_of(inside: np.ndarray) -> tuple[tuple[int, int, int], tuple[int, int, int]]:
    """First index and shape of the box around a mask that the network's corrections depend on, cut to the volume.

    It starts and, unless the volume does, ends between two of the network's cells.
    """
    start, shape = box_of(inside)
    low = [max(0, (first - REACH) // CELL * CELL) for first in start]
    ends = [-(-(first + size + REACH) // CELL) * CELL for first, size in zip(start, shape, strict=True)]
    high = [min(whole, end) for end, whole in zip(ends, inside.shape, strict=True)]
    return (low[0], low[1], low[2]), (high[0] - low[0], high[1] - low[1], high[2] - low[2])
