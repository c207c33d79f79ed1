"""Whether plans treat left and right alike: the mean doses of paired organs, clinical and predicted.

    python Testing/Benchmarks/left_and_right.py openkbp/train openkbp/validation

Weights whose mirrored training patients had the names of paired organs changed (`ModelInput.mirrored`) can't tell left
from right, so that what planners do to one side only is left over as an error of opposite sign on the two sides. For
each folder it prints the mean difference of the clinical doses between the right and the left parotid at equal distance
to the targets (a straight line through all patients), and the predicted minus the clinical mean dose of each; all in Gy
with their standard errors.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parents[1]), str(HERE)]

from shown_cases import command_line  # noqa: E402

PAIR = ("Parotid_R", "Parotid_L")


def main() -> int:
    """Print three lines for each folder."""
    shown = command_line(__doc__)
    for dataset in shown.datasets:
        clinical, errors, distances = [], [], []
        for case in shown.cases(dataset):
            names = case.inputs.names
            masks = [case.inputs.channels[names.index(organ)] > 0.5 for organ in PAIR]
            if not all(mask.any() for mask in masks):
                continue
            reference = case.dose_gy.astype(np.float32)
            dose_gy = shown.engine.sampled_dose(case.inputs, samples=shown.samples)
            distance = case.inputs.channels[names.index("distance_any")].astype(np.float32)
            clinical.append([reference[mask].mean() for mask in masks])
            errors.append([dose_gy[mask].mean() - reference[mask].mean() for mask in masks])
            distances.append([distance[mask].mean() for mask in masks])
        if len(clinical) < 3:
            print(
                f"{dataset} has {len(clinical)} patients with both parotids; three are needed at least.",
                file=sys.stderr,
            )
            return 2
        difference, farther = (np.subtract(*np.transpose(values)) for values in (clinical, distances))
        slope, _ = np.polyfit(farther, difference, 1)
        print(f"{dataset.name}, {len(clinical)} patients with both:")
        print(f"  right minus left, clinical, at equal distance  {with_error(difference - slope * farther)}")
        for organ, values in zip(PAIR, np.transpose(errors), strict=True):
            print(f"  {organ}, predicted minus clinical  {with_error(values)}", flush=True)
    return 0


def with_error(values: np.ndarray) -> str:
    """Mean and standard error."""
    return f"{np.mean(values):+.2f} ± {np.std(values, ddof=1) / len(values) ** 0.5:.2f} Gy"


if __name__ == "__main__":
    sys.exit(main())
