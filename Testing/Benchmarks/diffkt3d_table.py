"""What DiffKT3D's parts are worth on one's own patients: pre-training, role, slot, post-training.

    python Testing/Benchmarks/diffkt3d_table.py --output runs/diffkt3d-table

trains any-to-any without a step on the dose, then the dose after it and from nothing, without the role embedding and
without the slot among the rotary positions, all for equal steps on the dose; then post-trains the first on a scorecard,
and its control on clinical doses alone. Every one is evaluated on the same validation patients, tested against the run
that it is to be held against with the paired t-test, and written to table.md and table.csv. What is already there is
not done again, so that the command goes on where it stopped. Patients are conditioned once, for all runs.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parents[1]), str(HERE)]

SCORECARD = "head-and-neck"
#: Figures of the table: as the paired tests call them, and how the table does.
COLUMNS = {"dose_score": "dose score, Gy", "dvh_score": "DVH score, Gy", "scorecard_percent": "scorecard, %"}


@dataclass(frozen=True)
class Run:
    """A row of the table.

    Attributes:
        title: of the row.
        name: of the configuration.
        before: the run whose weights it starts from.
        against: the run that it is tested against.
    """

    title: str
    name: str
    before: str | None
    against: str | None


PRETRAINING = "diffkt3d-any-to-any"
RUNS = (
    Run("dose from nothing", "diffkt3d-from-scratch", None, None),
    Run("dose after any-to-any", "diffkt3d", PRETRAINING, "diffkt3d-from-scratch"),
    Run("from nothing, no role embedding", "diffkt3d-no-role", None, "diffkt3d-from-scratch"),
    Run("from nothing, no slot in the positions", "diffkt3d-no-slot", None, "diffkt3d-from-scratch"),
    Run("after any-to-any, post-trained", "diffkt3d-post-training", "diffkt3d", "diffkt3d"),
    Run("the same without the policy's loss", "diffkt3d-post-training-control", "diffkt3d", "diffkt3d"),
)


def main() -> int:
    """Train, evaluate, test, write."""
    from equal_runs import add_run_options, evaluated, paired_cells, trained, write_table

    from DosePredictionLib.dosimetry.scorecard_table import PATIENT_TABLE

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pretraining-steps", type=int, default=1000, help="any to any (default: 1000)")
    parser.add_argument("--steps", type=int, default=1200, help="on the dose, of every run (default: 1200)")
    parser.add_argument("--post-training-steps", type=int, default=150, help="(default: 150)")
    parser.add_argument("--samples", type=int, default=8, metavar="K", help="doses whose mean is scored (default: 8)")
    parser.add_argument("--sampling-steps", type=int, default=1, metavar="N",
                        help="denoiser calls a sample (default: 1)")  # fmt: skip
    add_run_options(parser, "runs/diffkt3d-table")
    arguments = parser.parse_args()
    trained(PRETRAINING, arguments.pretraining_steps, arguments)
    titles = {run.name: run.title for run in RUNS}
    drawn = ["--samples", str(arguments.samples), "--steps", str(arguments.sampling_steps)]
    folder = f"scores-{arguments.samples}-{arguments.sampling_steps}"
    scores: dict[str, Path] = {}
    rows = []
    for run in RUNS:
        steps = arguments.post_training_steps if "post-training" in run.name else arguments.steps
        weights = trained(run.name, steps, arguments, run.before)
        scores[run.name] = evaluated(weights, arguments, [*drawn, "--scorecard", SCORECARD], PATIENT_TABLE, folder)
        cells = paired_cells(scores[run.name], scores.get(run.against or ""), COLUMNS)
        rows.append([run.title, titles.get(run.against or "", ""), *cells])
    note = (
        f"{arguments.steps} steps on the dose, {arguments.pretraining_steps} of any-to-any before, "
        f"{arguments.post_training_steps} of post-training after; one patient a step, seed 0; the mean of "
        f"{arguments.samples} samples, {arguments.sampling_steps} denoiser calls each. In brackets the difference from "
        f"the run beside the name, and the paired t-test's p. The scorecard is {SCORECARD}."
    )
    write_table(["", "against", *COLUMNS.values()], rows, note, arguments.output)
    return 0


if __name__ == "__main__":
    sys.exit(main())
