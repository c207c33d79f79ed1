"""The dose denoiser of ADDiff-Dose: conditional embedding layer and 3D U-Net (Xie et al., section 2.2)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as functional
from einops import rearrange
from monai.networks.nets import DiffusionModelUNet
from monai.networks.nets.diffusion_model_unet import get_timestep_embedding
from torch import Tensor, nn

from DosePredictionLib.networks.lightweight_vae3d import CTEncoder, StableSiLU, WholeCT

#: Wavelengths (mm) at which places in the patient are told: from a voxel of the latent to more than a patient.
WAVELENGTHS_MM = (60.0, 120.0, 240.0, 480.0, 960.0)
TIME_WIDTH = 256


def place_features(places_mm: Tensor) -> Tensor:
    """(..., 3) places in the patient, z, y, x in mm, to (..., 30) sines and cosines."""
    angles = places_mm[..., None] * (2 * math.pi / torch.tensor(WAVELENGTHS_MM, device=places_mm.device))
    return torch.cat([angles.sin(), angles.cos()], dim=-1).flatten(-2)


def grid_places(shape: Sequence[int], step_mm: Tensor, start_mm: Tensor) -> Tensor:
    """Centres of the cells of a grid, (N, cells, 3) in mm.

    Args:
        shape: cells along z, y, x.
        step_mm: (N, 3) size of a cell.
        start_mm: (N, 3) the grid's corner.
    """
    index = torch.stack(
        torch.meshgrid(*[torch.arange(size, device=step_mm.device) + 0.5 for size in shape], indexing="ij"), dim=-1
    ).reshape(1, -1, 3)
    return start_mm[:, None] + index * step_mm[:, None]


class ConditionalLayer(nn.Module):
    """The structure encoder: structures, time, context and CT latent become one condition (section 2.2.3).

    As the paper has it: the structure tensor goes through a 3D convolution, is compressed by a 1 x 1 x 1 convolution,
    meets the time embedding, and transformer blocks attend from the structures to the rest. In detail, where the text
    leaves it open:

    - The compressed map C keeps the patch's resolution and goes beside the noisy dose into the U-Net; its average over
      ``token_stride`` voxels gives the tokens that the transformer works on.
    - Time and context scale and shift C before that ("the conditional feature C and the time embedding interact").
    - The tokens attend to each other and to the CT latent's tokens and one token of time and context. PyTorch's decoder
      layer (self attention, cross attention, MLP; norms first) is such a block.

    Args:
        structures: channels of the structure tensor.
        width: channels of C.
        tokens: width of the tokens.
        blocks, heads: of the transformer.
        token_stride: voxels (of the folded patch) a token stands for, along each axis.
    """

    def __init__(self, structures: int, width: int, tokens: int, blocks: int, heads: int, token_stride: int) -> None:
        super().__init__()
        self.token_stride = token_stride
        self.project = nn.Conv3d(structures, 2 * width, 3, padding=1)
        self.compress = nn.Conv3d(2 * width, width, 1)
        self.modulate = nn.Sequential(StableSiLU(), nn.Linear(TIME_WIDTH, 2 * width))
        self.to_tokens = nn.Linear(width, tokens)
        self.structure_places = nn.Linear(6 * len(WAVELENGTHS_MM), tokens)
        self.transformer = nn.ModuleList(
            nn.TransformerDecoderLayer(
                tokens, heads, 2 * tokens, dropout=0.0, activation=functional.silu, batch_first=True, norm_first=True
            )
            for _ in range(blocks)
        )

    def forward(
        self, structures: Tensor, embedding: Tensor, memory: Tensor, step_mm: Tensor, start_mm: Tensor
    ) -> tuple[Tensor, Tensor]:
        """The map C (N, width, Z, Y, X) and the fused tokens (N, L, tokens).

        Args:
            structures: (N, structures, Z, Y, X) of the patch.
            embedding: (N, 256) of time and context.
            memory: (N, M, tokens) what is attended to.
            step_mm: (N, 3) voxel size z, y, x.
            start_mm: (N, 3) the patch's corner in the volume.
        """
        scale, shift = self.modulate(embedding)[:, :, None, None, None].chunk(2, dim=1)
        features = self.compress(functional.silu(self.project(structures))) * (1 + scale) + shift
        pooled = functional.avg_pool3d(features, self.token_stride, ceil_mode=True)
        places = grid_places(pooled.shape[2:], step_mm * self.token_stride, start_mm)
        tokens = self.to_tokens(rearrange(pooled, "n c z y x -> n (z y x) c"))
        tokens = tokens + self.structure_places(place_features(places))
        for block in self.transformer:
            tokens = block(tokens, memory)
        return features, tokens


class AddiffNetwork(nn.Module):
    """The fixed CT encoder and the denoiser that it conditions.

    The denoiser is MONAI's `DiffusionModelUNet`: four levels of residual blocks (group norm, SiLU, convolution) with
    skip connections; in the deep levels multi-head self-attention, and cross-attention to the condition's tokens. Its
    time embedding is four times the first level's width: the paper's 256 for its 64. Where the text can't be taken
    literally:

    - It calls the CT's latent z0, adds noise to it and never decodes a dose. Here the *dose* is diffused, voxel by
      voxel, and the CT latent is a condition that never gets noise.
    - "Four layers of downsampling" from patches of 32 x 32 x 24 can't each halve (24 = 8 * 3): four levels, 64 to 512
      channels, with three halvings between.
    - 32 x 32 x 24 voxels through the encoder's four strides would leave 2 x 2 x 1.5: the latent is that of the *whole*
      CT, and each patch is told where in it it lies (places in mm, in the tokens of both).
    - "Removing the structure encoder" (the paper's ablation, "original input of the conditional diffusion model"): the
      structure tensor goes into the U-Net as it is, and the tokens are those of CT, time and context alone. Where the
      patch lies (its middle, mm) goes into the token of time and context then: the structure encoder's tokens say so,
      and the ablation is of structures, not of places.

    Args:
        structures: channels of the structure tensor.
        context: numbers that hold for the whole patient (see `systems.addiff_dose.context`).
        widths: channels of the U-Net's levels.
        blocks: residual blocks of each level.
        attention: from which level on there is attention.
        head_width: channels of an attention head.
        groups: of the group norms.
        structure_encoder: False for the ablation.
        condition_width: channels of the map C.
        tokens, fusion_blocks: of the transformer.
        fold: 2 brings patches to half resolution by space-to-depth before the U-Net, and back; the paper's is 1.
        ct_widths, latent: of the CT encoder.
    """

    #: Embeddings are no hidden layers, which Muon is for: their columns are of very different sizes and mostly 0.
    adamw_parts = ("time", "context", "context_token", "ct_token", "ct_places", "patch_place",
                   "conditional.structure_places", "unet.time_embed")  # fmt: skip

    def __init__(
        self,
        structures: int,
        context: int,
        widths: Sequence[int] = (64, 128, 256, 512),
        blocks: int = 2,
        attention: int = 2,
        head_width: int = 64,
        groups: int = 32,
        structure_encoder: bool = True,
        condition_width: int = 32,
        tokens: int = 256,
        fusion_blocks: int = 2,
        fold: int = 1,
        ct_widths: Sequence[int] = (32, 64, 128, 256),
        latent: int = 32,
    ) -> None:
        super().__init__()
        self.fold = fold
        #: Patches must have sizes that are multiples of this; whole volumes of the CT encoder's stride.
        self.patch_multiple = fold * 2 ** (len(widths) - 1)
        self.ct_encoder = CTEncoder(ct_widths, latent)
        self.ct_encoder.requires_grad_(False)
        self.time = nn.Sequential(nn.Linear(TIME_WIDTH, TIME_WIDTH), StableSiLU(), nn.Linear(TIME_WIDTH, TIME_WIDTH))
        # Without a bias and from zero: a number that was always 0 in training (a technique never seen) changes nothing.
        self.context = nn.Linear(context, TIME_WIDTH, bias=False)
        nn.init.zeros_(self.context.weight)
        self.context_token = nn.Linear(TIME_WIDTH, tokens)
        self.ct_token = nn.Linear(latent, tokens)
        self.ct_places = nn.Linear(6 * len(WAVELENGTHS_MM), tokens)
        self.conditional = (
            ConditionalLayer(
                structures * fold**3, condition_width * fold, tokens, fusion_blocks, max(1, tokens // head_width),
                self.patch_multiple // fold,
            )
            if structure_encoder
            else None
        )  # fmt: skip
        self.patch_place = None if structure_encoder else nn.Linear(6 * len(WAVELENGTHS_MM), tokens)
        condition_channels = condition_width * fold if structure_encoder else structures * fold**3
        levels = range(len(widths))
        self.unet = DiffusionModelUNet(
            spatial_dims=3,
            in_channels=fold**3 + condition_channels,
            out_channels=fold**3,
            num_res_blocks=blocks,
            channels=tuple(widths),
            attention_levels=tuple(level >= attention for level in levels),
            num_head_channels=tuple(math.gcd(head_width, width) if level >= attention else 0
                                    for level, width in enumerate(widths)),
            norm_num_groups=groups,
            with_conditioning=True,
            use_flash_attention=True,
            cross_attention_dim=tokens,
        )  # fmt: skip

    def train(self, mode: bool = True) -> AddiffNetwork:
        """As usual, but the CT encoder stays as the first stage left it: its batch norms never see another batch."""
        super().train(mode)
        self.ct_encoder.eval()
        return self

    def ct_memory(self, whole: WholeCT) -> Tensor:
        """Each patch's tokens of its patient's CT, (P, z y x / 4096, tokens); a sampler computes them once."""
        with torch.no_grad():
            latent, _ = self.ct_encoder(whole.ct)
        latent = latent * whole.has_ct[:, None, None, None, None]
        stride = self.ct_encoder.stride
        places = grid_places(latent.shape[2:], whole.step_mm * stride, torch.zeros_like(whole.step_mm))
        tokens = self.ct_token(rearrange(latent, "n c z y x -> n (z y x) c"))
        return (tokens + self.ct_places(place_features(places)))[whole.patient]

    def forward(
        self, noisy: Tensor, structures: Tensor, time: Tensor, context: Tensor, ct: WholeCT | Tensor, step_mm: Tensor,
        start_mm: Tensor,
    ) -> Tensor:  # fmt: skip
        """What is predicted of the patches (noise, velocity or clean dose), (N, 1, Z, Y, X).

        Args:
            noisy: (N, 1, Z, Y, X) patches of the noisy dose.
            structures: (N, structures, Z, Y, X) patches of the structure tensor.
            time: (N,) whole steps.
            context: (N, context).
            ct: the patients' CTs, or what `ct_memory` made of them.
            step_mm: (N, 3) voxel size z, y, x.
            start_mm: (N, 3) each patch's corner in its volume.
        """
        embedding = self.time(get_timestep_embedding(time, TIME_WIDTH)) + self.context(context)
        ct_memory = self.ct_memory(ct) if isinstance(ct, WholeCT) else ct
        token = self.context_token(functional.silu(embedding))
        if self.patch_place is not None:
            size = torch.tensor(noisy.shape[2:], device=step_mm.device)
            token = token + self.patch_place(place_features(start_mm + 0.5 * size * step_mm))
        memory = torch.cat([ct_memory, token[:, None]], dim=1)
        noisy, structures = self._folded(noisy), self._folded(structures)
        if self.conditional is not None:
            structures, fused = self.conditional(structures, embedding, memory, step_mm * self.fold, start_mm)
            memory = torch.cat([fused, memory], dim=1)
        said = self.unet(torch.cat([noisy, structures.to(noisy.dtype)], dim=1), time, memory)
        if self.fold == 1:
            return said
        return rearrange(said, "n (a b c) z y x -> n 1 (z a) (y b) (x c)", a=self.fold, b=self.fold, c=self.fold)

    def _folded(self, x: Tensor) -> Tensor:
        if self.fold == 1:
            return x
        return rearrange(x, "n k (z a) (y b) (x c) -> n (k a b c) z y x", a=self.fold, b=self.fold, c=self.fold)
