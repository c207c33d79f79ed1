"""What training makes small."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor


def dose_error_gy(predicted: Tensor, clean: Tensor, region: Tensor, gy_per_unit: Tensor) -> Tensor:
    """Mean absolute dose error in the dose region, in Gy: the dose score of OpenKBP (Babier et al., 2021, eq. 1).

    Args:
        predicted, clean: (N, 1, Z, Y, X) in model units.
        region: (N, 1, Z, Y, X) boolean.
        gy_per_unit: (N,) Gy for one model unit.
    """
    inside = (predicted - clean).abs().mul(region).flatten(1).sum(dim=1)
    return (inside / region.flatten(1).sum(dim=1).clamp(min=1) * gy_per_unit).mean()


@dataclass(frozen=True)
class StructureDoses:
    """The structures of a batch, whose dose-volume curves are looked at in training: one row a structure.

    Attributes:
        voxels: (R, L) places in the flattened batch (N * Z * Y * X); a row shorter than L is filled up with 0.
        count: (R,) voxels of each row that count.
        sorted_gy: (R, L) the clinical doses there, ascending; filled up with 0.
        quantiles: (R, 3) places among a row's sorted doses of its scored points: D99, D95 and D1 of a target; D0.1cc of
            an organ, three times.
        is_target: (R,) boolean; an organ is scored by its mean besides.
        gy_per_unit: (R,) Gy for one model unit.
    """

    voxels: Tensor
    count: Tensor
    sorted_gy: Tensor
    quantiles: Tensor
    is_target: Tensor
    gy_per_unit: Tensor


@dataclass(frozen=True)
class ScoredStructure:
    """One structure of one patient.

    Attributes:
        voxels: (n,) flat places in the padded volume; n > 0.
        is_target: a target or an organ.
        voxel_volume_cc: of one voxel.
    """

    voxels: np.ndarray
    is_target: bool
    voxel_volume_cc: float


def structure_doses(
    structures: Sequence[Sequence[ScoredStructure]], doses_gy: Sequence[np.ndarray], gy_per_unit: Sequence[float]
) -> StructureDoses:
    """The rows of a batch.

    Args:
        structures: those of each patient.
        doses_gy: (Z, Y, X) padded clinical dose of each patient, all of one shape.
        gy_per_unit: of each patient.
    """
    rows = [(patient, one) for patient, several in enumerate(structures) for one in several]
    longest = max((len(one.voxels) for _, one in rows), default=1)
    voxels = np.zeros((len(rows), longest), dtype=np.int64)
    sorted_gy = np.zeros((len(rows), longest), dtype=np.float32)
    quantiles = np.zeros((len(rows), 3), dtype=np.float32)
    for row, (patient, one) in enumerate(rows):
        count = len(one.voxels)
        voxels[row, :count] = one.voxels + patient * doses_gy[patient].size
        sorted_gy[row, :count] = np.sort(doses_gy[patient].reshape(-1)[one.voxels])
        if one.is_target:
            quantiles[row] = np.array([0.01, 0.05, 0.99]) * (count - 1)
        else:
            hottest = max(1, round(0.1 / one.voxel_volume_cc))
            quantiles[row] = (count - 1) * max(0.0, 1 - hottest / count)
    return StructureDoses(
        voxels=torch.from_numpy(voxels),
        count=torch.tensor([len(one.voxels) for _, one in rows]),
        sorted_gy=torch.from_numpy(sorted_gy),
        quantiles=torch.from_numpy(quantiles),
        is_target=torch.tensor([one.is_target for _, one in rows], dtype=torch.bool),
        gy_per_unit=torch.tensor([gy_per_unit[patient] for patient, _ in rows], dtype=torch.float32),
    )


def structure_errors_gy(predicted: Tensor, clean: Tensor, doses: StructureDoses) -> Tensor:
    """(R,) mean absolute dose error over each structure's voxels, in Gy.

    Args:
        predicted, clean: (N, 1, Z, Y, X) in model units.
        doses: the batch's structures.
    """
    counted = torch.arange(doses.voxels.shape[1], device=predicted.device)[None] < doses.count[:, None]
    errors = (predicted - clean).flatten()[doses.voxels].abs() * counted
    return errors.sum(dim=1) / doses.count * doses.gy_per_unit


def dvh_errors_gy(predicted: Tensor, doses: StructureDoses) -> tuple[Tensor, Tensor]:
    """How far the structures' dose-volume curves and their scored points are from the clinical ones, in Gy.

    The first is the area between the two cumulative curves over the relative volume (the value DVH loss; the mean
    difference of the sorted doses). The second is the mean error of the criteria of OpenKBP's DVH score (Babier et
    al., 2021, eq. 2). Both have gradients almost everywhere, since sorting only permutes.

    Args:
        predicted: (N, 1, Z, Y, X) in model units, zero dose at -1.
        doses: the batch's structures; at least one.
    """
    longest = doses.voxels.shape[1]
    counted = torch.arange(longest, device=predicted.device)[None] < doses.count[:, None]
    predicted_gy = (predicted.flatten()[doses.voxels] + 1) * doses.gy_per_unit[:, None]
    # Rows are filled up with infinity, so that what counts comes first and in order.
    ascending = predicted_gy.masked_fill(~counted, torch.inf).sort(dim=1).values.masked_fill(~counted, 0.0)
    difference = ascending - doses.sorted_gy
    curve = (difference.abs().sum(dim=1) / doses.count).mean()
    lower = doses.quantiles.floor().long()
    upper = torch.minimum(lower + 1, doses.count[:, None] - 1)
    share = (doses.quantiles - lower).to(difference.dtype)
    points = torch.lerp(difference.gather(1, lower), difference.gather(1, upper), share).abs()
    mean = (difference.sum(dim=1) / doses.count).abs()
    criteria = torch.where(doses.is_target, points.sum(dim=1), points[:, 0] + mean).sum()
    return curve, criteria / torch.where(doses.is_target, 3, 2).sum()
