"""The network of the Adaptive Dose Calibration: 3D convolutions that correct a dose inside the structures."""

from __future__ import annotations

import torch
import torch.nn.functional as functional
from torch import Tensor, nn

from DosePredictionLib.networks.blocks import activation
from DosePredictionLib.networks.slice_blocks import start_at_zero

#: Voxels (along each axis) of a cell: the convolutions run on cells, with a channel for each voxel in them.
CELL = 2
#: Dilations of the residual convolutions, one after the other.
DILATIONS = (1, 2, 4, 8, 4, 2, 1)
#: How many voxels far a correction sees: enough for the other parotid, or the far side of a target.
REACH = CELL * (1 + sum(DILATIONS))


class CalibrationNet(nn.Module):
    """Adds a correction to a dose, inside the structures only; with fresh weights the correction is zero.

    Fully convolutional and without statistics over the volume, so that a part of a patient is corrected as the whole
    patient would be, when it starts at a multiple of `CELL` voxels.

    Args:
        conditions: number of the patient's channels.
        width: channels of the hidden layers.
    """

    def __init__(self, conditions: int, width: int = 48) -> None:
        super().__init__()
        self.stem = nn.Conv3d((conditions + 1) * CELL**3, width, 3, padding=1)
        self.layers = nn.ModuleList(
            nn.Conv3d(width, width, 3, padding=dilation, dilation=dilation) for dilation in DILATIONS
        )
        self.correction = nn.Conv3d(width, CELL**3, 1)
        start_at_zero(self.correction)
        for module in self.modules():
            if isinstance(module, nn.Conv3d):
                module.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]

    def forward(self, dose: Tensor, conditions: Tensor, inside: Tensor) -> Tensor:
        """The corrected dose, (N, 1, Z, Y, X).

        Args:
            dose: (N, 1, Z, Y, X) over the highest prescription.
            conditions: (N, conditions, Z, Y, X) the patient's channels.
            inside: (N, 1, Z, Y, X) boolean, where the dose may be corrected.
        """
        x = activation(self.stem(_cells(torch.cat([dose.to(conditions.dtype), conditions], dim=1))))
        for layer in self.layers:
            x = x + activation(layer(x))
        z, y, x_size = dose.shape[2:]
        correction = _voxels(self.correction(x))[:, :, :z, :y, :x_size].to(dose.dtype)
        return dose + torch.where(inside, correction, torch.zeros_like(dose))


def _cells(volume: Tensor) -> Tensor:
    """(N, C, Z, Y, X) to (N, 8 C, Z/2, Y/2, X/2); zeros fill the last cells up."""
    padding = [end for size in reversed(volume.shape[2:]) for end in (0, -size % CELL)]
    volume = functional.pad(volume, padding)
    n, c, z, y, x = volume.shape
    cells = volume.reshape(n, c, z // CELL, CELL, y // CELL, CELL, x // CELL, CELL).permute(0, 1, 3, 5, 7, 2, 4, 6)
    packed = cells.reshape(n, c * CELL**3, z // CELL, y // CELL, x // CELL)
    return packed.contiguous(memory_format=torch.channels_last_3d)


def _voxels(cells: Tensor) -> Tensor:
    """(N, 8, Z, Y, X) to (N, 1, 2 Z, 2 Y, 2 X)."""
    n, _, z, y, x = cells.shape
    split = cells.reshape(n, 1, CELL, CELL, CELL, z, y, x).permute(0, 1, 5, 2, 6, 3, 7, 4)
    return split.reshape(n, 1, z * CELL, y * CELL, x * CELL)
