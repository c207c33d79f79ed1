"""The network of the Adaptive Dose Calibration: a few 3D convolutions that correct a dose inside the structures."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from DosePredictionLib.networks.blocks import activation

#: Dilations of the convolutions, one after the other; together they see 7 voxels far.
DILATIONS = (1, 2, 4)
REACH = sum(DILATIONS)


class CalibrationNet(nn.Module):
    """Adds a correction to a dose, inside the structures only; with fresh weights the correction is zero.

    Fully convolutional and without statistics over the volume, so that a part of a patient is corrected as the whole
    patient would be.

    Args:
        conditions: number of the patient's channels.
        width: channels of the hidden layers.
    """

    def __init__(self, conditions: int, width: int = 16) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            nn.Conv3d(width if index else conditions + 1, width, 3, padding=dilation, dilation=dilation)
            for index, dilation in enumerate(DILATIONS)
        )
        self.correction = nn.Conv3d(width, 1, 1)
        for parameter in self.correction.parameters():
            nn.init.zeros_(parameter)

    def forward(self, dose: Tensor, conditions: Tensor, inside: Tensor) -> Tensor:
        """The corrected dose, (N, 1, Z, Y, X).

        Args:
            dose: (N, 1, Z, Y, X) over the highest prescription.
            conditions: (N, conditions, Z, Y, X) the patient's channels.
            inside: (N, 1, Z, Y, X) boolean, where the dose may be corrected.
        """
        x = torch.cat([dose.to(conditions.dtype), conditions], dim=1).contiguous(memory_format=torch.channels_last_3d)
        for index, layer in enumerate(self.layers):
            hidden = activation(layer(x))
            x = hidden + x if index else hidden
        return dose + torch.where(inside, self.correction(x).to(dtype=dose.dtype), torch.zeros_like(dose))
