"""A run of post-training, whose curves begin with the weights that it starts from."""

from __future__ import annotations

from collections.abc import Sequence

from DosePredictionLib.training.case_cache import TrainingCase
from DosePredictionLib.training.config import TrainingConfig
from DosePredictionLib.training.loop import TrainingRun

STAGE = "post-training"


class PostTrainingRun(TrainingRun):
    """Validates before the first step too: what post-training gains and costs is told against that."""

    def run(self, until: int | None = None) -> None:
        """See `TrainingRun.run`."""
        if self.step == 0 and self.validation:
            self._log(self.validation_scores())
        super().run(until)


def run_of(
    config: TrainingConfig,
    cases: Sequence[TrainingCase] | None = None,
    validation: Sequence[TrainingCase] | None = None,
) -> TrainingRun:
    """The run of a configuration; see `TrainingRun`."""
    return (PostTrainingRun if config.stage == STAGE else TrainingRun)(config, cases, validation)
