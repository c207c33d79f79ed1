"""Means of samples of conditioned cases, for scripts that show a network something other than a patient as it is."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from DosePredictionLib.conditioning.channels import ModelInput
    from DosePredictionLib.inference.weights import LoadedWeights
    from DosePredictionLib.training.case_cache import TrainingCase


def add_options(parser: argparse.ArgumentParser) -> None:
    """Which weights, how many samples, and where conditioned patients are kept."""
    parser.add_argument("--weights", type=Path, help="weights file (default: the default system's that ship)")
    parser.add_argument("--samples", type=int, default=4, help="whose mean counts, of one step each (default: 4)")
    parser.add_argument("--cache", type=Path, default=Path("runs/cache"), help="folder of conditioned patients")


def weights_of(arguments: argparse.Namespace) -> LoadedWeights:
    """The weights that the options name."""
    from DosePredictionLib.inference.weights import load_weights
    from DosePredictionLib.resources import resource_path

    return load_weights(arguments.weights or resource_path("Models", "default.safetensors"))


def cases_of(dataset: Path, weights: LoadedWeights, arguments: argparse.Namespace) -> Iterator[TrainingCase]:
    """The patients of a folder with a reference dose, conditioned."""
    from DosePredictionLib.training.case_cache import cached_cases

    return iter(cached_cases(dataset, arguments.cache / dataset.name, weights.system.channels))


def mean_dose(weights: LoadedWeights, inputs: ModelInput, samples: int) -> np.ndarray:
    """Mean (Z, Y, X) in Gy of samples of one step, each of its view, with seeds from 0 on."""
    from DosePredictionLib.inference.views import KnownViews

    known = KnownViews.of_training(weights.header.training)
    total = np.zeros(inputs.region.shape, dtype=np.float32)
    for index in range(samples):
        view = known.of_sample(index, samples)
        total += view.back(weights.system.sample_dose(weights.network, view.of(inputs), 1, index))
    return total / samples
