"""What changes are worth in long runs: one change at a time, at equal steps, on patients of half the resolution.

    python Testing/Benchmarks/half_resolution.py --steps 5000 --output runs/half-resolution

Nine tenths of the default system's error are seen on a grid of half the resolution already, whose eight times fewer
voxels train five times faster: so runs can be long enough for patients to be learnt by heart, which is where changes
that help short runs stop to help. The network is the default one, but narrower. Every run's errors are the mean
absolute dose errors of half-size voxels in the dose region (two samples of one step: the patient and its mirror
image), of validation patients and of every fourth training patient, so that the gap between the two is seen. Each is
tested against the unchanged run with the paired t-test. The last row is what ships, predicted at full resolution and
seen on the same grid. Writes table.md and table.csv; what is already there is not done again.
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parents[1]), str(HERE)]

from equal_runs import (  # noqa: E402
    Change,
    cache_of,
    cell,
    chosen_changes,
    configuration,
    keep_settings,
    with_changes,
    write_table,
)

from DosePredictionLib.dosimetry.paired_tests import paired_test  # noqa: E402
from DosePredictionLib.inference.engine import PredictionEngine  # noqa: E402
from DosePredictionLib.inference.views import KnownViews  # noqa: E402
from DosePredictionLib.systems.default import DefaultSystem  # noqa: E402
from DosePredictionLib.training.case_cache import TrainingCase, cached_cases  # noqa: E402
from DosePredictionLib.training.coarse_case import halved  # noqa: E402
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
    Change("no-distances", "no distances", without=("distance_",)),
    Change("no-guidance", "no guidance below the input", {"system_config": {"guidance": 0}}),
    Change("instance-norm", "instance norm", {"system_config": {"norm": "instance"}}),
    Change("fine", "a level of 16 channels at the grid's own resolution", {"system_config": {"fine": 16}}),
    Change("wide", "as wide as the default", {"system_config": {"widths": [32, 64, 128, 192]}}),
    Change("no-turns", "no turns, no resizing", {"turn_probability": 0.0}),
    Change("more-turns", "turned always", {"turn_probability": 1.0}),
    Change(
        "beam-turns",
        "turned by multiples of 40 degrees in seven draws of ten",
        {"turn_probability": 0.7, "beam_turn_share": 1.0},
    ),
    Change("quarter-turns", "turned by quarters in three draws of four", {"quarter_turns": 0.75}),
    Change("stretched", "stretched in seven draws of ten", {"stretch_probability": 0.7}),
    Change("dropout", "a tenth of the channels inside each block left out", {"system_config": {"dropout": 0.1}}),
    Change("strong-decay", "weight decay 0.5", {"weight_decay": 0.5}),
    Change("names-changed", "mirrored organs change names", {"names_kept": False}),
)
PARTS = ("validation", "train")
#: Of the training patients every so many count.
TRAINING_STRIDE = 4
VIEWS = 2
FEW_HELP = (
    "train on these patients alone, every fourth: a quarter of the patients is known by heart within a quarter of the "
    "steps, and what a change does against that is seen sooner"
)
#: By part.
Cases = dict[str, list[TrainingCase]]
#: By part and patient, Gy.
Errors = dict[str, dict[str, float]]


def run_of(change: Change, arguments: argparse.Namespace) -> TrainingConfig:
    """The configuration of a row."""
    every_run = {**NARROW, "unturned_steps": int(0.1 * arguments.steps), "validation_cases": 0}
    output = arguments.output / change.name
    return TrainingConfig(
        **with_changes(configuration("default", arguments.steps, arguments, output, every_run), change.all_fields())
    )


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


def kept(path: Path, patients: dict[str, set[str]], measure: Callable[[], Errors]) -> Errors:
    """Errors as they stand in a table; measured and written unless they are there, of these patients (by part)."""
    if not path.exists() or {part: set(errors) for part, errors in read_errors(path).items()} != patients:
        print(f"--- {path.parent.name}", flush=True)
        errors = measure()
        rows = [(part, *error) for part in PARTS for error in errors[part].items()]
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "w", newline="", encoding="utf-8") as stream:
            csv.writer(stream).writerows([("part", "patient", "error_gy"), *rows])
    return read_errors(path)


def read_errors(path: Path) -> Errors:
    """The errors in a table."""
    with open(path, newline="", encoding="utf-8") as stream:
        read = list(csv.DictReader(stream))
    return {part: {row["patient"]: float(row["error_gy"]) for row in read if row["part"] == part} for part in PARTS}


def trained_errors(config: TrainingConfig, cases: Cases, few: bool) -> Errors:
    """A row's errors: trained on halved patients, or on a ``few`` of them, measured on them."""
    names = DefaultSystem(**config.system_config).channels  # type: ignore[arg-type]
    shown = {part: [replace(one, inputs=one.inputs.only(names)) for one in cases[part]] for part in PARTS}
    run = TrainingRun(config, counted("train", shown["train"]) if few else shown["train"], shown["validation"])
    run.run()
    return {part: errors_of(run, counted(part, shown[part])) for part in PARTS}


def shipped_errors(arguments: argparse.Namespace, cases: Cases) -> Errors:
    """What the shipped weights predict at full resolution, halved like the clinical doses."""
    engine = PredictionEngine("default", None, "auto")
    errors: Errors = {}
    for part in PARTS:
        whole = list(cached_cases(getattr(arguments, part), cache_of(arguments) / part, DefaultSystem().channels))
        errors[part] = {}
        for one, coarse in zip(counted(part, whole), counted(part, cases[part]), strict=True):
            predicted = halved(replace(one, dose_gy=engine.sampled_dose(one.inputs, samples=VIEWS)))
            error = np.abs(predicted.dose_gy - coarse.dose_gy)[coarse.inputs.region].mean()
            errors[part][one.identifier] = float(error)
    return errors


def counted(part: str, cases: Sequence[TrainingCase]) -> Sequence[TrainingCase]:
    """The patients of a part that errors are measured on."""
    return cases[::TRAINING_STRIDE] if part == "train" else cases


def main() -> int:
    """Train, measure, test, write."""
    chosen, arguments = chosen_changes(
        CHANGES, 5000, "runs/half-resolution", __doc__,
        lambda parser: parser.add_argument("--few", action="store_true", help=FEW_HELP),
    )  # fmt: skip
    cases = {
        part: [
            halved(case)
            for case in cached_cases(getattr(arguments, part), cache_of(arguments) / part, DefaultSystem().channels)
        ]
        for part in PARTS
    }
    measures: dict[str, tuple[str, Callable[[], Errors]]] = {
        change.name: (change.title, partial(trained_errors, run_of(change, arguments), cases, arguments.few))
        for change in chosen
    }
    measures["shipped"] = ("shipped weights, at full resolution", partial(shipped_errors, arguments, cases))
    patients = {part: {case.identifier for case in counted(part, cases[part])} for part in PARTS}
    rows, unchanged = [], None
    for change in chosen:
        settings = asdict(run_of(change, arguments)) | ({"few": True} if arguments.few else {})
        keep_settings(arguments.output / change.name, settings)
    for name, (title, measure) in measures.items():
        errors = kept(arguments.output / name / "errors.csv", patients, measure)
        tests = [paired_test(part, "Gy", errors[part], (unchanged or errors)[part]) for part in PARTS]
        rows.append([title, *(cell(test, unchanged is not None) for test in tests)])
        unchanged = unchanged or errors
    note = (
        f"{arguments.steps} steps of one patient each at half the resolution, seed 0; two samples of one step. In "
        "brackets the difference from the first row and the paired t-test's p."
    )
    write_table(["", "validation, Gy", "every fourth training patient, Gy"], rows, note, arguments.output)
    return 0


if __name__ == "__main__":
    sys.exit(main())
