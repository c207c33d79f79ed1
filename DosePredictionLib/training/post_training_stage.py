"""Post-training a system with the scores that its own doses earn (DiffusionNFT)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from DosePredictionLib.dosimetry.scorecard_reading import find_scorecard
from DosePredictionLib.errors import InputError
from DosePredictionLib.inference.weights import load_weights
from DosePredictionLib.networks.low_rank import CURRENT, NONE, OLD, add_low_rank, merged_state, move_old, version
from DosePredictionLib.systems.system import System
from DosePredictionLib.training.case_cache import TrainingCase
from DosePredictionLib.training.config import TrainingConfig
from DosePredictionLib.training.dose_policy import policy_of
from DosePredictionLib.training.draw import augmented
from DosePredictionLib.training.exploration import dose_factors
from DosePredictionLib.training.post_training_config import PostTrainingConfig
from DosePredictionLib.training.reward import dose_figures, optimality, patient_on_grid, reward
from DosePredictionLib.training.stage import StageLoss
from DosePredictionLib.training.system_stage import SystemStage
from DosePredictionLib.training.unwrapped import unwrapped


@dataclass(frozen=True)
class PostTrainingBatch:
    """Patients whose doses are sampled, scored and compared.

    Attributes:
        cases: augmented.
        seeds: of each patient's noise.
    """

    cases: tuple[TrainingCase, ...]
    seeds: tuple[int, ...]


class PostTrainingStage(SystemStage[System]):
    """Doses that score better than a patient's other samples become likelier, those that score worse less likely.

    Zheng et al., "DiffusionNFT: Online Diffusion Reinforcement with Forward Process", arXiv:2509.16117 (2025). An old
    policy samples several doses of a patient; each one's reward becomes r in [0, 1]. At a noisy version of the sample,
    with v the network's prediction, v_old the old policy's and v* what would restore the sample,

        v+ = (1 - b) v_old + b v,    v- = (1 + b) v_old - b v,
        loss = r |v+ - v*|^2 + (1 - r) |v- - v*|^2 + anchor * (diffusion loss on the clinical dose).

    The samples are widened and changed before, see ``widening`` and ``exploration`` of `PostTrainingConfig`. No
    likelihoods and no stochastic sampler are needed, so any deterministic few-step sampling will do. The weights are
    frozen; low-rank changes are learnt (`low_rank`), and added to the weights on release.
    """

    #: Every step asks for the dose: of a network for several modalities the others' parts get no gradient.
    leaves_parameters_unused = True
    score_name = "validation_dose_score_gy"

    def __init__(self, config: TrainingConfig) -> None:
        if config.from_weights is None:
            raise InputError("Post-training needs weights to start from; name a weights file as from_weights.")
        if config.low_rank < 1:
            raise InputError("Post-training learns low-rank changes of frozen weights; give low_rank, such as 16.")
        self.settings = PostTrainingConfig.of(config.post_training)
        self.card = find_scorecard(self.settings.scorecard)
        loaded = load_weights(Path(config.from_weights))
        if loaded.header.system != config.system:
            raise InputError(
                f"{config.from_weights} holds weights of the system {loaded.header.system!r}, not {config.system!r}; "
                "make the two agree."
            )
        before = loaded.header.training
        # What a mirrored organ is called is nothing to unlearn on the way.
        self.config = replace(config, names_kept=bool(before.get("names_kept")))
        #: How patients were shown to the frozen weights, which low-rank changes don't make them forget.
        self.views_before: dict[str, object] = {
            "names_kept": self.config.names_kept,
            **{name: before[name] for name in ("upside_down", "quarter_turns") if before.get(name)},
        }
        #: The weights' own system: what a configuration says of it would have to be the same.
        self.system = loaded.system
        self._state = loaded.network.state_dict()
        self.policy = policy_of(self.system)

    @property
    def released(self) -> System:
        """Whose weights come out: the system of the weights that went in."""
        return self.system

    def build_network(self) -> nn.Module:
        """The frozen network with low-rank changes that begin as nothing."""
        network = self.system.build_network()
        network.load_state_dict(self._state)
        network.requires_grad_(False)
        add_low_rank(network, self.config.low_rank, lambda name: not name.startswith("codec"))
        return network

    def draw(self, cases: Sequence[TrainingCase], seeds: Sequence[tuple[int, ...]]) -> PostTrainingBatch:
        """Augmented patients and the seeds of their noise."""
        generators = [np.random.default_rng(seed) for seed in seeds]
        drawn = tuple(
            augmented(case, self.system, self.config, rng)  # type: ignore[arg-type]
            for case, rng in zip(cases, generators, strict=True)
        )
        return PostTrainingBatch(drawn, tuple(int(rng.integers(2**31)) for rng in generators))

    def loss(self, network: nn.Module, batch: PostTrainingBatch) -> StageLoss:
        """Samples doses with the old policy, scores them, and compares; see the class."""
        move_old(network, self.settings.old_decay)
        parts = [self._of_patient(network, case, seed) for case, seed in zip(batch.cases, batch.seeds, strict=True)]
        total = torch.stack([part.total for part in parts]).mean()
        logged = {name: torch.stack([part.logged[name] for part in parts]).mean() for name in parts[0].logged}
        return StageLoss(total, logged)

    def _of_patient(self, network: nn.Module, case: TrainingCase, seed: int) -> StageLoss:
        plain = unwrapped(network)
        device = next(plain.parameters()).device
        settings = self.settings
        seeds = [seed + index for index in range(settings.samples)]
        with torch.no_grad():
            seen = self.policy.see(plain, case, device)
            with version(plain, NONE):
                before_sample = self.policy.sample(plain, seen, settings.sampling_steps, seeds[:1])
            with version(plain, OLD):
                samples = self.policy.sample(plain, seen, settings.sampling_steps, seeds)
            centre = samples.mean(dim=0, keepdim=True)
            wide = centre + settings.widening * (samples - centre)
            if settings.exploration:
                shape, count = tuple(seen.region.shape[2:]), len(wide)
                factors = dose_factors(case, shape, seen.offset, count, settings.exploration, seed)
                wide = self.policy.changed(plain, wide, factors.to(device))
            doses_gy = self.policy.doses_gy(plain, seen, torch.cat([before_sample, samples[:1], wide]))
        patient = patient_on_grid(case.identifier, case.inputs)
        clinical_gy = case.dose_gy.astype(np.float32)
        # Before and now have one seed, so that their difference is what was learnt (and what bfloat16 rounds away).
        before, now, *figures = [dose_figures(dose, clinical_gy, patient, self.card) for dose in doses_gy]
        widening_gy = float(np.mean([one.error_gy for one in figures])) - now.error_gy
        rewards = np.array([reward(one, before, settings, widening_gy) for one in figures])
        weight = torch.from_numpy(optimality(rewards)).float().to(device)

        # Not of the samples' own seeds: noise that a sample was drawn from would lead the old policy back to it.
        generator = torch.Generator().manual_seed(seed + settings.samples)
        clean = torch.cat([wide, seen.clean])
        noise = torch.randn(clean.shape, generator=generator).to(device)
        time = self.policy.draw_time(torch.rand(len(clean), generator=generator)).to(device)
        noisy = self.policy.noisy(clean, noise, time)
        wanted = self.policy.wanted(clean, noise, time)
        with torch.no_grad():
            with version(plain, OLD):
                old = self.policy.said(network, seen, noisy[:-1], time[:-1])
            with version(plain, NONE):
                frozen = self.policy.said(network, seen, noisy[-1:], time[-1:])
        with version(plain, CURRENT):
            said = self.policy.said(network, seen, noisy, time)

        def squared(difference: Tensor) -> Tensor:
            return self.policy.squared(plain, seen, difference)

        def losses(said: Tensor) -> tuple[Tensor, Tensor]:
            """Of the policy and of the anchor, weighted."""
            mix = settings.mix
            better = (1 - mix) * old + mix * said[:-1]
            worse = (1 + mix) * old - mix * said[:-1]
            compared = weight * squared(better - wanted[:-1]) + (1 - weight) * squared(worse - wanted[:-1])
            return settings.policy * compared.mean(), settings.anchor * squared(said[-1:] - wanted[-1:]).mean()

        policy_loss, anchor_loss = losses(said)
        policy_pull, anchor_pull = _pulls(losses, said)
        with torch.no_grad():
            drift = (squared(said[-1:] - frozen) / squared(frozen)).sqrt().mean()

        def logged(value: float) -> Tensor:
            return torch.tensor(value)

        return StageLoss(
            policy_loss + anchor_loss,
            {
                "reward": logged(float(rewards.mean())),
                "reward_deviation": logged(float(rewards.std())),
                "scorecard_percent": logged(now.score_percent),
                "scorecard_gain": logged(now.score_percent - before.score_percent),
                "sample_error_gy": logged(now.error_gy),
                "policy_loss": policy_loss.detach().cpu(),
                "anchor_loss": anchor_loss.detach().cpu(),
                "policy_pull": policy_pull.cpu(),
                "anchor_pull": anchor_pull.cpu(),
                "drift": drift.detach().cpu(),
            },
        )

    def score(self, network: nn.Module, case: TrainingCase, seed: int) -> dict[str, float]:
        """Dose score in Gy and scorecard in percent of a validation patient."""
        dose_gy = self.system.sample_dose(network, case.inputs, self.settings.sampling_steps, seed)
        patient = patient_on_grid(case.identifier, case.inputs)
        figures = dose_figures(dose_gy, case.dose_gy.astype(np.float32), patient, self.card)
        return {self.score_name: figures.error_gy, "validation_scorecard_percent": figures.score_percent}

    def release_state(self, average: dict[str, Tensor]) -> dict[str, Tensor]:
        """The frozen weights with the averaged changes added."""
        return merged_state(average)


def _pulls(losses: Callable[[Tensor], tuple[Tensor, ...]], said: Tensor) -> list[Tensor]:
    """How hard each loss pulls at what the network says: the norm of its gradient there, summed over the samples.

    The sum is what they pull at together, as weights feel it; it costs next to nothing, while the gradients of the
    weights would take a way back through the network each.
    """
    pulls = []
    for part in range(2):
        with torch.enable_grad():
            output = said.detach().requires_grad_()
            (gradient,) = torch.autograd.grad(losses(output)[part], output)
        pulls.append(gradient.sum(dim=0).norm())
    return pulls
