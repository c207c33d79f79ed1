"""A transformer over the tokens of several modalities: clean conditions and one noisy target attend to each other."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as functional
from torch import Tensor, nn

from DosePredictionLib.networks.rotary4d import rotary_angles, rotate

#: Of all norms, as in Wan 2.1.
EPSILON = 1e-6
CONDITION, TARGET = 0, 1
#: Of gates before training.
NEARLY_CLOSED = -3.0


@dataclass(frozen=True)
class TransformerShape:
    """Sizes of the transformer.

    Attributes:
        width: channels of a token.
        heads: of the attention.
        layers: blocks.
        feed_forward: hidden channels of the blocks' perceptrons.
        frequencies: length of the sinusoidal embedding of the time.
        slot_width: channels of a head that turn with the modality's slot; 0 leaves the slot out (for ablation).
        role_embedding: whether clean and noisy tokens are told apart by a learned embedding (False for ablation).
    """

    width: int
    heads: int
    layers: int
    feed_forward: int
    frequencies: int = 256
    slot_width: int = 8
    role_embedding: bool = True


def patches_of(latent: Tensor, patch: tuple[int, int, int]) -> Tensor:
    """(N, C, Z, Y, X) to (N, Z/pz, Y/py, X/px, C pz py px)."""
    n, c, z, y, x = latent.shape
    pz, py, px = patch
    parts = latent.reshape(n, c, z // pz, pz, y // py, py, x // px, px)
    return parts.permute(0, 2, 4, 6, 1, 3, 5, 7).reshape(n, z // pz, y // py, x // px, c * pz * py * px)


def latent_of(patches: Tensor, patch: tuple[int, int, int]) -> Tensor:
    """The inverse of `patches_of`."""
    n, z, y, x, length = patches.shape
    pz, py, px = patch
    parts = patches.reshape(n, z, y, x, length // (pz * py * px), pz, py, px)
    return parts.permute(0, 4, 1, 5, 2, 6, 3, 7).reshape(n, -1, z * pz, y * py, x * px)


class MergedEmbedding(nn.Module):
    """Embeds a condition's patches in cubes of ``merge`` patches a side, one token a cube.

    Conditions are clean: unlike the target nothing is to be restored from their tokens, so fewer of them will do.

    Args:
        length: numbers in a patch.
        merge: patches along a cube's edge.
        hidden: channels that each patch is reduced to first.
        width: of the token.
    """

    def __init__(self, length: int, merge: int, hidden: int, width: int) -> None:
        super().__init__()
        self.merge = merge
        self.reduce = nn.Linear(length, hidden)
        self.join = nn.Linear(hidden * merge**3, width)

    def forward(self, patches: Tensor) -> Tensor:
        """(N, Z, Y, X, length) to (N, Z/merge, Y/merge, X/merge, width)."""
        hidden = functional.silu(self.reduce(patches)).permute(0, 4, 1, 2, 3)
        return self.join(patches_of(hidden, (self.merge,) * 3))


class RootMeanSquareNorm(nn.Module):
    """RMS norm over the last dimension, in float32 whatever comes in (autocast would mix types here)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        """(..., width) to the same."""
        return functional.rms_norm(x.float(), self.weight.shape, self.weight.float(), EPSILON)


class SelfAttention(nn.Module):
    """Full attention with normalised queries and keys (RMS over all heads together, as in Wan 2.1)."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query, self.key, self.value, self.out = (nn.Linear(width, width) for _ in range(4))
        self.query_norm, self.key_norm = (RootMeanSquareNorm(width) for _ in range(2))

    def forward(self, x: Tensor, angles: Tensor) -> Tensor:
        """(N, T, width) and (T, head width / 2) to (N, T, width)."""
        query, key, value = self.query_norm(self.query(x)), self.key_norm(self.key(x)), self.value(x)
        query, key, value = (part.unflatten(2, (self.heads, -1)).transpose(1, 2) for part in (query, key, value))
        query, key = rotate(query, angles).to(value.dtype), rotate(key, angles).to(value.dtype)
        return self.out(functional.scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(2))


class Block(nn.Module):
    """Attention and perceptron; shift, scale and gate of both come from a table that all blocks add their own to."""

    def __init__(self, shape: TransformerShape) -> None:
        super().__init__()
        self.attention = SelfAttention(shape.width, shape.heads)
        self.feed_forward = nn.Sequential(
            nn.Linear(shape.width, shape.feed_forward), nn.GELU(approximate="tanh"),
            nn.Linear(shape.feed_forward, shape.width),
        )  # fmt: skip
        self.table = nn.Parameter(torch.randn(6, shape.width) / shape.width**0.5)
        with torch.no_grad():
            self.table[[2, 5]] += 1.0  # open gates: an ordinary transformer to begin with, which learns sooner

    def forward(self, x: Tensor, modulation: Tensor, roles: Tensor, angles: Tensor) -> Tensor:
        """(N, T, width) to the same.

        Args:
            x: tokens, float32.
            modulation: (N, 2, 6, width) for conditions and target.
            roles: (T,) `CONDITION` or `TARGET`.
            angles: (T, head width / 2).
        """
        shift, scale, gate, later_shift, later_scale, later_gate = (
            (self.table + modulation.float())[:, roles].unbind(dim=2)
        )  # fmt: skip
        normal = functional.layer_norm(x, x.shape[-1:], eps=EPSILON) * (1 + scale) + shift
        x = x + self.attention(normal, angles).float() * gate
        normal = functional.layer_norm(x, x.shape[-1:], eps=EPSILON) * (1 + later_scale) + later_shift
        return x + self.feed_forward(normal).float() * later_gate


class DoseTransformer(nn.Module):
    """Denoises one modality's latent given any of the others'.

    Every modality has its own patch embedding (and head, since any may be the target), all tokens meet in one full
    self-attention, and there is no cross attention. A token's role, clean or noisy, joins the time in the adaptive
    layer norm that all blocks share; conditions have time 0. The blocks are those of Wan 2.1 without its text.

    Args:
        lengths: modality to the channels of its latent, in the order of the slots; the dose comes first.
        shape: sizes.
        patch: latent voxels (z, y, x) of a token.
        merge: a condition's token stands for so many patches along each axis. With 1, conditions and targets share a
            modality's embedding.
        merged_hidden: see `MergedEmbedding`.
        gated: of every number of the target's noisy patches, the network says how much passes to the output, beside
            what it adds. A token is narrower than the noise in it, so that it could repeat no detail of what is nearly
            clean; and only the network knows which details are in doubt. At pure noise nothing passes.
        aligned: the conditions' patches at a target token's own place are added to it. Attention can find them too,
            but a small transformer without pretraining takes long to learn where to look.
    """

    def __init__(
        self,
        lengths: Mapping[str, int],
        shape: TransformerShape,
        patch: tuple[int, int, int] = (1, 1, 1),
        merge: int = 1,
        merged_hidden: int = 32,
        aligned: bool = False,
        gated: bool = False,
    ) -> None:
        super().__init__()
        self.shape, self.patch, self.merge, self.aligned = shape, patch, merge, aligned
        self.slots = {name: slot for slot, name in enumerate(lengths)}
        width, voxels = shape.width, math.prod(patch)
        self.embeddings = nn.ModuleDict({name: nn.Linear(n * voxels, width) for name, n in lengths.items()})
        if merge > 1:
            self.merged = nn.ModuleDict(
                {name: MergedEmbedding(n * voxels, merge, merged_hidden, width) for name, n in lengths.items()}
            )
        self.time = nn.Sequential(nn.Linear(shape.frequencies, width), nn.SiLU(), nn.Linear(width, width))
        self.role = nn.Parameter(torch.randn(2, width) * 0.02) if shape.role_embedding else None
        self.modulation = nn.Linear(width, 6 * width)
        self.blocks = nn.ModuleList(Block(shape) for _ in range(shape.layers))
        self.table = nn.Parameter(torch.randn(2, width) / width**0.5)
        self.heads = nn.ModuleDict({name: nn.Linear(width, n * voxels) for name, n in lengths.items()})
        for head in self.heads.values():
            nn.init.normal_(head.weight, std=0.02)  # type: ignore[arg-type]
            nn.init.zeros_(head.bias)  # type: ignore[arg-type]
        self.gates: nn.ModuleDict | None = None
        if gated:
            self.gates = nn.ModuleDict({name: nn.Linear(width, n * voxels) for name, n in lengths.items()})
            for gate in self.gates.values():
                nn.init.zeros_(gate.weight)  # type: ignore[arg-type]
                nn.init.constant_(gate.bias, NEARLY_CLOSED)  # type: ignore[arg-type]

    def forward(
        self, noisy: Tensor, time: Tensor, target: str, conditions: Mapping[str, Tensor], occupied: Tensor | None = None
    ) -> Tensor:
        """What the target's head says for the noisy latent: (N, C, Z, Y, X), zero where nothing is occupied.

        Args:
            noisy: (N, C, Z, Y, X) the target's noisy latent; sizes are multiples of the patch (times ``merge``).
            time: (N,) in [0, 1]; 1 is pure noise.
            target: the modality that is denoised.
            conditions: modality to its clean latent, (N, C', Z, Y, X).
            occupied: (Z, Y, X) boolean, latent voxels that matter for anyone of the batch; tokens outside are left out.
        """
        patches = patches_of(noisy, self.patch)
        grid = patches.shape[1:4]
        everywhere = torch.ones(noisy.shape[2:], dtype=torch.bool, device=noisy.device)
        fine = _any_in(everywhere if occupied is None else occupied, self.patch)
        coarse = _any_in(fine, (self.merge,) * 3)
        tokens = [self.embeddings[target](patches[:, fine])]
        positions = [_positions(fine, self.slots[target], 1)]
        for name, latent in conditions.items():
            seen = patches_of(latent, self.patch)
            if self.aligned:
                tokens[0] = tokens[0] + self.embeddings[name](seen[:, fine])
            if self.merge > 1:
                tokens.append(self.merged[name](seen)[:, coarse])
            else:
                tokens.append(self.embeddings[name](seen[:, fine]))
            positions.append(_positions(coarse, self.slots[name], self.merge))
        count = tokens[0].shape[1]
        x = torch.cat(tokens, dim=1).float()
        roles = torch.full((x.shape[1],), CONDITION, device=x.device)
        roles[:count] = TARGET
        angles = rotary_angles(torch.cat(positions), self.shape.width // self.shape.heads, self.shape.slot_width)
        angles = angles.to(fine.device)
        embedding = self._embedding(time)
        modulation = self.modulation(functional.silu(embedding)).unflatten(2, (6, -1))
        for block in self.blocks:
            x = block(x, modulation, roles, angles)
        shift, scale = (self.table + embedding[:, TARGET, None].float()).chunk(2, dim=1)
        x = functional.layer_norm(x[:, :count], x.shape[-1:], eps=EPSILON) * (1 + scale) + shift
        said = self.heads[target](x)
        if self.gates is not None:
            passed = 2 * (1 - time.float())[:, None, None] * torch.sigmoid(self.gates[target](x).float())
            said = said + passed * patches[:, fine].float()
        result = said.new_zeros((noisy.shape[0], *grid, said.shape[-1]))
        result[:, fine] = said
        return latent_of(result, self.patch)

    def _embedding(self, time: Tensor) -> Tensor:
        """(N,) times to (N, 2, width): of the clean conditions and of the target."""
        half = self.shape.frequencies // 2
        frequency = torch.exp(-math.log(10000.0) * torch.arange(half, device=time.device) / half)
        both = torch.stack([torch.zeros_like(time), time], dim=1).float()
        angle = 1000.0 * both[..., None] * frequency
        embedding = self.time(torch.cat([angle.cos(), angle.sin()], dim=-1))
        return embedding if self.role is None else embedding + self.role


def _any_in(occupied: Tensor, patch: tuple[int, int, int]) -> Tensor:
    """(Z, Y, X) boolean to (Z/pz, Y/py, X/px): whether a patch holds anything."""
    return patches_of(occupied[None, None], patch).any(dim=-1)[0]


def _positions(occupied: Tensor, slot: int, merge: int) -> Tensor:
    """(T, 4) slot, z, y, x of the occupied cells, in the target's tokens; on the processor, in double precision."""
    cells = occupied.nonzero().cpu().double() * merge + (merge - 1) / 2
    return torch.cat([torch.full_like(cells[:, :1], slot), cells], dim=1)
