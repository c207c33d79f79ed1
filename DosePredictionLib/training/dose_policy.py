"""How post-training samples doses from a system and asks its network again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn

from DosePredictionLib.conditioning.dose_units import in_gy
from DosePredictionLib.conditioning.modalities import DOSE, MODALITY_CHANNELS, modalities_of, modality_volume
from DosePredictionLib.conditioning.padding import centred_offset, pad_to, padded_shape
from DosePredictionLib.diffusion.interpolation import noisy_sample
from DosePredictionLib.diffusion.sampler import sample
from DosePredictionLib.errors import InputError
from DosePredictionLib.networks.any_to_any import AnyToAnyNetwork
from DosePredictionLib.systems.batch_of_one import batch_of_one
from DosePredictionLib.systems.default import DefaultSystem
from DosePredictionLib.systems.diffkt3d import DiffKT3DSystem
from DosePredictionLib.systems.possible_dose import zero_outside
from DosePredictionLib.systems.system import System
from DosePredictionLib.training.case_cache import TrainingCase


@dataclass(frozen=True)
class Seen:
    """One patient, ready for a network.

    Attributes:
        conditions: what the network is given besides the noisy dose, by name; (1, ...).
        region: (1, 1, Z, Y, X) boolean, padded.
        inside: boolean, the part of a sample (Z', Y', X') that counts.
        clean: (1, C, Z', Y', X') the clinical dose as the network's samples are.
        case: the patient.
        offset: where the patient lies in the padded volume.
    """

    conditions: dict[str, Tensor]
    region: Tensor
    inside: Tensor
    clean: Tensor
    case: TrainingCase
    offset: tuple[int, ...]

    def dose_gy(self, volume: Tensor) -> np.ndarray:
        """(K, 1, Z, Y, X) padded volumes from -1 to +1 to doses (K, Z, Y, X) on the patient's grid."""
        return in_gy(volume[:, 0].float().cpu().numpy(), self.case.inputs, self.offset)


class DosePolicy(Protocol):
    """A system as post-training sees it: the forward process and the network's prediction are all it needs."""

    def see(self, network: nn.Module, case: TrainingCase, device: torch.device) -> Seen:
        """A patient, ready for the network."""

    def sample(self, network: nn.Module, seen: Seen, steps: int, seeds: Sequence[int]) -> Tensor:
        """Clean samples (K, C, Z', Y', X')."""

    def doses_gy(self, network: nn.Module, seen: Seen, samples: Tensor) -> np.ndarray:
        """The doses of samples in Gy (K, Z, Y, X), on the patient's grid."""

    def changed(self, network: nn.Module, samples: Tensor, factors: Tensor) -> Tensor:
        """Samples whose doses are multiplied by factors (K, 1, Z, Y, X) of the padded volume."""

    def draw_time(self, uniform: Tensor) -> Tensor:
        """Training times."""

    def noisy(self, clean: Tensor, noise: Tensor, time: Tensor) -> Tensor:
        """Samples at a time."""

    def wanted(self, clean: Tensor, noise: Tensor, time: Tensor) -> Tensor:
        """What the network should say."""

    def said(self, network: nn.Module, seen: Seen, noisy: Tensor, time: Tensor) -> Tensor:
        """What it says."""

    def squared(self, network: nn.Module, seen: Seen, difference: Tensor) -> Tensor:
        """Mean square of a difference between such words where the patient is, (N,)."""


def policy_of(system: System) -> DosePolicy:
    """The policy of a system.

    Raises:
        InputError: the system can't be post-trained.
    """
    if isinstance(system, DiffKT3DSystem):
        return DiffKT3DPolicy(system)
    if isinstance(system, DefaultSystem):
        return DefaultPolicy()
    raise InputError(
        f"The system {system.name!r} cannot be post-trained, since it doesn't sample the whole dose at once; choose "
        "default or diffkt3d."
    )


def _padded(case: TrainingCase, shape: tuple[int, ...], device: torch.device) -> tuple[tuple[int, ...], Tensor, Tensor]:
    """Offset, region (1, 1, Z, Y, X) and dose (1, 1, Z, Y, X) from -1 to +1."""
    inputs = case.inputs
    offset = centred_offset(inputs.region.shape, shape)
    region = torch.from_numpy(pad_to(inputs.region, shape, offset))[None, None].to(device)
    return offset, region, torch.from_numpy(case.padded_dose(shape, offset))[None, None].to(device)


def _mean_square(difference: Tensor, inside: Tensor) -> Tensor:
    """(N, C, Z, Y, X) to (N,), over a boolean (Z, Y, X)."""
    return difference.square().mean(dim=1)[:, inside].mean(dim=1)


class DiffKT3DPolicy:
    """DiffKT3D on latents, with all conditions that the patient has."""

    def __init__(self, system: DiffKT3DSystem) -> None:
        self.system, self.process = system, system.noise_process

    def see(self, network: nn.Module, case: TrainingCase, device: torch.device) -> Seen:
        """See `DosePolicy`."""
        assert isinstance(network, AnyToAnyNetwork)
        shape = self.system.padded(case.inputs.region.shape)
        offset, region, dose = _padded(case, shape, device)
        channels = case.inputs.padded_channels(shape, offset)
        shown = modalities_of(case.inputs)
        conditions = {
            name: network.encode(
                name, batch_of_one(modality_volume(name, case.inputs.names, channels), device)
            )
            for name in MODALITY_CHANNELS if name in shown
        }  # fmt: skip
        return Seen(conditions, region, network.occupied(region), network.encode(DOSE, dose), case, offset)

    def sample(self, network: nn.Module, seen: Seen, steps: int, seeds: Sequence[int]) -> Tensor:
        """See `DosePolicy`."""
        assert isinstance(network, AnyToAnyNetwork)
        return self.system.sample_latents(network, DOSE, seen.conditions, seen.region, steps, seeds)

    def doses_gy(self, network: nn.Module, seen: Seen, samples: Tensor) -> np.ndarray:
        """See `DosePolicy`."""
        assert isinstance(network, AnyToAnyNetwork)
        return seen.dose_gy(network.decode(DOSE, samples))

    def changed(self, network: nn.Module, samples: Tensor, factors: Tensor) -> Tensor:
        """See `DosePolicy`."""
        assert isinstance(network, AnyToAnyNetwork)
        return network.encode(DOSE, (network.decode(DOSE, samples) + 1) * factors - 1)

    def draw_time(self, uniform: Tensor) -> Tensor:
        """See `DosePolicy`."""
        return self.process.draw_time(uniform)

    def noisy(self, clean: Tensor, noise: Tensor, time: Tensor) -> Tensor:
        """See `DosePolicy`."""
        return self.process.noisy(clean, noise, time)

    def wanted(self, clean: Tensor, noise: Tensor, time: Tensor) -> Tensor:
        """See `DosePolicy`."""
        return clean if self.system.prediction == "clean" else self.process.velocity(clean, noise, time)

    def said(self, network: nn.Module, seen: Seen, noisy: Tensor, time: Tensor) -> Tensor:
        """See `DosePolicy`."""
        conditions = {name: value.expand(noisy.shape[0], *value.shape[1:]) for name, value in seen.conditions.items()}
        return network(noisy, time, DOSE, conditions, seen.inside).float()

    def squared(self, network: nn.Module, seen: Seen, difference: Tensor) -> Tensor:
        """Of voxels, where the codec is a linear map; of latents otherwise."""
        if self.system.codec != "blocks":
            return _mean_square(difference, seen.inside)
        assert isinstance(network, AnyToAnyNetwork)
        nothing = network.decode(DOSE, torch.zeros_like(difference[:1]))  # a codec with means decodes it to them
        return _mean_square(network.decode(DOSE, difference) - nothing, seen.region[0, 0])


class DefaultPolicy:
    """The default system, which predicts the clean dose on a straight line to noise.

    Patients lie in the middle, also where a prediction's samples are placed: a group's samples are told apart by their
    noise alone.
    """

    def see(self, network: nn.Module, case: TrainingCase, device: torch.device) -> Seen:
        """See `DosePolicy`."""
        multiple: int = network.size_multiple  # type: ignore[assignment]
        shape = padded_shape(case.inputs.region.shape, multiple)
        offset, region, dose = _padded(case, shape, device)
        conditions = {
            "channels": batch_of_one(case.inputs.padded_channels(shape, offset), device),
            "scalars": batch_of_one(case.inputs.scalars, device),
        }
        return Seen(conditions, region, region[0, 0], dose, case, offset)

    def sample(self, network: nn.Module, seen: Seen, steps: int, seeds: Sequence[int]) -> Tensor:
        """See `DosePolicy`."""
        shape = seen.clean.shape
        noise = torch.cat([torch.randn(shape, generator=torch.Generator().manual_seed(seed)) for seed in seeds])
        return sample(
            lambda noisy, time: self.said(network, seen, noisy, time), noise.to(seen.clean.device), steps,
            lambda dose: zero_outside(dose, seen.region),
        )  # fmt: skip

    def doses_gy(self, network: nn.Module, seen: Seen, samples: Tensor) -> np.ndarray:
        """See `DosePolicy`."""
        return seen.dose_gy(samples)

    def changed(self, network: nn.Module, samples: Tensor, factors: Tensor) -> Tensor:
        """See `DosePolicy`."""
        return (samples.float() + 1) * factors - 1

    def draw_time(self, uniform: Tensor) -> Tensor:
        """See `DosePolicy`."""
        return uniform

    def noisy(self, clean: Tensor, noise: Tensor, time: Tensor) -> Tensor:
        """See `DosePolicy`."""
        return noisy_sample(clean, noise, time)

    def wanted(self, clean: Tensor, noise: Tensor, time: Tensor) -> Tensor:
        """See `DosePolicy`."""
        return clean

    def said(self, network: nn.Module, seen: Seen, noisy: Tensor, time: Tensor) -> Tensor:
        """See `DosePolicy`."""
        count = noisy.shape[0]
        channels, scalars = (
            seen.conditions[name].expand(count, *seen.conditions[name].shape[1:]) for name in ("channels", "scalars")
        )
        return network(noisy, channels, time, scalars).float()

    def squared(self, network: nn.Module, seen: Seen, difference: Tensor) -> Tensor:
        """See `DosePolicy`."""
        return _mean_square(difference, seen.inside)
