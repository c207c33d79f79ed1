"""The training loop: resumes exactly, validates as it goes, leaves curves and weights."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from DosePredictionLib.errors import InputError
from DosePredictionLib.inference.patients_seen import PatientsSeen
from DosePredictionLib.inference.weights_header import read_weights_header
from DosePredictionLib.systems.registry import system_from_config
from DosePredictionLib.training.case_cache import TrainingCase, cached_cases
from DosePredictionLib.training.checkpoint_file import read_checkpoint, write_checkpoint
from DosePredictionLib.training.config import TrainingConfig
from DosePredictionLib.training.curve_lines import CURVES, add_to_curves, trim_curves
from DosePredictionLib.training.earlier_patients import patients_before, told_of_overlap
from DosePredictionLib.training.fabric import everywhere, fabric_of
from DosePredictionLib.training.optimiser import SideBySide, build_optimisers
from DosePredictionLib.training.origin import Origin, origin_of, told_of_change
from DosePredictionLib.training.run_history import settings_before
from DosePredictionLib.training.skipped_steps import Buffers, SkippedSteps
from DosePredictionLib.training.stage import Stage, to_device
from DosePredictionLib.training.stages import stage_of
from DosePredictionLib.training.step_draws import StepDraws
from DosePredictionLib.training.thin_maps import thicken_thin_maps
from DosePredictionLib.training.time_left import CHECKPOINT as SAVING
from DosePredictionLib.training.time_left import STEP, VALIDATION, TimeLeft

CHECKPOINT = "checkpoint.pt"


class TrainingRun:
    """A run in its output folder.

    Every random draw follows from (seed, step), and a checkpoint holds the weights, their moving average and the
    optimiser, so a run that was stopped and resumed equals one that was not, on the same machine. Lightning Fabric
    carries the devices, mixed precision and the sharing of gradients. Steps whose loss or gradient is not a number are
    skipped and counted (`SkippedSteps`).

    Shared with every run of the loop, whatever the paper of its system has: half of the draws show the patient mirrored
    left to right, and others turned or resized as configured (`draw.augmented`); each optional condition (CT, beams) is
    blanked with the system's ``drop``; the gradient is clipped to norm 1; the optimiser is AdamW with betas (0.9, 0.95)
    or Muon beside it, the learning rate rises over ``warmup_steps``, stays and falls at the end (or along a cosine);
    what is validated and released is the moving average of the weights (``ema``); the network's arithmetic is in
    bfloat16. The papers' configurations in Testing/Benchmarks keep these: they differ in what a system is made of, its
    loss, and the numbers that the papers state.

    Args:
        config: the run; the folder's own checkpoint decides where it starts.
        cases, validation: conditioned cases; None takes those of the configuration's folders.

    Raises:
        InputError: there is nothing to train on, or a companion is missing.
    """

    def __init__(
        self,
        config: TrainingConfig,
        cases: Sequence[TrainingCase] | None = None,
        validation: Sequence[TrainingCase] | None = None,
    ) -> None:
        self.config = config
        for companion in config.companions:
            read_weights_header(companion)  # a wrong path is better known now than after the last step
        self.output = Path(config.output)
        try:
            self.output.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"Cannot write to the output {self.output} ({error.strerror}); give a folder.") from error
        if config.threads:
            torch.set_num_threads(config.threads)
        self.system = system_from_config(config.system, config.system_config)
        self.stage = stage_of(config)
        self.fabric = fabric_of(config, getattr(self.stage, "leaves_parameters_unused", False))
        torch.manual_seed(config.seed)
        self.network = _built(self.stage, config).to(self.device)
        if self.device.type == "cpu":
            thicken_thin_maps(self.network)
        self.average = {name: value.detach().clone() for name, value in self.network.state_dict().items()}
        torch.backends.cudnn.benchmark = config.canvas is not None  # one shape: its fastest kernels are worth a search
        self.step = 0
        self.seconds = 0.0
        #: The best validation score so far, and how many validations have gone by without a better one.
        self.best, self.stalled = math.inf, 0
        #: Its averaged weights and step, where a run may end early for want of better ones.
        self.best_average: dict[str, Tensor] | None = None
        self.best_step: int | None = None
        self.skipped = SkippedSteps()
        #: What earlier parts of the run were trained with, where that was something else.
        self.earlier: list[dict[str, Any]] = []
        #: Whom the weights were trained on: in this run's parts so far, and before it.
        self.patients_seen = PatientsSeen()
        #: What it started from.
        self.origin: Origin | None = None
        #: Set from outside (a signal): end after this step, with a checkpoint.
        self.stop_requested = False
        #: Set from outside (``train --minutes``): end before this is over, with a checkpoint.
        self.time_left = TimeLeft()
        #: Whether it ended for that.
        self.out_of_time = False
        self._side_by_side = SideBySide()
        self._trained, *self.optimisers = self.fabric.setup(
            torch.compile(self.network, dynamic=False) if config.compile else self.network,
            *build_optimisers(config, self.network),
        )
        resumed = (self.output / CHECKPOINT).exists()
        if resumed:
            self._resume()
        else:
            self.patients_seen = patients_before(config)
            self.origin = self._origin_now()
        #: Where curves go on; none of the lines that a folder without a checkpoint holds are of this run.
        self._resumed_at, self._curves_trimmed = self.step if resumed else -1, False
        if cases is None or validation is None:
            # One process conditions what isn't in the cache; the others find it there.
            with self.fabric.rank_zero_first():
                cache = Path(config.cache) if config.cache else self.output / "cache"
                cases = cases or list(cached_cases(config.train, cache / "train", self.stage.channels))
                validation = validation or list(
                    cached_cases(config.validation, cache / "validation", self.stage.channels)
                )
        self.cases, self.validation = cases, validation
        if not self.cases:
            raise InputError(f"{config.train} holds no case that can be trained on; each needs a dose and a target.")
        if config.validation_cases:
            self.validation = self.validation[: config.validation_cases]
        unturned = stage_of(replace(config, turn_probability=0.0)) if config.unturned_steps else self.stage
        self.draws = StepDraws(
            config, self.cases, self.stage, unturned, self.fabric.global_rank, self.fabric.world_size,
            pinned=self.device.type == "cuda",
        )  # fmt: skip
        prepare = getattr(self.stage, "prepare", None)
        if prepare is not None and not resumed:
            prepare(self.network, self.cases)
            self.average = {name: value.detach().clone() for name, value in self.network.state_dict().items()}

    @property
    def device(self) -> torch.device:
        """Where this process trains."""
        return self.fabric.device

    def run(self, until: int | None = None) -> None:
        """Train to ``until`` (the configuration's last step when left out), writing curves and checkpoints."""
        last = self.config.steps if until is None else min(until, self.config.steps)
        if self._has_stalled:
            print(self._why_it_ends(), flush=True)
            return
        self._trim_curves()
        if self.step < last:
            self._note_patients()
            self.out_of_time = not self._has_time()
            if self.out_of_time:
                return
        recent: list[dict[str, Tensor]] = []
        began = time.perf_counter()
        for batch in self.draws.of_steps(self.step, last):
            with self.time_left.measured(STEP):
                recent.append(self._optimise(batch))
            self.step += 1
            if self.step % 50 == 0:
                names = dict.fromkeys(name for terms in recent for name in terms)
                means = {name: float(torch.stack([terms[name] for terms in recent if name in terms]).mean())
                         for name in names}  # fmt: skip
                skipped = sum(not terms for terms in recent)
                means |= {"skipped_steps": skipped} if skipped else {}
                recent.clear()
                self.seconds += time.perf_counter() - began
                began = time.perf_counter()
                self._log(means)
            whole = self.step % self.config.checkpoint_every == 0 or self.step == last
            if self._validates_after(self.step):
                self.seconds += time.perf_counter() - began  # hours are of training alone
                with self.time_left.measured(VALIDATION):
                    scores = self.validation_scores()
                self._log(scores)
                self._note_progress(scores[self.stage.score_name])
                began = time.perf_counter()
            self.out_of_time = self.step < last and not self._has_stalled and not self._has_time()
            stop = self._has_stalled or self.stop_requested or self.out_of_time
            if whole or stop:
                self.seconds += time.perf_counter() - began
                with self.time_left.measured(SAVING):
                    self.save()
                began = time.perf_counter()
            if self._has_stalled:
                print(self._why_it_ends(), flush=True)
            if stop:
                break

    def _validates_after(self, step: int) -> bool:
        return bool(self.validation) and (step % self.config.validate_every == 0 or step == self.config.steps)

    def _has_time(self) -> bool:
        """Whether another step, its validation and a checkpoint fit into the time that the run was given.

        A run that ended between a step and its validation would go on without that validation.
        """
        if not self.time_left.is_limited:
            return True
        validated = len(self.validation) if self._validates_after(self.step + 1) else 0
        return everywhere(self.fabric, self.time_left.is_enough(validated))

    def _note_patients(self) -> None:
        """Count the training patients among those seen, and tell who of them is validated on."""
        self.patients_seen = self.patients_seen.with_others(PatientsSeen.of(case.digest for case in self.cases))
        told = told_of_overlap(self.patients_seen, self.validation)
        if told and self.fabric.is_global_zero:
            print(told, flush=True)

    @property
    def released_average(self) -> dict[str, Tensor]:
        """The weights that a run leaves: with ``patience`` those of the best validation, otherwise the last ones.

        Whether a run with patience ends for want of better ones or reaches its last step makes no difference.
        """
        return self.average if self.best_average is None or not self.config.patience else self.best_average

    @property
    def released_step(self) -> int:
        """The step that `released_average` is of.

        Of the best weights in a checkpoint from before their step was kept, only the run's own is known.
        """
        if self.best_step is None or not self.config.patience:
            return self.step
        return self.best_step

    @property
    def _has_stalled(self) -> bool:
        return 0 < self.config.patience <= self.stalled

    def _why_it_ends(self) -> str:
        return f"{self.stage.score_name} has not improved in {self.stalled} validations; the run ends here."

    def validation_scores(self) -> dict[str, float]:
        """The stage's scores of the averaged weights, means over the validation cases that have them."""
        network = self.averaged_network()
        found: dict[str, list[float]] = {self.stage.score_name: []}
        for index, case in enumerate(self.validation):
            scores = self.stage.score(network, case, index)
            for name, value in (scores if isinstance(scores, dict) else {self.stage.score_name: scores}).items():
                found.setdefault(name, []).append(value)
        return {name: float(np.nanmean(values)) for name, values in found.items()}

    def validation_score(self) -> float:
        """The one of them that runs are judged by."""
        return self.validation_scores()[self.stage.score_name]

    def _note_progress(self, score: float) -> None:
        self.stalled = 0 if score < self.best else self.stalled + 1
        if self.config.patience and score < self.best:
            self.best_average = {name: value.detach().clone() for name, value in self.average.items()}
            self.best_step = self.step
        self.best = min(self.best, score)

    def averaged_network(self) -> nn.Module:
        """A network with the moving average of the weights, in evaluation mode."""
        network = copy.deepcopy(self.network)  # building it anew would read the weights that it started from again
        network.load_state_dict(self.average)
        return network.eval()

    def save(self) -> None:
        """Write the checkpoint; see `write_checkpoint`."""
        if not self.fabric.is_global_zero:
            return
        write_checkpoint(
            {
                "step": self.step,
                "seconds": self.seconds,
                "best": self.best,
                "stalled": self.stalled,
                "best_average": self.best_average,
                "best_step": self.best_step,
                "skipped_steps": self.skipped.total,
                "earlier": self.earlier,
                "origin": None if self.origin is None else asdict(self.origin),
                **self.patients_seen.to_header(),
                "config": asdict(self.config),
                "network": self.network.state_dict(),
                "average": self.average,
                "optimisers": [optimiser.state_dict() for optimiser in self.optimisers],
            },
            self.output / CHECKPOINT,
        )

    def _resume(self) -> None:
        state = read_checkpoint(self.output / CHECKPOINT, self.device)
        before = settings_before(state["config"], asdict(self.config), state["step"], self.output)
        self.earlier = [*state.get("earlier", []), *([before] if before else [])]
        self.network.load_state_dict(state["network"])
        self.average = state["average"]
        states = state["optimisers"] if "optimisers" in state else [state["optimiser"]]
        if state["config"].get("optimiser", "adamw") == self.config.optimiser:
            for optimiser, its_state in zip(self.optimisers, states, strict=True):
                optimiser.load_state_dict(its_state)
        # A run may be prolonged with another optimiser, which starts afresh, or another weight decay.
        for group in self._groups():
            group["weight_decay"] = self.config.weight_decay
        self.step, self.seconds = state["step"], state["seconds"]
        self.best, self.stalled = state.get("best", math.inf), state.get("stalled", 0)
        self.skipped.total = state.get("skipped_steps", 0)
        self.best_average, self.best_step = state.get("best_average"), state.get("best_step")
        self.patients_seen = PatientsSeen.of_header(state)
        self.origin = now = self._origin_now()
        if state.get("origin") is not None:  # checkpoints from before it was kept have none
            self.origin = Origin(**state["origin"])
            told = told_of_change(self.origin, now)
            if told and self.fabric.is_global_zero:
                print(told, flush=True)

    def _origin_now(self) -> Origin | None:
        return origin_of(self.config, cast(Any, getattr(self.stage, "released", self.system)).name)

    def _optimise(self, batch: Any) -> dict[str, Tensor]:
        """One optimiser step; the loss's terms, none where the step was skipped.

        Raises:
            InputError: see `SkippedSteps`.
        """
        for group in self._groups():
            group["lr"] = self.config.learning_rate_at(self.step)
        self._trained.train()
        buffers = Buffers(self.network)
        with self.fabric.autocast():
            loss = self.stage.loss(self._trained, to_device(batch, self.device))
        self.fabric.backward(loss.total)
        parts = [self.network.get_submodule(name) for name in getattr(self.network, "clipped_apart", ("",))]
        norms = [torch.nn.utils.clip_grad_norm_(part.parameters(), 1.0) for part in parts]
        # One step that is not a number would spoil the weights for good.
        # All of them at once, since a GPU's queue runs empty each time that the loop waits for an answer.
        lengths = torch.stack([loss.total.detach(), *(norm.to(loss.total.device) for norm in norms)])
        usable = everywhere(self.fabric, bool(torch.isfinite(lengths).all()))
        if usable:
            self._side_by_side.step(self.optimisers)
        else:
            buffers.restore()
        for optimiser in self.optimisers:
            optimiser.zero_grad(set_to_none=True)
        self._update_average()
        self.skipped.note(not usable, self.step)
        return loss.logged if usable else {}

    def _groups(self) -> Iterator[dict[str, Any]]:
        for optimiser in self.optimisers:
            yield from optimiser.param_groups

    @torch.no_grad()
    def _update_average(self) -> None:
        decay = min(self.config.ema, (self.step + 1) / (self.step + 20))
        values = {name: value for name, value in self.network.state_dict().items() if value.is_floating_point()}
        averages: list[Tensor] = [self.average[name] for name in values]
        torch._foreach_lerp_(averages, list(values.values()), 1 - decay)

    def _trim_curves(self) -> None:
        """Once, before the first line of this process: away with what comes after the checkpoint."""
        if self.fabric.is_global_zero and not self._curves_trimmed:
            trim_curves(self.output / CURVES, self._resumed_at)
        self._curves_trimmed = True

    def _log(self, values: dict[str, float]) -> None:
        if not self.fabric.is_global_zero:
            return
        record = {"step": self.step, "hours": round(self.seconds / 3600, 4),
                  "learning_rate": self.config.learning_rate_at(self.step - 1), **values}  # fmt: skip
        self._trim_curves()
        add_to_curves(self.output / CURVES, record)
        print(" ".join(f"{name} {value:.4g}" for name, value in record.items()), flush=True)


def _built(stage: Stage, config: TrainingConfig) -> nn.Module:
    """A stage's network.

    Raises:
        InputError: the configuration's fields make none.
    """
    try:
        return stage.build_network()
    except (ValueError, TypeError, IndexError, RuntimeError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(
            f"The configuration's system_config makes no network of the system {config.system!r} ({error}); mend it."
        ) from error
