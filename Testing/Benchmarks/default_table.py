"""What the default system's parts are worth: one change at a time, at equal steps.

    python Testing/Benchmarks/default_table.py --steps 500 --output runs/default-table

trains default.json and every change of `CHANGES` for the same number of steps on the same patients and draws, evaluates
each with one sample of one step on the same validation patients, tests each against the unchanged run with the paired
t-test, and writes table.md and table.csv. What is already there is not done again, so that the command goes on where it
stopped; `--only NAME` does a part. Patients are conditioned once, for all runs.
"""

from __future__ import annotations

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parents[1]), str(HERE)]

from equal_runs import Change, chosen_changes, evaluated, paired_cells, trained, write_table  # noqa: E402

CONFIGURATION = "default"
#: Of a run's folder.
SCORES = "scores"
#: Figures of the table: as the paired tests call them, and how the table does.
COLUMNS = {"dose_score": "dose score, Gy", "dvh_score": "DVH score, Gy"}


CHANGES = (
    Change("default", "default"),
    Change("instance-norm", "instance norm", {"system_config": {"norm": "instance"}}),
    Change("packed-stem", "space-to-depth before the stem", {"system_config": {"stem": "space-to-depth"}}),
    Change("concatenated", "levels concatenated", {"system_config": {"join": "concatenate"}}),
    Change("adamw", "AdamW", {"optimiser": "adamw"}),
    Change("no-guidance", "no guidance below the input", {"system_config": {"guidance": 0}}),
    Change("no-beams", "no beam channels", without=("beams_",)),
    Change("no-distances", "no distances", without=("distance_",)),
    Change("no-dvh-terms", "dose error alone", {"curve_weight": 0.0, "criteria_weight": 0.0}),
    Change("no-turns", "no turns, no resizing", {"turn_probability": 0.0}),
    Change("never-upside-down", "never upside down", {"upside_down": 0.0}),
    Change("always-noise", "always from pure noise", {"system_config": {"pure_noise": 1.0}}),
)


def main() -> int:
    """Train, evaluate, test, write."""
    chosen, arguments = chosen_changes(CHANGES, 500, "runs/default-table", __doc__)
    rows = []
    for change in chosen:
        weights = trained(CONFIGURATION, arguments.steps, arguments, changes=change.all_fields(), folder=change.name)
        scores = evaluated(weights, arguments, ["--samples", "1", "--steps", "1"], "scores.csv", SCORES)
        other = None if change is chosen[0] else arguments.output / chosen[0].name / SCORES
        rows.append([change.title, *paired_cells(scores, other, COLUMNS)])
    note = (
        f"{arguments.steps} steps of one patient each, seed 0; one sample of one step. In brackets the difference from "
        "the first row and the paired t-test's p."
    )
    write_table(["", *COLUMNS.values()], rows, note, arguments.output)
    return 0


if __name__ == "__main__":
    sys.exit(main())
