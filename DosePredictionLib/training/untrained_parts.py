"""What of DiffKT3D's network is measured or solved before training, not trained."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np
import torch
from torch import Tensor

from DosePredictionLib.conditioning.modalities import DOSE, modalities_of, modality_volume
from DosePredictionLib.conditioning.padding import pad_to
from DosePredictionLib.networks.any_to_any import AnyToAnyNetwork
from DosePredictionLib.networks.block_codec import BlockCodec
from DosePredictionLib.networks.linear_start import LinearStart, RidgeFit
from DosePredictionLib.systems.diffkt3d import DiffKT3DSystem
from DosePredictionLib.training.case_cache import TrainingCase

#: Patients whose latents are measured, evenly from all.
MEASURED_CASES = 24


def measure_and_solve(
    network: AnyToAnyNetwork, system: DiffKT3DSystem, cases: Sequence[TrainingCase], seed: int
) -> None:
    """Measure the codec's latents, if it standardises them, and solve the linear starts, if there are any.

    Args:
        network: with fresh weights, on its device.
        system: its own.
        cases: of training.
        seed: of which conditions a linear start is shown of which patient: each is hidden half as often as at the end
            of training.
    """
    codec = network.codec
    if isinstance(codec, BlockCodec) and codec.standardised:
        found: dict[str, list[Tensor]] = {}
        for case in cases[:: max(1, len(cases) // MEASURED_CASES)]:
            latents, occupied = latents_of(network, system, case)
            for name, latent in latents.items():
                found.setdefault(name, []).append(latent[0][:, occupied].T)
        for name, columns in found.items():
            codec.standardise(name, torch.cat(columns))
    fits = {name: RidgeFit(cast(LinearStart, start)) for name, start in network.starts.items()}
    for number, case in enumerate(cases if fits else ()):
        latents, occupied = latents_of(network, system, case)
        shown = np.random.default_rng((seed, number)).random(len(latents)) >= system.hidden / 2
        for target, fit in fits.items():
            visible = {name: latent for (name, latent), seen in zip(latents.items(), shown, strict=True)
                       if seen and name not in (DOSE, target)}  # fmt: skip
            if target in latents and visible:
                fit.see(visible, latents[target], occupied)
    for fit in fits.values():
        fit.solve()


def latents_of(
    network: AnyToAnyNetwork, system: DiffKT3DSystem, case: TrainingCase
) -> tuple[dict[str, Tensor], Tensor]:
    """A whole case's modalities, (1, C, Z, Y, X) each, and the cubes (Z, Y, X) that its dose region occupies."""
    inputs = case.inputs
    shape, offset = system.placed(inputs.region.shape, 0)
    channels = inputs.padded_channels(shape, offset)
    volumes = {DOSE: case.padded_dose(shape, offset)[None]}
    volumes |= {name: modality_volume(name, inputs.names, channels) for name in modalities_of(inputs)}
    device = next(network.parameters()).device
    region = torch.from_numpy(pad_to(inputs.region, shape, offset))[None, None].to(device)
    encoded = {name: network.encode(name, torch.from_numpy(one)[None].to(device)) for name, one in volumes.items()}
    return encoded, network.occupied(region)
