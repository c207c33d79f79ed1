"""What a linear map of the conditions already says of a modality's latent: where a network starts from."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product

import torch
import torch.nn.functional as functional
from torch import Tensor, nn

#: Modalities whose lowest coefficients are seen in the 26 cubes around, and how many of them along each axis.
AROUND, LOWEST = ("oar", "body"), 2
#: Of ridge regression, for each cube that it sees; features vary by about one.
RIDGE = 0.01
_NEIGHBOURS = tuple(step for step in product(range(3), repeat=3) if step != (1, 1, 1))


class LinearStart(nn.Module):
    """Ridge regression (Hoerl and Kennard, Technometrics 12, 1970) of a modality's latent, cube by cube.

    Fitted in closed form, not trained: a mandible's contour says at once where bone is, and what surrounds the spinal
    cord, where gradient steps on one patient each take thousands. A hidden condition is zero: the mean one, where
    latents are standardised (`BlockCodec`).

    Args:
        target: the modality.
        lengths: modality to the channels of its latent.
        kept: modality to the coefficients kept along each axis.
        given: modalities that it sees, each in the target's own cube.
    """

    def __init__(
        self, target: str, lengths: Mapping[str, int], kept: Mapping[str, int], given: tuple[str, ...]
    ) -> None:
        super().__init__()
        self.given, self.lengths = given, dict(lengths)
        self.lowest = {
            name: [
                channel * kept[name] ** 3 + (a * kept[name] + b) * kept[name] + c
                for channel in range(lengths[name] // kept[name] ** 3)
                for a, b, c in product(range(LOWEST), repeat=3)
            ]
            for name in AROUND
        }
        around = len(_NEIGHBOURS) * sum(len(places) for places in self.lowest.values())
        features = sum(lengths[name] for name in given) + around + 1
        self.weight: Tensor
        self.register_buffer("weight", torch.zeros(features, lengths[target]))

    def features(self, conditions: Mapping[str, Tensor], occupied: Tensor) -> Tensor:
        """(N, T, F) of the occupied cubes.

        Args:
            conditions: modality to its latent, (N, C, Z, Y, X); at least one.
            occupied: (Z, Y, X) boolean.
        """
        like = next(iter(conditions.values()))
        count, size = like.shape[0], like.shape[2:]

        def latent(name: str) -> Tensor:
            found = conditions.get(name)
            return like.new_zeros((count, self.lengths[name], *size)) if found is None else found

        columns = [latent(name)[:, :, occupied] for name in self.given]
        z, y, x = size
        for name, places in self.lowest.items():
            padded = functional.pad(latent(name)[:, places], (1,) * 6)
            columns += [padded[:, :, i : i + z, j : j + y, k : k + x][:, :, occupied] for i, j, k in _NEIGHBOURS]
        columns.append(like.new_ones((count, 1, int(occupied.sum()))))
        return torch.cat(columns, dim=1).transpose(1, 2)

    def forward(self, conditions: Mapping[str, Tensor], occupied: Tensor) -> Tensor:
        """(N, C, Z, Y, X), zero where nothing is occupied."""
        with torch.autocast(self.weight.device.type, enabled=False):
            said = self.features(conditions, occupied).float() @ self.weight.float()
        result = said.new_zeros((said.shape[0], said.shape[2], *occupied.shape))
        result[:, :, occupied] = said.transpose(1, 2)
        return result


class RidgeFit:
    """Gathers cubes and solves for a `LinearStart`'s weight."""

    def __init__(self, start: LinearStart) -> None:
        self.start = start
        features, length = start.weight.shape
        self._squares = torch.zeros(features, features, dtype=torch.float64)
        self._products = torch.zeros(features, length, dtype=torch.float64)
        self._cubes = 0

    def see(self, conditions: Mapping[str, Tensor], wanted: Tensor, occupied: Tensor) -> None:
        """One patient: conditions' latents and the target's, (1, C, Z, Y, X)."""
        rows = self.start.features(conditions, occupied)[0].cpu()
        self._squares += (rows.T @ rows).double()
        self._products += (rows.T @ wanted[0][:, occupied].T.cpu()).double()
        self._cubes += len(rows)

    def solve(self) -> None:
        """Set the weight; it stays zero where nothing was seen."""
        if not self._cubes:
            return
        ridge = RIDGE * self._cubes * torch.eye(len(self._squares), dtype=torch.float64)
        self.start.weight.copy_(torch.linalg.solve(self._squares + ridge, self._products))
