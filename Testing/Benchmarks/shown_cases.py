"""What scripts share that show a network something other than a patient as it is."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from DosePredictionLib.inference.engine import PredictionEngine
    from DosePredictionLib.training.case_cache import TrainingCase


@dataclass(frozen=True)
class Shown:
    """What the command line asks for.

    Attributes:
        datasets: folders of patients with a reference dose.
        patients: first so many of each; None for all.
        samples: whose mean counts; None for the recommended ones.
        cache: folder of conditioned patients.
        engine: the weights.
    """

    datasets: list[Path]
    patients: int | None
    samples: int | None
    cache: Path
    engine: PredictionEngine

    def cases(self, dataset: Path) -> Iterator[TrainingCase]:
        """The patients of one of the folders, conditioned."""
        from DosePredictionLib.training.case_cache import cached_cases

        channels = self.engine.loaded.system.channels
        return islice(cached_cases(dataset, self.cache / dataset.name, channels), self.patients)


def command_line(description: str | None) -> Shown:
    """Read the options of such a script."""
    from DosePredictionLib.inference.engine import PredictionEngine

    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("datasets", type=Path, nargs="+", metavar="DATASET")
    parser.add_argument("--patients", type=int, help="first so many of each folder (default: all)")
    parser.add_argument("--system", default="default")
    parser.add_argument("--weights", type=Path, help="weights file (default: the system's that ship)")
    parser.add_argument("--samples", type=int, help="whose mean counts (default: as the weights recommend)")
    parser.add_argument("--cache", type=Path, default=Path("runs/cache"), help="folder of conditioned patients")
    given = parser.parse_args()
    engine = PredictionEngine(given.system, given.weights, "auto")
    return Shown(given.datasets, given.patients, given.samples, given.cache, engine)
