"""The training loop: resumes exactly, validates as it goes, leaves curves and weights."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from DosePredictionLib.errors import InputError
from DosePredictionLib.inference.forward import sample_dose
from DosePredictionLib.networks.guided_unet import GuidedUNet
from DosePredictionLib.systems.registry import system_from_config
from DosePredictionLib.training.case_cache import TrainingCase, cached_cases
from DosePredictionLib.training.config import TrainingConfig
from DosePredictionLib.training.draw import Example, draw_example
from DosePredictionLib.training.losses import dose_error_gy

CHECKPOINT = "checkpoint.pt"
CURVES = "curves.jsonl"


class TrainingRun:
    """A run in its output folder.

    Every random draw follows from (seed, step), and a checkpoint holds the weights, their moving average and the
    optimiser, so a run that was stopped and resumed equals one that was not, on the same machine.

    Args:
        config: the run; the folder's own checkpoint decides where it starts.
        cases, validation: conditioned cases; None takes those of the configuration's folders.

    Raises:
        InputError: there is nothing to train on.
    """

    def __init__(
        self,
        config: TrainingConfig,
        cases: Sequence[TrainingCase] | None = None,
        validation: Sequence[TrainingCase] | None = None,
    ) -> None:
        self.config = config
        self.output = Path(config.output)
        self.output.mkdir(parents=True, exist_ok=True)
        if config.threads:
            torch.set_num_threads(config.threads)
        self.system = system_from_config(config.system, config.system_config)
        wanted = ("cuda" if torch.cuda.is_available() else "cpu") if config.device == "auto" else config.device
        self.device = torch.device(wanted)
        torch.manual_seed(config.seed)
        self.network = self.system.build_network().to(self.device)
        self.average = {name: value.detach().clone() for name, value in self.network.state_dict().items()}
        self.optimiser = torch.optim.AdamW(
            self.network.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay, betas=(0.9, 0.95),
            fused=True,
        )
        self.step = 0
        self.seconds = 0.0
        if (self.output / CHECKPOINT).exists():
            self._resume()
        cache = self.output / "cache"
        if cases is None:
            cases = list(cached_cases(config.train, cache / "train", self.system.channels))
        if validation is None:
            validation = list(cached_cases(config.validation, cache / "validation", self.system.channels))
        self.cases, self.validation = cases, validation
        if not self.cases:
            raise InputError(f"{config.train} holds no case that can be trained on; each needs a dose and a target.")
        if config.validation_cases:
            self.validation = self.validation[: config.validation_cases]

    def run(self, until: int | None = None) -> None:
        """Train to ``until`` (the configuration's last step when left out), writing curves and checkpoints."""
        last = self.config.steps if until is None else min(until, self.config.steps)
        recent: list[float] = []
        with ThreadPoolExecutor(1) as pool:
            upcoming = pool.submit(self._examples, self.step)
            while self.step < last:
                began = time.perf_counter()
                examples = upcoming.result()
                upcoming = pool.submit(self._examples, self.step + 1)
                recent.append(self._optimise(examples))
                self.step += 1
                self.seconds += time.perf_counter() - began
                if self.step % 50 == 0:
                    self._log({"loss_gy": float(np.mean(recent))})
                    recent.clear()
                if self.validation and (self.step % self.config.validate_every == 0 or self.step == self.config.steps):
                    self._log({"validation_dose_score_gy": self.validation_score()})
                if self.step % self.config.checkpoint_every == 0 or self.step == last:
                    self.save()

    def validation_score(self) -> float:
        """Mean absolute error in the dose region of the averaged weights, one step from noise, in Gy."""
        network = self.averaged_network()
        errors = []
        for index, case in enumerate(self.validation):
            predicted = sample_dose(network, case.inputs, steps=1, seed=index)
            region = case.inputs.region
            errors.append(np.abs(predicted - case.dose_gy.astype(np.float32))[region].mean())
        return float(np.mean(errors))

    def averaged_network(self) -> GuidedUNet:
        """A network with the moving average of the weights, in evaluation mode."""
        network = self.system.build_network().to(self.device)
        network.load_state_dict(self.average)
        return network.eval()

    def save(self) -> None:
        """Write the checkpoint; the old one stays until the new one is whole."""
        path = self.output / CHECKPOINT
        temporary = path.with_suffix(".partial")
        torch.save(
            {
                "step": self.step,
                "seconds": self.seconds,
                "config": asdict(self.config),
                "network": self.network.state_dict(),
                "average": self.average,
                "optimiser": self.optimiser.state_dict(),
            },
            temporary,
        )
        os.replace(temporary, path)

    def _resume(self) -> None:
        state = torch.load(self.output / CHECKPOINT, map_location=self.device, weights_only=True)
        self.network.load_state_dict(state["network"])
        self.average = state["average"]
        self.optimiser.load_state_dict(state["optimiser"])
        self.step, self.seconds = state["step"], state["seconds"]

    def _examples(self, step: int) -> list[Example]:
        """The batch of a step; each pass over the cases has its own order."""
        examples = []
        for item in range(self.config.batch):
            drawn = step * self.config.batch + item
            epoch, place = divmod(drawn, len(self.cases))
            order = np.random.default_rng((self.config.seed, 1, epoch)).permutation(len(self.cases))
            case = self.cases[int(order[place])]
            examples.append(
                draw_example(case, self.system, self.network.size_multiple, (self.config.seed, 2, drawn))
            )
        return examples

    def _optimise(self, examples: list[Example]) -> float:
        """One optimiser step; the mean error in Gy."""
        for group in self.optimiser.param_groups:
            group["lr"] = self.config.learning_rate_at(self.step)
        self.network.train()
        total = 0.0
        for example in examples:
            noisy, clean, region, conditions, when, scalars = (
                part.to(self.device, non_blocking=True)
                for part in (example.noisy, example.clean, example.region, example.conditions, example.time,
                             example.scalars)
            )  # fmt: skip
            with torch.autocast(self.device.type, dtype=torch.bfloat16):
                predicted = self.network(noisy, conditions, when, scalars)
            error_gy = dose_error_gy(predicted.float(), clean, region, example.gy_per_unit)
            (error_gy / (35.0 * len(examples))).backward()
            total += error_gy.item()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)
        self._update_average()
        return total / len(examples)

    @torch.no_grad()
    def _update_average(self) -> None:
        decay = min(self.config.ema, (self.step + 1) / (self.step + 20))
        values = self.network.state_dict()
        averages: list[Tensor] = [self.average[name] for name in values]
        torch._foreach_lerp_(averages, list(values.values()), 1 - decay)

    def _log(self, values: dict[str, float]) -> None:
        record = {"step": self.step, "hours": round(self.seconds / 3600, 4),
                  "learning_rate": self.config.learning_rate_at(self.step - 1), **values}  # fmt: skip
        with open(self.output / CURVES, "a", encoding="utf-8") as curves:
            curves.write(json.dumps(record) + "\n")
        print(" ".join(f"{name} {value:.4g}" for name, value in record.items()), flush=True)
