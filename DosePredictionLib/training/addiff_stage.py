"""The second stage of ADDiff-Dose: the conditional diffusion of the dose."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from DosePredictionLib.conditioning.channels import SCALARS
from DosePredictionLib.conditioning.grid import NOMINAL_SPACING_MM
from DosePredictionLib.dosimetry.goal_reading import bundled_goals
from DosePredictionLib.errors import InputError
from DosePredictionLib.inference.weights_header import read_weights_header
from DosePredictionLib.networks.lightweight_vae3d import WholeCT
from DosePredictionLib.networks.patch_windows import Place, cut_patches, linear_decay, merge_patches, patch_starts
from DosePredictionLib.systems.addiff_dose import AddiffDoseSystem
from DosePredictionLib.systems.possible_dose import possible_dose
from DosePredictionLib.systems.registry import system_from_config
from DosePredictionLib.training.canvas_check import check_canvas
from DosePredictionLib.training.case_cache import TrainingCase
from DosePredictionLib.training.clinical_loss import PatientConstraint, StructureVoxels, clinical_loss, missed_percent
from DosePredictionLib.training.config import TrainingConfig
from DosePredictionLib.training.constraint_masks import ConstraintMasks, structure_voxels
from DosePredictionLib.training.draw import draw_batch
from DosePredictionLib.training.earlier_weights import earlier_weights
from DosePredictionLib.training.losses import dose_error_gy
from DosePredictionLib.training.mixup import draw_share, mixed
from DosePredictionLib.training.stage import StageLoss, map_tensors
from DosePredictionLib.training.start_weights import network_to_train
from DosePredictionLib.training.system_stage import SystemStage

GOALS = "addiff-dose"
#: Denoiser calls of a validation.
VALIDATION_STEPS = 4
#: Where the network doesn't say the clean dose, fewer steps multiply its error.
VALIDATION_STEPS_OF_NOISE = 8


@dataclass(frozen=True)
class AddiffBatch:
    """Patients of one padded shape, and where their patches are taken.

    Attributes:
        clean, region: (N, 1, Z, Y, X); dose in model units (zero dose -1, highest prescription +1).
        conditions: (N, C, Z, Y, X).
        context: (N, K). has_ct: (N,). step_mm: (N, 3) voxel size z, y, x.
        time: (N,) whole steps, one a patient, whose patches make up one volume.
        gy_per_unit: (N,) what one model unit is worth.
        noise_seed: of the noise, which is drawn on the device that trains.
        places: each patch's patient and start; the same for every patient.
        constraints: of each patient; none when patients are mixed.
        structures: that the constraints are for, of each patient.
    """

    clean: Tensor
    region: Tensor
    conditions: Tensor
    context: Tensor
    has_ct: Tensor
    step_mm: Tensor
    time: Tensor
    gy_per_unit: Tensor
    noise_seed: int
    places: tuple[tuple[int, Place], ...]
    constraints: tuple[tuple[PatientConstraint, ...], ...]
    structures: tuple[tuple[StructureVoxels, ...], ...]


class AddiffStage(SystemStage[AddiffDoseSystem]):
    """Noise (or velocity, or clean dose) of patches, plus the constraints on the whole dose that they stand for.

    L = 1.0 L_mse + 0.5 L_cond with the CT encoder of the first stage, unchanged. Where the text can't be followed:

    - L_mse is taken over the dose region only: outside of it the dose is known to be 0.
    - L_cond needs a dose, and the network says noise: the clean dose that its answer stands for is used, clipped to
      possible doses. At high noise that is a guess with a large error, so each patient's L_cond is weighted by
      signal over signal plus noise (the kept variance of its step).
    - Constraints are on whole structures. Where the patches of a step don't cover the patient
      (`TrainingConfig.patches`; 0 takes all, as Algorithm 1), the rest of the volume has its clinical dose. Overlaps
      are merged linearly.
    - Mixed patients have no structures of their own ("dynamically mix dose and structural masks" makes masks of
      fractions of two patients), so L_cond is asked of the batches that aren't mixed, half of them
      (``mixed_batches``).
    - Clinical plans don't meet every constraint of the table, and L_cond doesn't know: it pulls away from them, as in
      the paper; only one that none of them comes near is left out of it (``in_loss`` in the table).
    - CT from -1000 to 1500 HU becomes [0, 1], against the paper's own text: see `CTAutoencoderStage`.
    - What else every run of the loop has and the paper doesn't: see `loop.TrainingRun`.
    - Judged every ``validate_every`` steps, and ended by ``patience``, by the constraints that sampled doses miss.
    """

    score_name = "validation_missed_goals_percent"

    def __init__(self, config: TrainingConfig) -> None:
        self.config = config
        self.system = cast(AddiffDoseSystem, system_from_config(config.system, config.system_config))
        stride = 2 ** len(self.system.ct_widths)
        check_canvas(config, (stride, stride, stride), self.system.patch)
        self.masks = ConstraintMasks(bundled_goals(GOALS))
        if config.mixup and config.batch < 2:
            raise InputError("Mixup mixes the patients of a batch: set batch to 2 or more, or mixup to 0.")

    def build_network(self) -> nn.Module:
        """The system's networks: as finished weights have them, or the CT encoder as the first stage left it.

        Raises:
            InputError: the configuration names no weights of either kind, or such of another size.
        """
        if self.config.from_weights is None:
            raise InputError(
                "This stage needs the CT autoencoder: train the stage 'ct_vae' first and give its "
                "weights.safetensors as from_weights."
            )
        state, _ = earlier_weights(self.config.from_weights, self.system.name, "ct_encoder.")
        if read_weights_header(self.config.from_weights).training.get("stage", "dose") == "dose":
            return network_to_train(self.system, self.config.from_weights)
        network = self.system.build_network()
        try:
            network.ct_encoder.load_state_dict(state)
        except RuntimeError as error:
            raise InputError(
                f"The CT autoencoder in {self.config.from_weights} has another size than this configuration's; make "
                "ct_widths and latent the same."
            ) from error
        return network

    def draw(self, cases: Sequence[TrainingCase], seeds: Sequence[tuple[int, ...]]) -> AddiffBatch:
        """Augmented patients, mixed or with their constraints, and places of patches."""
        known = [self.masks.of(case) for case in cases] if self.config.clinical_weight else []
        carried = max((len(one.structures) for one in known), default=0)
        carrying = [self.masks.carried_by(case, carried) for case in cases] if carried else list(cases)
        multiple = max(self.system.padded_shape((1, 1, 1)))  # a patch fits into one such length
        batch = draw_batch(
            carrying, self.system, self.config, multiple, seeds, with_structures=False, with_patients=True
        )
        rng = np.random.default_rng(batch.noise_seed)
        generator = torch.Generator().manual_seed(batch.noise_seed)
        share = draw_share(self.config.mixup, len(cases), generator, self.config.mixed_batches)
        count = len(self.system.channels)
        context = np.stack([self.system.context(inputs) for inputs in batch.patients])
        spacing = [SCALARS.index(f"spacing_{axis}") for axis in "zyx"]
        step_mm = (batch.scalars[:, spacing] + 1) * torch.tensor(NOMINAL_SPACING_MM[::-1])
        structures: tuple[tuple[StructureVoxels, ...], ...] = ()
        if known and share == 1.0:
            structures = tuple(
                tuple(structure_voxels(mask.reshape(-1).numpy(), float(step_mm[index].prod()) / 1000.0)
                      for mask in batch.conditions[index, count : count + len(one.structures)])
                for index, one in enumerate(known)
            )  # fmt: skip
        # Times spread over the batch evenly: each patient its part of the steps.
        steps = self.system.diffusion_steps
        first = float(rng.random())
        time = [1 + int((first + index / len(cases)) % 1.0 * steps) for index in range(len(cases))]
        region = mixed(batch.region.float(), share) > 0
        return AddiffBatch(
            clean=mixed(batch.clean, share),
            region=region,
            conditions=mixed(batch.conditions[:, :count], share),
            context=mixed(torch.from_numpy(context), share),
            has_ct=mixed(batch.scalars[:, SCALARS.index("has_ct")], share),
            step_mm=mixed(step_mm, share),
            time=torch.tensor(time),
            gy_per_unit=mixed(batch.gy_per_unit, share),
            noise_seed=batch.noise_seed,
            places=self._places(region.numpy()[:, 0], rng),
            constraints=tuple(one.constraints for one in known) if structures else (),
            structures=structures,
        )

    def _places(self, region: np.ndarray, rng: np.random.Generator) -> tuple[tuple[int, Place], ...]:
        """Where patches are taken: all that tile a patient, or some around random voxels of its dose region."""
        patch = np.array(self.system.patch)
        shape = np.array(region.shape[1:])
        places: list[tuple[int, Place]] = []
        for index, inside in enumerate(region):
            if self.config.patches == 0:
                places += [
                    (index, start) for start in patch_starts(tuple(shape), self.system.patch, self.system.overlap)
                ]
                continue
            # A small canvas may have cut the dose region off: a patch at any place then, in which no voxel counts.
            voxels = np.argwhere(inside if inside.any() else np.ones_like(inside))
            centres = voxels[rng.integers(0, len(voxels), self.config.patches)]
            shifted = centres - (patch * rng.random((len(centres), 3))).astype(int)
            for z, y, x in np.clip(shifted, 0, shape - patch):
                places.append((index, (int(z), int(y), int(x))))
        return tuple(places)

    def loss(self, network: nn.Module, batch: AddiffBatch) -> StageLoss:
        """See the class."""
        system, schedule = self.system, self.system.schedule
        device = batch.clean.device
        generator = torch.Generator(device).manual_seed(batch.noise_seed)
        noise = torch.randn(batch.clean.shape, generator=generator, device=device)
        noisy = schedule.noisy(batch.clean, noise, batch.time)
        wanted = schedule.target(batch.clean, noise, batch.time, system.prediction)
        of = torch.tensor([index for index, _ in batch.places], device=device)
        starts = torch.tensor([start for _, start in batch.places], device=device)
        ct, structures = system.ct_and_structures(batch.conditions, batch.region)

        def patches(volumes: Tensor) -> Tensor:
            return cut_patches(volumes, batch.places, system.patch)

        said = network(
            patches(noisy), patches(structures), batch.time[of], batch.context[of],
            WholeCT(ct, batch.has_ct, batch.step_mm, of), batch.step_mm[of], starts * batch.step_mm[of],
        ).float()  # fmt: skip
        inside = patches(batch.region)
        squared = ((said - patches(wanted)).square() * inside).sum() / inside.sum().clamp(min=1)
        weight = linear_decay(system.patch, system.overlap).to(device)
        whole = merge_patches(said, batch.places, weight, wanted)
        clean = possible_dose(schedule.clean(noisy, whole, batch.time, system.prediction), batch.region)
        seen = merge_patches(torch.ones_like(said), batch.places, weight, torch.zeros_like(clean)) > 0
        error = dose_error_gy(clean.detach(), batch.clean, batch.region & seen, batch.gy_per_unit)
        logged = {"loss_gy": error, "squared_error": squared.detach()}
        total = squared
        if batch.constraints and self.config.clinical_weight:
            kept = schedule.kept_variance.float().to(device)[batch.time]
            terms = []
            for index, (constraints, ours) in enumerate(zip(batch.constraints, batch.structures, strict=True)):
                dose_gy = (clean[index, 0] + 1) * batch.gy_per_unit[index]
                there = [map_tensors(one, lambda value: value.to(device)) for one in ours]
                terms.append(kept[index] * clinical_loss(dose_gy, constraints, there))
            clinical = torch.stack(terms).mean()
            total = total + self.config.clinical_weight * clinical
            logged["clinical"] = clinical.detach()
        return StageLoss(total, logged)

    def score(self, network: nn.Module, case: TrainingCase, seed: int) -> dict[str, float]:
        """The constraints that a sampled dose misses, %, and its mean absolute error in the dose region, Gy."""
        predicted = self.system.sample_dose(network, case.inputs, self._validation_steps, seed)
        known = self.masks.of(case)
        return {
            self.score_name: missed_percent(torch.from_numpy(predicted), known.constraints, known.structures),
            "validation_dose_score_gy": case.mean_error_gy(predicted),
        }

    @property
    def _validation_steps(self) -> int:
        wanted = VALIDATION_STEPS if self.system.prediction == "x0" else VALIDATION_STEPS_OF_NOISE
        return min(wanted, self.system.diffusion_steps)
