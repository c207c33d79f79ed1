"""Table 2 of ADDiff-Dose on one's own patients: the system, its ablations and its baselines, trained alike.

    python Testing/Benchmarks/addiff_table.py --steps 4000 --output runs/addiff-table

trains every configuration of `SYSTEMS` for the same number of steps on the same patients (two a step), from the same
seed, evaluates each on the same validation patients (diffusion with each of --sampling-steps), tests each against the
proposed system with the paired t-test, and writes table.md and table.csv. What is already there is not done again, so
that the command goes on where it stopped. A run of the CT autoencoder comes first; its steps don't count among the
equal ones. Patients are conditioned once, for all runs.
"""

from __future__ import annotations

import argparse
import csv
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parents[1]), str(HERE)]

GOALS = "addiff-dose"
AUTOENCODER = "addiff_dose-ct_vae"
#: In the table's order: its row's name, its configuration.
SYSTEMS = {
    "3D U-Net": "baseline-unet",
    "GAN (pix2pix)": "baseline-pix2pix",
    "DeepLabV3+ (2.5D)": "baseline-deeplabv3plus",
    "DoseNet": "baseline-dosenet",
    "ADDiff-Dose without structure encoder": "addiff_dose-no-structure-encoder",
    "ADDiff-Dose without clinical loss": "addiff_dose-no-clinical-loss",
    "ADDiff-Dose": "addiff_dose",
}
#: What the others are tested against.
PROPOSED = "ADDiff-Dose"
#: Of the plan figures, those of the table.
COLUMNS = ("MAE", "Dice mean", "HD95 mean", "D98% highest target", "D2% highest target", "HI highest target",
           "CI highest target", "Compliance")  # fmt: skip


def main() -> int:
    """Train, evaluate, test, write."""
    from equal_runs import add_run_options, evaluated, trained, write_table

    from DosePredictionLib.dosimetry.paired_tests import paired_plan_figures
    from DosePredictionLib.dosimetry.plan_figures import read_plan_figures

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=4000, help="optimiser steps of every system (default: 4000)")
    parser.add_argument("--autoencoder-steps", type=int, default=1500, help="of the CT autoencoder (default: 1500)")
    add_run_options(parser, "runs/addiff-table")
    parser.add_argument("--sampling-steps", type=int, nargs="+", default=[1, 4], metavar="N",
                        help="denoiser calls a sample, one row each (default: 1 4)")  # fmt: skip
    arguments = parser.parse_args()
    trained(AUTOENCODER, arguments.autoencoder_steps, arguments)
    found = {}
    most = max(arguments.sampling_steps)
    for title, name in SYSTEMS.items():
        weights = trained(name, arguments.steps, arguments, AUTOENCODER if samples(name) else None)
        for steps in sorted(set(arguments.sampling_steps)) if samples(name) else [1]:
            options = ["--samples", "1", "--steps", str(steps), "--plan-figures", GOALS]
            folder = f"scores-{steps}" if samples(name) else "scores"
            scores = evaluated(weights, arguments, options, "plan_figures.csv", folder)
            seconds = mean_seconds(scores / "scores.csv")
            found[title, steps] = (read_plan_figures(scores / "plan_figures.csv"), seconds)
    rows = []
    for (title, steps), (figures, seconds) in found.items():
        # Diffusion against diffusion of as many steps; what has no steps against the most.
        against = (PROPOSED, steps if samples(SYSTEMS[title]) else most)
        tests = {test.figure: test for test in paired_plan_figures(figures, found[against][0])}
        own = (title, steps) == against
        cells = [f"{tests[column].mean_a:.3f}{'' if own else tests[column].stars}" if column in tests else ""
                 for column in COLUMNS]  # fmt: skip
        rows.append([title, str(steps) if samples(SYSTEMS[title]) else "", *cells, f"{seconds:.2f}"])
    heads = ["", "sampling steps", *COLUMNS, "seconds"]
    note = (
        f"{arguments.steps} steps of two patients each, seed 0. Figures of targets are mean absolute differences "
        "from the reference; MAE in Gy over the dose region or the body; Dice and HD95 (mm) are means over isodoses "
        f"of 20, 50, 80, 95 and 100 %; compliance is the part of the goals ({GOALS}) that are met, %. * p < 0.05, "
        f"** p < 0.01, *** p < 0.001 against {PROPOSED} with as many sampling steps (networks without any: with "
        f"{most}), paired t-test."
    )
    write_table(heads, rows, note, arguments.output)
    return 0


def samples(name: str) -> bool:
    """Whether a configuration is of a diffusion, which is sampled in steps."""
    return name.startswith("addiff")


def mean_seconds(table: Path) -> float:
    """What `evaluate` wrote of the time that a patient takes."""
    with open(table, newline="", encoding="utf-8") as stream:
        return next(float(row["seconds"] or "nan") for row in csv.DictReader(stream) if row["patient"] == "mean")


if __name__ == "__main__":
    sys.exit(main())
