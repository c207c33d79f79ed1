"""DiffKT3D: any modality of a patient from any others, in the latent space of a frozen codec; the dose among them.

After "Any2Any 3D Diffusion Models with Knowledge Transfer: A Radiotherapy Planning Study" (2026). Clean conditions and
the noisy target are tokens of one transformer, told apart by a role embedding and by rotary positions in four
dimensions. The paper starts from Wan 2.1, a video diffusion transformer; `backbone_config` gives the configuration that
fits a folder with it. The default one is small enough to be trained from nothing on an ordinary processor: its codec is
a cosine transform of cubes of voxels, its network predicts the clean latent (a token of 8 x 8 x 8 voxels holds more
noise than a narrow network can say), and its target's tokens are given the conditions at their own place besides
(``aligned``), where the pretrained one has learnt to look by attention. Of several samples every second one is of the
patient's mirror image (`inference.views`), which the paper does not have.

Unlike the default system's network, this one isn't told the size of the voxels (`conditioning.grid`); of millimetres it
knows by the channels alone: the distances to the targets, the beams' widths. MAISI's U-Net is told the nominal size.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from DosePredictionLib.conditioning.channels import CHANNELS, ModelInput
from DosePredictionLib.conditioning.dose_units import in_gy
from DosePredictionLib.conditioning.grid import NOMINAL_SPACING_MM
from DosePredictionLib.conditioning.modalities import (
    DOSE,
    MODALITY_CHANNELS,
    channel_values,
    modalities_of,
    modality_volume,
)
from DosePredictionLib.conditioning.padding import centred_offset, pad_to, padded_shape, window
from DosePredictionLib.diffusion.noise_process import NoiseProcess, sample_process
from DosePredictionLib.diffusion.rectified_flow import RectifiedFlow
from DosePredictionLib.diffusion.velocity_process import VariancePreservingVelocity
from DosePredictionLib.errors import InputError
from DosePredictionLib.networks.any_to_any import AnyToAnyNetwork
from DosePredictionLib.networks.block_codec import BlockCodec
from DosePredictionLib.networks.dose_transformer import DoseTransformer, TransformerShape
from DosePredictionLib.networks.linear_start import LinearStart
from DosePredictionLib.networks.rotary4d import axis_widths
from DosePredictionLib.systems.batch_of_one import batch_of_one
from DosePredictionLib.systems.possible_dose import NO_DOSE
from DosePredictionLib.systems.tuples_from_json import TuplesFromJson

#: Cosine coefficients along each axis of a cube of 8 voxels: all of the dose's, what matters of the others'.
KEPT = {DOSE: 8, "ct": 6, "ptv": 4, "oar": 4, "body": 4, "beam": 4, "angle": 4}
_COUNTS = {name: len(channels) for name, channels in MODALITY_CHANNELS.items()}


@dataclass(frozen=True)
class DiffKT3DSystem(TuplesFromJson):
    """What DiffKT3D is made of. Its fields are the ``config`` of a weights file.

    Attributes:
        channels: the patient's channels, in order.
        codec: "blocks" (cosine transform), "wan" (Wan 2.1's video autoencoder) or "maisi" (MAISI's CT autoencoder).
        codec_config: the codec's own sizes; what is missing is as published (of "blocks", cubes of 8 voxels and
            `KEPT`; ``standardised``, see `BlockCodec`).
        latent_scale: latents are multiplied by this.
        backbone: "transformer", or "maisi" for MAISI's U-Net.
        backbone_config: sizes of the U-Net.
        width, heads, layers, feed_forward: of the transformer.
        patch: latent voxels (z, y, x) of a token.
        merge, merged_hidden, aligned, gated: see `DoseTransformer`.
        slot_width: channels of a head that turn with the slot; 0 is the ablation without a fourth dimension.
        role_embedding: False is the ablation.
        linear: modalities that start from a linear map of the others, see `LinearStart`; the dose is none of these.
        process: "rectified-flow" or "variance-preserving".
        shift: of the rectified flow's times towards noise.
        prediction: "clean" or "velocity", what the network says.
        sampling_steps: of the doses that training is validated with.
        dose_share: of the any-to-any draws, those whose target is the dose; the others share the rest evenly.
        ct_share: of the rest, those whose target is the CT, where there is one; None for as many as of the others. What
            the body, the targets or the beams are is soon learnt from the others, a CT is not.
        hidden: probability that a condition is hidden from an any-to-any draw, at the end of the curriculum.
        pure_noise: share of the training draws that start from pure noise.
        drop: probability that an optional condition (CT, beams) is left out of a draw for the dose.
    """

    channels: tuple[str, ...] = (*CHANNELS, "beams_angles")
    codec: str = "blocks"
    codec_config: dict[str, Any] = field(default_factory=dict)
    latent_scale: float = 1.0
    backbone: str = "transformer"
    backbone_config: dict[str, Any] = field(default_factory=dict)
    width: int = 256
    heads: int = 4
    layers: int = 6
    feed_forward: int = 512
    patch: tuple[int, int, int] = (1, 1, 1)
    merge: int = 2
    merged_hidden: int = 32
    aligned: bool = True
    gated: bool = False
    slot_width: int = 8
    role_embedding: bool = True
    linear: tuple[str, ...] = ()
    process: str = "rectified-flow"
    shift: float = 3.0
    prediction: str = "clean"
    sampling_steps: int = 10
    dose_share: float = 0.4
    ct_share: float | None = None
    hidden: float = 0.3
    pure_noise: float = 0.3
    drop: float = 0.05

    name: ClassVar[str] = "diffkt3d"
    optional_conditions: ClassVar[tuple[str, ...]] = ("ct", "beams")

    @property
    def default_steps(self) -> int:
        """See `System`."""
        return 1 if self.prediction == "clean" else self.sampling_steps

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.codec == "blocks":
            kept = {**KEPT, **self.codec_config.get("kept", {})}
            object.__setattr__(self, "codec_config", {"size": 8, **self.codec_config, "kept": kept})
        known = {
            "codec": ("blocks", "wan", "maisi"), "backbone": ("transformer", "maisi"),
            "process": ("rectified-flow", "variance-preserving"), "prediction": ("clean", "velocity"),
        }  # fmt: skip
        for name, values in known.items():
            if getattr(self, name) not in values:
                raise InputError(f"DiffKT3D has no {name} {getattr(self, name)!r}; choose one of: {', '.join(values)}.")
        if self.backbone == "transformer":
            turning = axis_widths(self.width // self.heads)[0]
            if self.width % (2 * self.heads):
                raise InputError(f"DiffKT3D has width {self.width}; give a multiple of twice its {self.heads} heads.")
            if self.slot_width % 2 or self.slot_width > turning:
                raise InputError(
                    f"DiffKT3D has slot_width {self.slot_width}; even and at most {turning} goes with its heads."
                )
        if DOSE in self.linear or not set(self.linear) <= set(MODALITY_CHANNELS):
            raise InputError(
                f"DiffKT3D has linear {list(self.linear)}; it may name {', '.join(n for n in _COUNTS if n != DOSE)}."
            )
        if self.linear and (self.codec, self.process, self.prediction) != ("blocks", "rectified-flow", "clean"):
            raise InputError(
                'DiffKT3D starts linear with codec "blocks", process "rectified-flow", prediction "clean".'
            )
        if self.codec == "wan" and self._together[0] > 1:
            raise InputError(
                "DiffKT3D's codec \"wan\" gives one layer more than the slices fill, so that layers can't be joined by "
                f'{self._together[0]}; give merge 1, a patch of one layer (z) and backbone "transformer".'
            )

    @property
    def size_multiple(self) -> tuple[int, int, int]:
        """Volumes are padded to multiples of these numbers of voxels (z, y, x)."""
        z, y, x = (n * latent for n, latent in zip(self._stride, self._together, strict=True))
        return (z, y, x)

    @property
    def noise_process(self) -> NoiseProcess:
        """The process that the network is trained with."""
        return RectifiedFlow(self.shift) if self.process == "rectified-flow" else VariancePreservingVelocity()

    def build_network(self) -> AnyToAnyNetwork:
        """Codec and denoiser with fresh weights."""
        codec = self.build_codec()
        lengths = self.latent_channels
        denoiser: nn.Module
        if self.backbone == "maisi":
            from DosePredictionLib.networks.maisi_unet import MaisiDenoiser

            x_mm, y_mm, z_mm = NOMINAL_SPACING_MM
            denoiser = MaisiDenoiser(lengths, self.backbone_config, (z_mm, y_mm, x_mm))
        else:
            shape = TransformerShape(
                self.width, self.heads, self.layers, self.feed_forward, slot_width=self.slot_width,
                role_embedding=self.role_embedding,
            )  # fmt: skip
            denoiser = DoseTransformer(
                lengths, shape, self.patch, self.merge, self.merged_hidden, self.aligned, self.gated
            )
        starts = {}
        for name in self.linear:
            given = tuple(other for other in lengths if other not in (DOSE, name))
            starts[name] = LinearStart(name, lengths, self.codec_config["kept"], given)
        return AnyToAnyNetwork(codec, denoiser, starts)

    @property
    def latent_channels(self) -> dict[str, int]:
        """Modality to the channels of its latent, the dose first."""
        if self.codec == "blocks":
            kept = self.codec_config["kept"]
            return {name: len(channels) * kept[name] ** 3 for name, channels in MODALITY_CHANNELS.items()}
        if self.codec == "wan":
            return dict.fromkeys(MODALITY_CHANNELS, int(self.codec_config.get("z_dim", 16)))
        return dict.fromkeys(MODALITY_CHANNELS, int(self.codec_config.get("latent_channels", 4)))

    def clean(self, said: Tensor, noisy: Tensor, time: Tensor) -> Tensor:
        """The clean latent that the network's output stands for."""
        return said if self.prediction == "clean" else self.noise_process.clean(noisy, said, time)

    def padded(self, shape: tuple[int, ...]) -> tuple[int, int, int]:
        """The size that a volume is padded to."""
        multiple = self.size_multiple
        z, y, x = (padded_shape((n,), step)[0] for n, step in zip(shape, multiple, strict=True))
        return (z, y, x)

    def placed(
        self, size: tuple[int, int, int], seed: int, flipped: tuple[bool, bool, bool] = (False, False, False)
    ) -> tuple[tuple[int, int, int], tuple[int, int, int]]:
        """The padded volume of a sample, and where the patient lies in it.

        A cube's cosine coefficients know nothing of the next cube's, so that a restored dose jumps a little at the
        cubes' faces. With every seed the cubes lie elsewhere, each axis evenly, and the mean of several samples has no
        jumps (cycle spinning: Coifman and Donoho, "Translation-invariant de-noising", 1995). Learned codecs overlap and
        stay where they are.

        Args:
            size: of the patient (z, y, x).
            seed: of the sample.
            flipped: see `ModelInput`. What counts is where the faces are on the patient as it lies.
        """
        if self.codec != "blocks":
            shape = self.padded(size)
            z, y, x = centred_offset(size, shape)
        else:
            edge = int(self.codec_config["size"])
            shape = self.padded(tuple(n + edge - 1 for n in size))
            places = [edge // 2 + seed * stride for stride in (1, 3, 5)]
            z, y, x = (
                (-place - n if other_way else place) % edge
                for place, n, other_way in zip(places, size, flipped, strict=True)
            )
        return shape, (z, y, x)

    def sample_modality(
        self,
        network: nn.Module,
        inputs: ModelInput,
        target: str,
        steps: int,
        seed: int,
        on_step: Callable[[int], None] | None = None,
        visible: Iterable[str] | None = None,
    ) -> np.ndarray:
        """One sample of any modality.

        Args:
            network, inputs, steps, seed, on_step: see `System.sample_dose`.
            target: the modality.
            visible: the conditions that the network is shown, of those the patient has; None for all. The dose is no
                condition here.

        Returns:
            (C, Z, Y, X) float32 on ``inputs.geometry``: the modality's channels in their own units. The dose is in
            units where zero dose is -1 and the highest prescription +1.

        Raises:
            InputError: there is no such modality.
        """
        if target not in MODALITY_CHANNELS:
            raise InputError(f"There is no modality {target!r}; choose one of: {', '.join(MODALITY_CHANNELS)}.")
        assert isinstance(network, AnyToAnyNetwork)
        device = next(network.parameters()).device
        shape, offset = self.placed(inputs.region.shape, seed, inputs.flipped)
        shown = set(modalities_of(inputs)) - {target}
        shown &= shown if visible is None else set(visible)
        channels = inputs.padded_channels(shape, offset)

        region = batch_of_one(pad_to(inputs.region, shape, offset), device)[None]
        empty: Tensor | float = NO_DOSE
        if target != DOSE:
            empty = batch_of_one(modality_volume(target, inputs.names, inputs.far_away), device)
        with torch.inference_mode(), torch.autocast(device.type, dtype=torch.bfloat16):
            conditions = {
                name: network.encode(name, batch_of_one(modality_volume(name, inputs.names, channels), device))
                for name in MODALITY_CHANNELS if name in shown
            }  # fmt: skip
            latent = self.sample_latents(network, target, conditions, region, steps, [seed], on_step, empty)
            volume = network.decode(target, latent)[0].cpu().numpy()
        volume = volume[(slice(None), *window(inputs.region.shape, offset))]
        return volume if target == DOSE else channel_values(target, volume)

    def sample_latents(
        self,
        network: AnyToAnyNetwork,
        target: str,
        conditions: dict[str, Tensor],
        region: Tensor,
        steps: int,
        seeds: Iterable[int],
        on_step: Callable[[int], None] | None = None,
        empty: Tensor | float = NO_DOSE,
    ) -> Tensor:
        """Samples of a target's latent for one patient, one a seed, (N, C, Z, Y, X).

        Args:
            network: in evaluation mode.
            target: the modality.
            conditions: modality to its latent, (1, C, Z, Y, X).
            region: (1, 1, Z, Y, X) boolean, the padded dose region.
            steps: denoiser calls.
            seeds: of the noise, which is drawn on the processor so that it is the same for every device.
            on_step: see `System.sample_dose`.
            empty: the target's channels outside the region, as training has them, (1, C, 1, 1, 1).
        """
        size = network.latent_size(tuple(region.shape[2:]))
        length = self.latent_channels[target]
        noise = torch.cat([
            torch.randn((1, length, *size), generator=torch.Generator().manual_seed(seed)) for seed in seeds
        ]).to(region.device)  # fmt: skip
        occupied = network.occupied(region)
        conditions = {name: latent.expand(noise.shape[0], *latent.shape[1:]) for name, latent in conditions.items()}

        def denoiser(noisy: Tensor, time: Tensor) -> Tensor:
            return self.clean(network(noisy, time, target, conditions, occupied).float(), noisy, time)

        def outside_is_empty(clean: Tensor) -> Tensor:
            volume = network.decode(target, clean)
            return network.encode(target, torch.where(region, volume, torch.as_tensor(empty).to(volume)))

        if self.codec == "blocks":
            # Distances to the targets are none that a volume outside the region has everywhere.
            known = outside_is_empty if target != "ptv" else None
            return sample_process(self.noise_process, denoiser, noise, steps, known, on_step)

        # A learned codec would lose a little with every way there and back: latent voxels are set instead. The denoiser
        # learns nothing of those that hold none of the region, and noise left there would get into what is restored.
        volume = torch.as_tensor(empty, dtype=torch.float32, device=region.device).expand(1, _COUNTS[target], 1, 1, 1)
        nothing = network.encode(target, volume.expand(-1, -1, *region.shape[2:]))
        return sample_process(
            self.noise_process, denoiser, noise, steps, lambda clean: torch.where(occupied, clean, nothing), on_step
        )

    def sample_dose(
        self,
        network: nn.Module,
        inputs: ModelInput,
        steps: int,
        seed: int,
        on_step: Callable[[int], None] | None = None,
    ) -> np.ndarray:
        """See `System.sample_dose`."""
        return in_gy(self.sample_modality(network, inputs, DOSE, steps, seed, on_step)[0], inputs)

    def build_codec(self) -> nn.Module:
        """The codec alone, with fresh weights."""
        if self.codec == "blocks":
            return BlockCodec(channels=_COUNTS, scale=self.latent_scale, **self.codec_config)
        if self.codec == "wan":
            from DosePredictionLib.networks.wan_codec import WanCodec

            return WanCodec(self.codec_config, _COUNTS, self.latent_scale)
        from DosePredictionLib.networks.maisi_codec import WHITE_HU, MaisiCodec

        white = modality_volume("ct", ("ct",), np.full((1, 1, 1, 1), WHITE_HU / 1000.0, np.float32)).item()
        return MaisiCodec(self.codec_config, _COUNTS, {"ct": white}, self.latent_scale)

    @property
    def _together(self) -> tuple[int, int, int]:
        """Latent voxels (z, y, x) that the denoiser needs multiples of."""
        if self.backbone == "maisi":
            halvings = 2 ** (len(self.backbone_config.get("num_channels", (64, 128, 256, 512))) - 1)
            return (halvings, halvings, halvings)
        z, y, x = (latent * self.merge for latent in self.patch)
        return (z, y, x)

    @property
    def _stride(self) -> tuple[int, int, int]:
        if self.codec == "blocks":
            size = int(self.codec_config["size"])
            return (size, size, size)
        if self.codec == "wan":
            from DosePredictionLib.networks.wan_codec import stride_of

            return stride_of(self.codec_config)
        halvings = 2 ** (len(self.codec_config.get("num_channels", (64, 128, 256))) - 1)
        return (halvings, halvings, halvings)
