"""What training makes small."""

from __future__ import annotations

from torch import Tensor


def dose_error_gy(predicted: Tensor, clean: Tensor, region: Tensor, gy_per_unit: float) -> Tensor:
    """Mean absolute dose error in the dose region, in Gy: the dose score of OpenKBP (Babier et al., 2021, eq. 1).

    Args:
        predicted, clean: (1, 1, Z, Y, X) in model units.
        region: (1, 1, Z, Y, X) boolean.
        gy_per_unit: Gy for one model unit.
    """
    return (predicted - clean).abs().mul(region).sum() / region.sum() * gy_per_unit
