"""What changes are worth in long runs: one change at a time, at equal steps, on patients of half the resolution.

    python Testing/Benchmarks/half_resolution.py --steps 5000 --output runs/half-resolution

Nine tenths of the default system's error are seen on a grid of half the resolution already, whose eight times fewer
voxels train five times faster: so runs can be long enough for patients to be learnt by heart, which is where changes
that help short runs stop to help. The network is the default one, but narrower. Every run's errors are the mean
absolute dose errors of half-size voxels in the dose region (two samples of one step: the patient and its mirror
image), of validation patients and of every fourth training patient, so that the gap between the two is seen. Each is
tested against the unchanged run with the paired t-test. Writes table.md and table.csv; what is already there is not
done again.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parents[1]), str(HERE)]

from default_table import Change  # noqa: E402
from equal_runs import add_run_options, write_table  # noqa: E402
from scipy.stats import ttest_rel  # noqa: E402

from DosePredictionLib.conditioning.channels import SCALARS  # noqa: E402
from DosePredictionLib.conditioning.grid import NOMINAL_SPACING_MM  # noqa: E402
from DosePredictionLib.inference.views import KnownViews  # noqa: E402
from DosePredictionLib.patient.geometry import index3, vector3  # noqa: E402
from DosePredictionLib.systems.default import DefaultSystem  # noqa: E402
from DosePredictionLib.training.augmentation import SMOOTH  # noqa: E402
from DosePredictionLib.training.case_cache import TrainingCase, cached_cases  # noqa: E402
from DosePredictionLib.training.config import TrainingConfig  # noqa: E402
from DosePredictionLib.training.loop import TrainingRun  # noqa: E402

#: What all runs have besides default.json.
NARROW: dict[str, Any] = {
    "system_config": {"widths": [24, 48, 80, 112]}, "names_kept": True, "curve_weight": 0.25, "criteria_weight": 0.1,
}  # fmt: skip
CHANGES = (
    Change("unchanged", "unchanged"),
    Change("no-beams", "no beam channels", without=("beams_",)),
    Change("no-ct", "no CT", without=("ct",)),
    Change("masks-alone", "neither beams nor CT", without=("beams_", "ct")),
    Change("no-turns", "no turns, no resizing", {"turn_probability": 0.0}),
    Change("more-turns", "turned always", {"turn_probability": 1.0}),
    Change("strong-decay", "weight decay 0.5", {"weight_decay": 0.5}),
    Change("names-changed", "mirrored organs change names", {"names_kept": False}),
)
PARTS = ("validation", "train")
#: Of the training patients every so many count.
TRAINING_STRIDE = 4
VIEWS = 2


def halved(case: TrainingCase) -> TrainingCase:
    """A case on a grid of half the resolution: means of eight voxels; a label is where it has half of them."""
    inputs = case.inputs
    z, y, x = (size // 2 * 2 for size in inputs.region.shape)

    def mean(arrays: np.ndarray) -> np.ndarray:
        eights = arrays[..., :z, :y, :x].astype(np.float32)
        eights = eights.reshape(*eights.shape[:-3], z // 2, 2, y // 2, 2, x // 2, 2)
        return np.asarray(eights.mean((-5, -3, -1)))

    channels, region = mean(inputs.channels), mean(inputs.region) >= 0.5
    for index, name in enumerate(inputs.names):
        if name == "prescription":  # its values are levels, which have no means
            channels[index] = inputs.channels[index, :z:2, :y:2, :x:2]
        elif name not in SMOOTH:
            channels[index] = channels[index] >= 0.5
    spacing = vector3(2 * size for size in inputs.geometry.spacing_mm)
    scalars = inputs.scalars.copy()
    for axis, name in enumerate(("spacing_x", "spacing_y", "spacing_z")):
        scalars[SCALARS.index(name)] = spacing[axis] / NOMINAL_SPACING_MM[axis] - 1.0
    geometry = replace(inputs.geometry, shape=index3(region.shape), spacing_mm=spacing)
    coarse = replace(inputs, channels=channels, scalars=scalars, region=region, geometry=geometry)
    return TrainingCase(case.identifier, coarse, mean(case.dose_gy) * region)


def run_of(change: Change, arguments: argparse.Namespace) -> TrainingConfig:
    """The configuration of a row."""
    config = json.loads((HERE / "default.json").read_text(encoding="utf-8"))
    steps: int = arguments.steps
    config |= {"steps": steps, "decay_steps": int(0.3 * steps), "unturned_steps": int(0.1 * steps),
               "output": str(arguments.output / change.name), "threads": arguments.threads, "validation_cases": 0,
               "train": arguments.train, "validation": arguments.validation}  # fmt: skip
    kept = [name for name in DefaultSystem().channels if not (change.without and name.startswith(change.without))]
    for fields in (NARROW, change.changes, {"system_config": {"channels": kept}}):
        for key, value in fields.items():
            config[key] = {**config.get(key, {}), **value} if isinstance(value, dict) else value
    return TrainingConfig(**config)


def errors_of(run: TrainingRun, cases: Sequence[TrainingCase]) -> dict[str, float]:
    """Each patient's mean absolute error of the averaged weights, Gy."""
    network = run.averaged_network()
    known = KnownViews(names_kept=run.config.names_kept)
    errors = {}
    for case in cases:
        doses = []
        for index in range(VIEWS):
            view = known.of_sample(index, VIEWS)
            doses.append(view.back(run.system.sample_dose(network, view.of(case.inputs), 1, index)))
        errors[case.identifier] = float(np.abs(np.mean(doses, axis=0) - case.dose_gy)[case.inputs.region].mean())
    return errors


def trained_errors(
    change: Change, arguments: argparse.Namespace, cases: dict[str, list[TrainingCase]]
) -> dict[str, list[float]]:
    """A row's errors of each part's patients, trained for unless they are there."""
    path = arguments.output / change.name / "errors.csv"
    if not path.exists():
        print(f"--- {change.name}", flush=True)
        config = run_of(change, arguments)
        names = DefaultSystem(**config.system_config).channels  # type: ignore[arg-type]
        shown = {part: [replace(one, inputs=one.inputs.only(names)) for one in cases[part]] for part in PARTS}
        run = TrainingRun(config, shown["train"], shown["validation"])
        run.run()
        shown["train"] = shown["train"][::TRAINING_STRIDE]
        rows = [(part, *error) for part in PARTS for error in errors_of(run, shown[part]).items()]
        with open(path, "w", newline="", encoding="utf-8") as stream:
            csv.writer(stream).writerows([("part", "patient", "error_gy"), *rows])
    with open(path, newline="", encoding="utf-8") as stream:
        read = list(csv.DictReader(stream))
    return {part: [float(row["error_gy"]) for row in read if row["part"] == part] for part in PARTS}


def main() -> int:
    """Train, measure, test, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=5000, help="of every run (default: 5000)")
    parser.add_argument("--only", nargs="+", choices=[change.name for change in CHANGES], metavar="NAME",
                        help="these changes, besides the unchanged run (default: all)")  # fmt: skip
    add_run_options(parser, "runs/half-resolution")
    arguments = parser.parse_args()
    first, *others = CHANGES
    chosen = [first, *(change for change in others if arguments.only is None or change.name in arguments.only)]
    cache = arguments.cache or arguments.output / "cache"
    cases = {
        part: [halved(case) for case in cached_cases(getattr(arguments, part), cache / part, DefaultSystem().channels)]
        for part in PARTS
    }
    rows, plain = [], None
    for change in chosen:
        errors = trained_errors(change, arguments, cases)
        cells = []
        for part in PARTS:
            cells.append(f"{np.mean(errors[part]):.3f}")
            if plain is not None:
                difference = np.mean(errors[part]) - np.mean(plain[part])
                cells[-1] += f" ({difference:+.3f}, p = {ttest_rel(errors[part], plain[part]).pvalue:.2g})"
        plain = plain or errors
        rows.append([change.title, *cells])
    note = (
        f"{arguments.steps} steps of one patient each at half the resolution, seed 0; two samples of one step. In "
        "brackets the difference from the first row and the paired t-test's p."
    )
    write_table(["", "validation, Gy", "training patients, Gy"], rows, note, arguments.output)
    return 0


if __name__ == "__main__":
    sys.exit(main())
