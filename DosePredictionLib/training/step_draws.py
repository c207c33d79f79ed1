"""The batches of a run's steps: who is in them, and drawn ahead of the network."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np
import torch
from torch import Tensor

from DosePredictionLib.training.case_cache import TrainingCase
from DosePredictionLib.training.coarse_case import halved
from DosePredictionLib.training.config import TrainingConfig
from DosePredictionLib.training.stage import Stage, map_tensors


class StepDraws:
    """What a process of a run is shown in each step.

    Args:
        config: the run's.
        cases: training cases.
        stage: draws a batch of them; ``unturned_stage`` does in the configuration's last, unturned steps.
        rank, processes: which process of how many this one is; each has patients of its own.
        pinned: whether batches lie in pinned memory, from which the copy to a GPU goes on beside its arithmetic.
    """

    def __init__(
        self, config: TrainingConfig, cases: Sequence[TrainingCase], stage: Stage, unturned_stage: Stage,
        rank: int = 0, processes: int = 1, pinned: bool = False,
    ) -> None:  # fmt: skip
        self.config, self.cases = config, cases
        self.stage, self.unturned_stage = stage, unturned_stage
        self._rank, self._processes, self._pinned = rank, processes, pinned
        self._coarse: dict[int, TrainingCase] = {}

    def of_steps(self, first: int, end: int) -> Iterator[Any]:
        """The batches of the steps from ``first`` up to ``end``, drawn ahead by the configuration's workers."""
        ahead: deque[Future[Any]] = deque()
        submitted = first
        # A worker's arithmetic keeps to its own thread; otherwise it and the network fight for the same processors.
        # What a worker sets holds for all threads that have not asked yet: this one asks first.
        torch.get_num_threads()
        with ThreadPoolExecutor(self.config.workers, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            try:
                while submitted < end or ahead:
                    while submitted < end and len(ahead) <= 2 * self.config.workers:
                        ahead.append(pool.submit(self.of_step, submitted))
                        submitted += 1
                    yield ahead.popleft().result()
            finally:  # a run that ends early does not wait for what nobody takes
                for future in ahead:
                    future.cancel()

    def of_step(self, step: int) -> Any:
        """This process's batch of a step; each pass over the cases has its own order."""
        cases, seeds = [], []
        for item in range(self.config.batch):
            drawn = (step * self._processes + self._rank) * self.config.batch + item
            epoch, place = divmod(drawn, len(self.cases))
            order = np.random.default_rng((self.config.seed, 1, epoch)).permutation(len(self.cases))
            cases.append(self._shown(int(order[place]), step))
            seeds.append((self.config.seed, 2, drawn))
        ending = step >= self.config.steps - self.config.unturned_steps
        batch = (self.unturned_stage if ending else self.stage).draw(cases, seeds)
        return map_tensors(batch, Tensor.pin_memory) if self._pinned else batch

    def _shown(self, index: int, step: int) -> TrainingCase:
        """A case as a step sees it: of half the resolution at first, if the configuration says so."""
        if step >= self.config.coarse_steps:
            self._coarse.clear()
            return self.cases[index]
        coarse = self._coarse.get(index)
        if coarse is None:
            # Held here: another worker, already at a later step, may empty the dictionary at any time.
            coarse = self._coarse[index] = halved(self.cases[index])
        return coarse
