"""Training DiffKT3D: any modality from any others (stage "any-to-any"), or the dose alone (stage "dose")."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from DosePredictionLib.conditioning.dose_units import gy_per_unit, in_model_units
from DosePredictionLib.conditioning.modalities import DOSE, MODALITY_CHANNELS, modalities_of, modality_volume
from DosePredictionLib.conditioning.padding import pad_to, random_place
from DosePredictionLib.networks.any_to_any import AnyToAnyNetwork
from DosePredictionLib.networks.low_rank import add_low_rank, merged_state
from DosePredictionLib.patient.geometry import index3
from DosePredictionLib.systems.diffkt3d import DiffKT3DSystem
from DosePredictionLib.systems.registry import system_from_config
from DosePredictionLib.training.backbone_weights import start_from
from DosePredictionLib.training.canvas_check import check_canvas
from DosePredictionLib.training.case_cache import TrainingCase
from DosePredictionLib.training.config import TrainingConfig
from DosePredictionLib.training.dose_loss import dose_and_dvh_loss
from DosePredictionLib.training.draw import augmented, cut, scored_structures
from DosePredictionLib.training.losses import StructureDoses, structure_doses
from DosePredictionLib.training.stage import StageLoss
from DosePredictionLib.training.system_stage import SystemStage
from DosePredictionLib.training.untrained_parts import measure_and_solve
from DosePredictionLib.training.unwrapped import unwrapped

#: Where low-rank changes are learnt.
LOW_RANK_PARTS = ("denoiser.blocks.", "denoiser.unet.")
CT = "ct"
#: What a run that never asks for the dose is judged by.
CT_SCORE = "validation_ct_error_hu"
#: The curriculum reaches its end after this part of the run.
CURRICULUM = 0.5


@dataclass(frozen=True)
class AnyToAnyBatch:
    """Patients of one padded shape, one of whose modalities is to be restored.

    Attributes:
        target: the modality.
        clean: (N, C, Z, Y, X) its volume between -1 and +1 (dose: -1 is zero, +1 the highest prescription).
        visible: the conditions that are shown.
        conditions: (N, C', Z, Y, X) their volumes one after the other.
        region: (N, 1, Z, Y, X) boolean.
        time: (N,).
        gy_per_unit: (N,) what one unit of a dose is worth.
        noise_seed: of the noise, which is drawn on the device that trains.
        structures: targets and organs, for the dose's DVH terms.
    """

    target: str
    clean: Tensor
    visible: tuple[str, ...]
    conditions: Tensor
    region: Tensor
    time: Tensor
    gy_per_unit: Tensor
    noise_seed: int
    structures: StructureDoses


class AnyToAnyStage(SystemStage[DiffKT3DSystem]):
    """Draws a target modality and the conditions that are shown, and restores the one from the others.

    In the stage "any-to-any" the target is random, the dose with the system's ``dose_share``, and each condition (the
    dose too, when it isn't the target) is hidden with a probability that rises from 0 to the system's ``hidden`` over
    the first half of the run. In the stage "dose" the target is the dose and all conditions are shown but for the
    optional ones that `augmented` leaves out. A stage "any-to-any" with a ``dose_share`` of 0 spends no step on the
    dose as a target, so that what comes after it can be held against a run from nothing with as many steps on the dose;
    it is validated with the error of the CT.

    What every run of the loop has besides, and DiffKT3D's abstract doesn't name: see `loop.TrainingRun`.
    """

    #: Every step asks for one modality: the others' parts of the network get no gradient.
    leaves_parameters_unused = True
    score_name = "validation_dose_score_gy"

    def __init__(self, config: TrainingConfig) -> None:
        self.config = config
        self.system = cast(DiffKT3DSystem, system_from_config(config.system, config.system_config))
        if config.canvas is not None:
            check_canvas(config, self.system.size_multiple)
        if config.stage == "any-to-any" and self.system.dose_share == 0:
            self.score_name = CT_SCORE

    def build_network(self) -> nn.Module:
        """The system's networks, with fresh weights or with those that the configuration starts from."""
        network = self.system.build_network()
        if self.config.from_weights is not None:
            start_from(Path(self.config.from_weights), network, self.system)
        if self.config.low_rank:
            # What a backbone brings is changed by little; the patch embeddings and heads of the modalities learn fully.
            add_low_rank(network, self.config.low_rank, lambda name: name.startswith(LOW_RANK_PARTS))
        return network

    def prepare(self, network: nn.Module, cases: Sequence[TrainingCase]) -> None:
        """Measure and solve what isn't trained; earlier weights bring it along."""
        if self.config.from_weights is None:
            measure_and_solve(cast(AnyToAnyNetwork, unwrapped(network)), self.system, cases, self.config.seed)

    def draw(self, cases: Sequence[TrainingCase], seeds: Sequence[tuple[int, ...]]) -> AnyToAnyBatch:
        """Augmented patients at a random place of the padded volume; all of them with one target and one choice."""
        generators = [np.random.default_rng(seed) for seed in seeds]
        drawn = [augmented(case, self.system, self.config, rng) for case, rng in zip(cases, generators, strict=True)]
        available = [name for name in MODALITY_CHANNELS if all(name in (DOSE, *modalities_of(c.inputs)) for c in drawn)]
        target, visible = self._choice(available, seeds[0][-1], generators[0])
        largest = index3(np.max([case.inputs.region.shape for case in drawn], axis=0))
        shape = self.config.canvas or self.system.padded(largest)
        units = [gy_per_unit(case.inputs) for case in drawn]
        clean, conditions, region, structures, doses = [], [], [], [], []
        for case, rng in zip(drawn, generators, strict=True):
            inputs, dose = cut(case.inputs, case.dose_gy, shape, rng)
            offset = random_place(inputs.region.shape, shape, rng)
            channels = inputs.padded_channels(shape, offset)
            padded_dose = pad_to(dose.astype(np.float32), shape, offset)
            volumes = {
                name: in_model_units(padded_dose[None], inputs) if name == DOSE
                else modality_volume(name, inputs.names, channels)
                for name in (target, *visible)
            }  # fmt: skip
            clean.append(torch.from_numpy(volumes[target]))
            conditions.append(torch.from_numpy(np.concatenate([volumes[name] for name in visible])))
            region.append(torch.from_numpy(pad_to(inputs.region, shape, offset)))
            structures.append(scored_structures(inputs, channels) if target == DOSE else ())
            doses.append(padded_dose)
        generator = torch.Generator().manual_seed(int(generators[0].integers(2**62)))
        time = self.system.noise_process.draw_time(torch.rand(len(drawn), generator=generator))
        pure = torch.rand(len(drawn), generator=generator) < self.system.pure_noise
        return AnyToAnyBatch(
            target=target,
            clean=torch.stack(clean),
            visible=visible,
            conditions=torch.stack(conditions),
            region=torch.stack(region)[:, None],
            time=torch.where(pure, torch.ones(len(drawn)), time),
            gy_per_unit=torch.tensor(units, dtype=torch.float32),
            noise_seed=int(generators[0].integers(2**62)),
            structures=structure_doses(structures, doses, units),
        )

    def _choice(self, available: list[str], drawn: int, rng: np.random.Generator) -> tuple[str, tuple[str, ...]]:
        """The target and what is shown of the rest; never nothing."""
        others = [name for name in available if name != DOSE]
        if self.config.stage != "any-to-any":
            return DOSE, tuple(others)
        target = DOSE if rng.random() < self.system.dose_share else self._other(others, rng)
        progress = drawn / (self.config.steps * self.config.batch * self.config.devices)
        hidden = self.system.hidden * min(1.0, progress / CURRICULUM)
        rest = [name for name in available if name != target]
        visible = tuple(name for name in rest if rng.random() >= hidden)
        return target, visible or (str(rng.choice(rest)),)

    def _other(self, others: list[str], rng: np.random.Generator) -> str:
        """A target besides the dose."""
        share = self.system.ct_share
        if share is None or CT not in others:
            return str(rng.choice(others))
        return CT if rng.random() < share else str(rng.choice([name for name in others if name != CT]))

    def loss(self, network: nn.Module, batch: AnyToAnyBatch) -> StageLoss:
        """The error of what the network says: the clean volume's in the dose region, or the latent velocity's.

        A clean dose is judged as the default system's: mean absolute error in Gy and the DVH terms. Any other clean
        volume is judged by its squared error. Whether a voxel holds bone is uncertain where only the targets and organs
        are known: what the absolute error makes of that is the median, soft tissue everywhere, at every step of a
        sample; the squared error makes it the mean, which is what a sampler's steps stand for.
        """
        whole = cast(AnyToAnyNetwork, unwrapped(network))
        conditions, first = {}, 0
        for name in batch.visible:
            count = len(MODALITY_CHANNELS[name])
            conditions[name] = whole.encode(name, batch.conditions[:, first : first + count])
            first += count
        latent = whole.encode(batch.target, batch.clean)
        generator = torch.Generator(latent.device).manual_seed(batch.noise_seed)
        noise = torch.randn(latent.shape, generator=generator, device=latent.device)
        process = self.system.noise_process
        noisy = process.noisy(latent, noise, batch.time)
        occupied = whole.occupied(batch.region)
        said = network(noisy, batch.time, batch.target, conditions, occupied).float()
        if self.system.prediction == "velocity":
            wanted = process.velocity(latent, noise, batch.time)
            error = (said - wanted).square().mean(dim=(0, 1))[occupied].mean()
            return StageLoss(error, {f"velocity_{batch.target}": error.detach()})
        predicted = whole.decode(batch.target, said)
        if batch.target != DOSE:
            apart = predicted - batch.clean
            logged = {f"error_{batch.target}": apart.detach().abs().mean(dim=1, keepdim=True)[batch.region].mean()}
            return StageLoss(apart.square().mean(dim=1, keepdim=True)[batch.region].mean(), logged)
        return dose_and_dvh_loss(predicted, batch, self.config)

    def score(self, network: nn.Module, case: TrainingCase, seed: int) -> float:
        """Mean absolute error in the dose region, sampled with the system's own number of steps.

        Of the dose in Gy; of the CT in HU, see the class (NaN for a case without one).
        """
        if self.score_name == CT_SCORE:
            inputs = case.inputs
            if CT not in modalities_of(inputs):
                return float("nan")
            ct = self.system.sample_modality(network, inputs, CT, self.system.sampling_steps, seed)[0]
            own = inputs.channel(CT).astype(np.float32)
            return 1000.0 * float(np.abs(ct - own)[inputs.region].mean())
        predicted = self.system.sample_dose(network, case.inputs, self.system.sampling_steps, seed)
        return case.mean_error_gy(predicted)

    def release_state(self, average: dict[str, Tensor]) -> dict[str, Tensor]:
        """The averaged weights are the system's, low-rank changes added."""
        return merged_state(average)
